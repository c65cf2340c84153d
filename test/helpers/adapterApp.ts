import { randomBytes } from 'node:crypto'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Hono } from 'hono'
import { afterAll, beforeAll } from 'vitest'
import type { VoteInput } from '../../src/core/approval/approval.ts'
import { asRequester, type User } from '../../src/core/identity/identity.ts'
import { enqueueJob, runDueJobs } from '../../src/core/jobs.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import type { Host, NodeBindings, Protocol } from '../../src/protocol.ts'
import { openSqlite } from './databases.ts'
import { expectDecided } from './decided.ts'
import type { World } from './world.ts'

/** What the server gives to an adapter, over the core of a test. `name`: what it is called below .test. */
export function hostOf({ it, core }: World, name: string, change: Partial<Host> = {}): Host {
  return {
    core,
    db: it.db,
    enqueue: (db, kind, ref, { runAt } = {}) =>
      enqueueJob(db, { kind, ref, runAt: runAt ?? it.clock(), at: it.clock() }),
    baseUrl: `https://${name}.test`,
    mtlsBaseUrl: `https://mtls.${name}.test`,
    httpBaseUrl: it.httpBaseUrl,
    clock: it.clock,
    log: it.log,
    validation: { http01Port: 80, tlsAlpn01Port: 443, networks: '' },
    secret: randomBytes(32),
    sourceAddress: () => '192.0.2.7',
    clientCertificate: () => undefined,
    accounts: () => undefined,
    ...change,
  }
}

interface Sent {
  method: string
  /** The path, from the first slash on. */
  target: string
  /** Names in small letters. */
  headers: Record<string, string>
  body: Buffer | string | undefined
}

/** Hands a request to an adapter as the server does: the body is only in the raw request. */
export async function callAdapter(
  routes: Hono<{ Bindings: NodeBindings }>,
  origin: string,
  { method, target, headers, body }: Sent,
): Promise<Response> {
  const incoming = new IncomingMessage(new Socket())
  incoming.method = method
  incoming.url = target
  Object.assign(incoming.headers, headers)
  if (body !== undefined) incoming.push(Buffer.from(body))
  incoming.push(null)
  const bindings = { incoming, outgoing: new ServerResponse(incoming) }
  return routes.request(origin + target, { method, headers }, bindings)
}

/** Runs those jobs of an adapter that are due; answers how many ran. */
export function runJobsOf({ jobs = {} }: Protocol, { it }: World, host: Host): Promise<number> {
  const handlers = Object.entries(jobs).map(([kind, run]) => [kind, (ref: string) => run(host, ref)])
  const { db, node, clock, log } = it
  return runDueJobs({ db, node, clock, log, handlers: Object.fromEntries(handlers) })
}

export interface Orders {
  /** Id of the newest one. */
  newest(): Promise<number>
  count(): Promise<number>
  /** Votes on the newest one, and answers its id. */
  vote(input?: Partial<VoteInput>): Promise<number>
  voteOn(id: number, input?: Partial<VoteInput>): Promise<void>
}

/** The orders that came over a protocol, for the person who votes on them. */
export function ordersOver(protocol: string, { it, core }: World, approver: User): Orders {
  const { approvals } = core.as(asRequester(approver))
  const rows = () => withTables<CoreTables>(it.db).selectFrom('sign_requests').where('protocol', '=', protocol)
  async function newest(): Promise<number> {
    return (await rows().select('id').orderBy('id', 'desc').limit(1).executeTakeFirstOrThrow()).id
  }
  async function voteOn(id: number, input: Partial<VoteInput> = {}): Promise<void> {
    const { hash } = await approvals.review('sign', id)
    await approvals.vote('sign', id, { verdict: 'approve', hash, ...input })
  }
  return {
    newest,
    async count() {
      const counted = rows().select((eb) => eb.fn.countAll().as('all'))
      return Number((await counted.executeTakeFirstOrThrow()).all)
    },
    async vote(input) {
      const id = await newest()
      await voteOn(id, input)
      return id
    },
    voteOn,
  }
}

interface App {
  world: World
  close?(): Promise<unknown>
}

export type Open = () => Promise<{ db: Database; close(): Promise<void> }>

/** One for all tests of a file or of a describe block; on SQLite unless said, since the core's own tests loop over both databases. */
export function useApp<A extends App>(
  create: (db: Database) => Promise<A>,
  open: Open = openSqlite,
): { readonly app: A } {
  let app: A | undefined
  let opened: Awaited<ReturnType<Open>> | undefined
  beforeAll(async () => {
    opened = await open()
    app = await create(opened.db)
  })
  afterAll(async () => {
    await app?.close?.()
    if (app) await expectDecided(app.world.it.db)
    await opened?.close()
  })
  return {
    get app() {
      if (!app) throw new Error('the app is there only inside a test')
      return app
    },
  }
}
