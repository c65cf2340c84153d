import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { closeAlerts, raiseAlert } from '../core/audit/alert.ts'
import type { Installation } from '../core/installation.ts'
import { transaction } from '../db/transaction.ts'
import type { Chore } from '../protocol.ts'

interface Place {
  dataFolder: string
  /** It comes from the environment: there is no file. */
  keySecret?: string | undefined
}

const subject = { kind: 'installation', id: null } as const

/**
 * While the server runs it holds the key-encryption key in memory: that its file is lost would only show at the next start, when it may be too late. An alert
 * tells of it, and closes when the file is back.
 */
export function keyFileWatch(it: Installation, { dataFolder, keySecret }: Place): Chore[] {
  if (keySecret !== undefined) return []
  const file = join(dataFolder, 'key.secret')
  const advice = 'put it back from your backup before the next start; the server goes on with what it holds in memory'
  const alert = { kind: 'key_file', organizationId: null, subject, detail: `${file} cannot be read: ${advice}` }
  let told: boolean | undefined
  const watch: Chore = {
    name: 'watch the file of the key-encryption key',
    every: 30_000,
    async run() {
      const good = isKey(file)
      if (good === !told && told !== undefined) return
      await transaction(it.db, (db) => (good ? closeAlerts : raiseAlert)(db, it.clock(), alert))
      if (!good) it.log.error({ file }, alert.detail)
      else if (told) it.log.info({ file }, 'the file of the key-encryption key is back')
      told = !good
    },
  }
  return [watch]
}

function isKey(file: string): boolean {
  try {
    return Buffer.from(readFileSync(file, 'utf8').trim(), 'base64').length === 32
  } catch {
    return false
  }
}
