import { readFileSync } from 'node:fs'
import { closeAlerts, raiseAlert } from '../core/audit/alert.ts'
import type { Installation } from '../core/installation.ts'
import { transaction } from '../db/transaction.ts'
import type { Chore } from '../protocol.ts'
import { isKeyOf, type KnownKeys, keyFile, keyInText, knownKeys } from './keySecret.ts'

interface Place {
  dataFolder: string
  /** It comes from the environment: there is no file. */
  keySecret?: string | undefined
}

const subject = { kind: 'installation', id: null } as const

/**
 * While the server runs it holds the key-encryption key in memory: that its file is lost, or another installation's, would only show at the next start, when
 * it may be too late. An alert tells of it, and closes when the file is back.
 */
export function keyFileWatch(it: Installation, { dataFolder, keySecret }: Place): Chore[] {
  if (keySecret !== undefined) return []
  const file = keyFile({ dataFolder })
  const advice =
    'put the right one back from your backup before the next start; the server goes on with what it holds in memory'
  const alertOf = (fault: Fault) => {
    return { kind: 'key_file', organizationId: null, subject, detail: `${file} ${fault}: ${advice}` }
  }
  let told: Fault | 'nothing' | undefined
  const watch: Chore = {
    name: 'watch the file of the key-encryption key',
    every: 30_000,
    async run() {
      const fault = faultOf(file, await knownKeys(it.db))
      if (told === (fault ?? 'nothing')) return
      await transaction(it.db, async (db) => {
        for (const other of faults) if (other !== fault) await closeAlerts(db, it.clock(), alertOf(other))
        if (fault) await raiseAlert(db, it.clock(), alertOf(fault))
      })
      if (fault) it.log.error({ file }, alertOf(fault).detail)
      else if (told) it.log.info({ file }, 'the file of the key-encryption key is back')
      told = fault ?? 'nothing'
    },
  }
  return [watch]
}

const faults = ['cannot be read', 'is damaged', 'holds another key than that of this database'] as const
type Fault = (typeof faults)[number]

function faultOf(file: string, known: KnownKeys): Fault | undefined {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return 'cannot be read'
  }
  const key = keyInText(text)
  if (!key) return 'is damaged'
  return isKeyOf(known, key) ? undefined : 'holds another key than that of this database'
}
