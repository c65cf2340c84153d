import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Hono } from 'hono'
import { acme } from '../../protocols/acme/index.ts'
import type { Database } from '../../src/db/open.ts'
import type { Host, NodeBindings, ValidationConfig } from '../../src/protocol.ts'
import { AcmeClient, type AcmeOrder, type Transport } from './acmeClient.ts'
import type { ClientKey } from './acmeKeys.ts'
import { callAdapter, hostOf, type Open, runJobsOf, useApp } from './adapterApp.ts'
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
  const { port } = web.address() as AddressInfo
  const host = hostOf(world, 'acme', {
    validation: { http01Port: port, tlsAlpn01Port: 1, networks: 'loopback', ...validation },
  })
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
    runJobs: () => runJobsOf(acme, world, host),
    async close() {
      await new Promise((resolve) => {
        web.close(resolve)
        web.closeAllConnections()
      })
    },
  }
  return built
}

/** Requests as the server hands them over. */
export function appTransport(app: Hono<{ Bindings: NodeBindings }>): Transport {
  return async ({ method, url, headers: given, body }) => {
    const { origin } = new URL(url)
    const headers = Object.fromEntries(Object.entries(given).map(([name, value]) => [name.toLowerCase(), value]))
    const response = await callAdapter(app, origin, { method, target: url.slice(origin.length), headers, body })
    return { status: response.status, headers: new Map(response.headers), text: await response.text() }
  }
}

/** One app for all tests of a describe block. */
export const useAcme = (open?: Open) => useApp((db) => createAcmeApp(db), open)
