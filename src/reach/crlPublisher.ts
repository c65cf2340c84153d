import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { closeAlerts, raiseAlert } from '../core/audit/alert.ts'
import { shardName } from '../core/authority/indirectCrl.ts'
import type { SignedCrl } from '../core/core.ts'
import { type EveryCrl, everyCrl } from '../core/crl/everyCrl.ts'
import type { Installation } from '../core/installation.ts'
import { transaction } from '../db/transaction.ts'
import { runCommand } from './crlCommand.ts'
import { writeWhole } from './crlFile.ts'

/** Where CRLs go beside HTTP: a matter of this host, not of the database. At least one is there. */
export interface Publication {
  /** Absolute. Absent: `crl` in the data folder. */
  folder?: string
  /** A program and its arguments; it runs for each new CRL. */
  command?: readonly [string, ...string[]]
}

export interface CrlPublisher {
  /** Publishes what is new since the last time, by this process or an earlier one. What fails is tried again later. */
  run(): Promise<void>
  /** Kills a command that runs. */
  stop(): void
}

interface PublisherOptions extends Publication {
  dataFolder: string
  /** Of a command, in milliseconds. */
  timeout?: number
}

const firstPause = 30_000
const longestPause = 600_000

/** CRLs of this host as files, and handed to a command. Each is asked for as a client would, so that a revocation makes a new one. */
export function createCrlPublisher(it: Installation, options: PublisherOptions): CrlPublisher {
  const stopping = new AbortController()
  const handled = handledCrls(options)
  const published = new Map<string, string>()
  const failed = new Map<string, { pause: number; again: number }>()
  return {
    async run() {
      for (const crl of await everyCrl(it)) {
        const key = keyOf(crl)
        if (stopping.signal.aborted || it.clock().getTime() < (failed.get(key)?.again ?? 0)) continue
        try {
          const first = !published.has(key)
          await publish(crl, key)
          // An earlier process may have left an alert.
          if (failed.delete(key) || (first && published.has(key))) await tell(it, crl, 'well')
        } catch (error) {
          if (stopping.signal.aborted) return
          const pause = Math.min((failed.get(key)?.pause ?? firstPause / 2) * 2, longestPause)
          failed.set(key, { pause, again: it.clock().getTime() + pause })
          it.log.error({ err: error, authority: crl.authority.name, crl: key }, 'a CRL could not be published')
          await tell(it, crl, 'wrong')
        }
      }
    },
    stop: () => stopping.abort(),
  }

  async function publish(crl: EveryCrl, key: string): Promise<void> {
    const signed = await crl.read()
    // Which one goes by the authority's name alone changes with a rollover.
    const state = `${signed?.number} ${crl.active}`
    if (!signed || published.get(key) === state) return
    const folder = options.folder ?? join(options.dataFolder, 'crl')
    const file = join(folder, `${key}.crl`)
    await writeWhole(file, signed.parts)
    if (crl.active && crl.shard === 0 && !crl.delta)
      await writeWhole(join(folder, `${crl.authority.name}.crl`), signed.parts)
    if (options.command && (await handled.read())[key] !== String(signed.number)) {
      const { command, timeout = 60_000 } = options
      await runCommand({ command, env: environment(crl, signed, file), timeout, signal: stopping.signal })
      await handled.write(key, String(signed.number))
    }
    published.set(key, state)
  }
}

/** The path below /crl at which the server has it. */
function keyOf({ authority, issuer, shard, delta }: EveryCrl): string {
  return `${authority.name}/${issuer}/${shardName(shard)}${delta ? '-delta' : ''}`
}

function environment({ authority, issuer, shard, delta, url }: EveryCrl, crl: SignedCrl, file: string) {
  return {
    CRL_FILE: file,
    CRL_AUTHORITY: authority.name,
    CRL_CERTIFICATE: String(issuer),
    CRL_SHARD: shardName(shard),
    CRL_DELTA: String(delta),
    CRL_NUMBER: String(crl.number),
    CRL_NEXT_UPDATE: crl.nextUpdate.toISOString(),
    CRL_URL: url,
  }
}

/** Which numbers the command has handled, in a file of the data folder: another command begins anew. */
function handledCrls({ dataFolder, command }: PublisherOptions) {
  const path = join(dataFolder, 'published-crls.json')
  const name = JSON.stringify(command ?? [])
  let known: Record<string, string> | undefined
  const read = async (): Promise<Record<string, string>> => {
    known ??= await readFile(path, 'utf8').then(
      (text) => readHandled(text, name),
      () => ({}),
    )
    return known
  }
  return {
    read,
    async write(key: string, number: string): Promise<void> {
      const numbers = { ...(await read()), [key]: number }
      await writeWhole(path, [Buffer.from(JSON.stringify({ command: name, numbers }))])
      known = numbers
    },
  }
}

/** A file that cannot be read only makes the command run once more. */
function readHandled(text: string, command: string): Record<string, string> {
  try {
    const stored: unknown = JSON.parse(text)
    if (typeof stored !== 'object' || stored === null || !('command' in stored) || stored.command !== command) return {}
    const numbers = 'numbers' in stored ? stored.numbers : undefined
    return typeof numbers === 'object' && numbers !== null ? Object.fromEntries(Object.entries(numbers)) : {}
  } catch {
    return {}
  }
}

/** A failure has an alert, which closes when the CRL, or a newer one, was published. */
async function tell(it: Installation, crl: EveryCrl, how: 'well' | 'wrong'): Promise<void> {
  const { id, organizationId } = crl.authority
  const subject = { kind: 'authority', id } as const
  const detail = `the CRL ${keyOf(crl)} could not be published by folder or command on ${hostname()}; the log there says why`
  const alert = { kind: 'crl_publication', organizationId, subject, detail }
  await transaction(it.db, (db) => (how === 'wrong' ? raiseAlert : closeAlerts)(db, it.clock(), alert))
}
