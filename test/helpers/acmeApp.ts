import { randomBytes } from 'node:crypto'
import { createServer, IncomingMessage, ServerResponse } from 'node:http'
import { type AddressInfo, Socket } from 'node:net'
import type { Hono } from 'hono'
import { afterAll, beforeAll } from 'vitest'
import { acme } from '../../protocols/acme/index.ts'
import { enqueueJob, runDueJobs } from '../../src/core/jobs.ts'
import type { Database } from '../../src/db/open.ts'
import type { Host, NodeBindings, ValidationConfig } from '../../src/protocol.ts'
import { AcmeClient, type AcmeOrder, type Transport } from './acmeClient.ts'
import type { ClientKey } from './acmeKeys.ts'
import { databases } from './databases.ts'
import { expectDecided } from './decided.ts'
import { createWorld, type World } from './world.ts'

export const BASE_URL = 'https://acme.test'

/** The adapter over a whole core, without listeners; names below localhost are validated at a web server of the test. */
export interface AcmeApp {
  world: World
  host: Host
  app: Hono<{ Bindings: NodeBindings }>
  transport: Transport
  /** What http-01 finds: path to body, or to a function that gives it late; undefined then says 503. */
  pages: Map<string, string | (() => Promise<string | undefined>)>
  /** A client that has read the directory, without an account unless `register`. */
  client(options?: { profile?: string; key?: ClientKey; register?: boolean }): Promise<AcmeClient>
  /** Lets the answers to http-01 of this account be right. */
  serveChallenges(client: AcmeClient): void
  /** An order whose names are all proved by http-01. */
  ready(names: Parameters<AcmeClient['order']>[0], by?: { profile?: string; client?: AcmeClient }): Promise<Ordered>
  runJobs(): Promise<number>
  close(): Promise<void>
}

interface Ordered {
  client: AcmeClient
  order: AcmeOrder
}

export async function createAcmeApp(db: Database, validation: Partial<ValidationConfig> = {}): Promise<AcmeApp> {
  const world = await createWorld(db)
  const pages: AcmeApp['pages'] = new Map()
  const thumbprints = new Set<string>()
  const web = createServer(async (request, response) => {
    const token = /^\/\.well-known\/acme-challenge\/(.+)$/.exec(request.url ?? '')?.[1]
    const [thumbprint] = thumbprints
    const page = pages.get(request.url ?? '') ?? (token && thumbprint ? `${token}.${thumbprint}` : undefined)
    const body = typeof page === 'function' ? await page() : page
    response.writeHead(page === undefined ? 404 : body === undefined ? 503 : 200).end(body)
  })
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve))
  const { it, core } = world
  const host: Host = {
    core,
    db,
    enqueue: (trx, kind, ref, options) =>
      enqueueJob(trx, { kind, ref, runAt: options?.runAt ?? it.clock(), at: it.clock() }),
    baseUrl: BASE_URL,
    mtlsBaseUrl: 'https://mtls.test',
    httpBaseUrl: it.httpBaseUrl,
    clock: it.clock,
    log: it.log,
    validation: {
      http01Port: (web.address() as AddressInfo).port,
      tlsAlpn01Port: 1,
      networks: 'loopback',
      ...validation,
    },
    secret: randomBytes(32),
    sourceAddress: () => '192.0.2.7',
    clientCertificate: () => undefined,
    accounts: () => undefined,
  }
  const app = acme.routes(host)
  const transport = appTransport(app)
  const built: AcmeApp = {
    world,
    host,
    app,
    transport,
    pages,
    async client({ profile = 'default', key, register = true } = {}) {
      const client = await new AcmeClient(`${BASE_URL}/acme/${profile}/directory`, transport, key).load()
      if (register) await client.register()
      return client
    },
    serveChallenges(client) {
      thumbprints.clear()
      thumbprints.add(client.key.thumbprint)
    },
    async ready(names, { profile = 'default', client } = {}) {
      const by = client ?? (await built.client({ profile }))
      built.serveChallenges(by)
      const order = await by.order(names)
      await by.answer(order, 'http-01')
      return { client: by, order }
    },
    runJobs() {
      const jobs = Object.entries(acme.jobs ?? {}).map(([kind, run]) => [kind, (ref: string) => run(host, ref)])
      return runDueJobs({ db, node: it.node, clock: it.clock, log: it.log, handlers: Object.fromEntries(jobs) })
    },
    async close() {
      await new Promise((resolve) => {
        web.close(resolve)
        web.closeAllConnections()
      })
    },
  }
  return built
}

/** Requests as the node adapter hands them over: the body is only in the raw request. */
export function appTransport(app: Hono<{ Bindings: NodeBindings }>): Transport {
  return async ({ method, url, headers, body }) => {
    const incoming = new IncomingMessage(new Socket())
    const { pathname, search } = new URL(url)
    incoming.method = method
    incoming.url = url.startsWith(BASE_URL) ? url.slice(BASE_URL.length) : pathname + search
    for (const [name, value] of Object.entries(headers)) incoming.headers[name.toLowerCase()] = value
    if (body !== undefined) incoming.push(body)
    incoming.push(null)
    const bindings = { incoming, outgoing: new ServerResponse(incoming) }
    const response = await app.request(url, { method, headers }, bindings)
    return { status: response.status, headers: new Map(response.headers), text: await response.text() }
  }
}

/** One app for all tests of a describe block. */
export function useAcme(open: () => Promise<{ db: Database; close(): Promise<void> }>): { readonly app: AcmeApp } {
  let opened: Awaited<ReturnType<typeof open>> | undefined
  let app: AcmeApp | undefined
  beforeAll(async () => {
    opened = await open()
    app = await createAcmeApp(opened.db)
  })
  afterAll(async () => {
    await app?.close()
    if (opened) await expectDecided(opened.db)
    await opened?.close()
  })
  return {
    get app() {
      if (!app) throw new Error('the app is there only inside a test')
      return app
    },
  }
}

/** SQLite, for tests that are about the wire and not about what is stored. */
export function openSqlite(): Promise<{ db: Database; close(): Promise<void> }> {
  const [sqlite] = databases
  if (!sqlite) throw new Error('there is no database to test with')
  return sqlite.open()
}
