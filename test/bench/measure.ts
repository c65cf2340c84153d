import { setTimeout as delay } from 'node:timers/promises'
import type { ConnectionOptions } from 'node:tls'
import { AcmeClient } from '../helpers/acmeClient.ts'
import { type ClientKey, newKey } from '../helpers/acmeKeys.ts'
import { type Connection, openConnections } from './connection.ts'
import type { Contestant } from './contestant.ts'
import { issue, prepare } from './issuance.ts'
import type { Responder } from './responder.ts'
import { sumOf, type Usage, usageOf } from './usage.ts'

/** One account at one server. */
export interface Account {
  contestant: Contestant
  key: ClientKey
  kid: string
  responder: Responder
}

/** What a batch of issuances cost. */
export interface Cost {
  name: string
  concurrency: number
  certificates: number
  /** Certificates a second. */
  rate: number
  /** Milliseconds of the server's CPU for each certificate. */
  user: number
  system: number
  cpu: number
  /** Of PostgreSQL's CPU. */
  postgres: number | undefined
  /** Milliseconds from newOrder to the certificate. */
  p50: number
  p99: number
  statements: number | undefined
  commits: number | undefined
  polls: number
}

/** What a server does after the last answer belongs to the batch too: sealing the audit trail, for one. */
const AFTERMATH_MS = 1_500

export async function openAccount(
  contestant: Contestant,
  responder: Responder,
  options: ConnectionOptions = {},
): Promise<Account> {
  const key = newKey()
  const connection = await openConnections(contestant.nodes, contestant.ca, options)
  const client = await new AcmeClient(contestant.directory, connection.transport, key).load()
  const { status, text } = await client.register()
  connection.close()
  if (status !== 201 || client.kid === undefined) throw new Error(`${contestant.name} made no account: ${text}`)
  return { contestant, key, kid: client.kid, responder }
}

/** `concurrency` clients, each on a connection of its own that stands already, share so many issuances. */
export async function measure(account: Account, concurrency: number, certificates: number): Promise<Cost> {
  const { contestant, responder } = account
  const prepared = Array.from({ length: certificates }, prepare)
  const clients = await Promise.all(Array.from({ length: concurrency }, () => clientOf(account)))
  const latencies: number[] = []
  let polls = 0
  const before = await readingOf(contestant)
  const started = performance.now()
  const work = async ({ client }: { client: AcmeClient }) => {
    for (let next = prepared.pop(); next; next = prepared.pop()) {
      const from = performance.now()
      const { polls: more } = await issue(client, next, responder)
      polls += more
      latencies.push(performance.now() - from)
    }
  }
  try {
    await Promise.all(clients.map(work))
  } catch (error) {
    for (const { connection } of clients) connection.close()
    throw error
  }
  const seconds = (performance.now() - started) / 1000
  await delay(AFTERMATH_MS)
  const after = await readingOf(contestant)
  for (const { connection } of clients) connection.close()
  latencies.sort((a, b) => a - b)
  const each = (from: number, to: number) => (to - from) / certificates
  const user = each(before.usage.user, after.usage.user)
  const system = each(before.usage.system, after.usage.system)
  const counted = (of: 'statements' | 'commits') =>
    before.database && after.database ? each(before.database[of], after.database[of]) : undefined
  return {
    name: contestant.name,
    concurrency,
    certificates,
    rate: certificates / seconds,
    user,
    system,
    cpu: user + system,
    postgres: before.postgres && after.postgres && each(total(before.postgres), total(after.postgres)),
    p50: at(latencies, 0.5),
    p99: at(latencies, 0.99),
    statements: counted('statements'),
    commits: counted('commits'),
    polls: polls / certificates,
  }
}

async function readingOf({ nodes, postgres, database }: Contestant) {
  return { usage: sumOf(nodes.map(({ pid }) => usageOf(pid))), postgres: postgres?.(), database: await database() }
}

const total = ({ user, system }: Usage) => user + system

/** A client of the account, on connections of its own. */
export async function clientOf(
  { contestant, key, kid }: Account,
  options: ConnectionOptions = {},
): Promise<{ client: AcmeClient; connection: Connection }> {
  const connection = await openConnections(contestant.nodes, contestant.ca, options)
  const client = await new AcmeClient(contestant.directory, connection.transport, key).load()
  client.kid = kid
  await client.get(client.directory.newNonce ?? '', 'HEAD')
  return { client, connection }
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
