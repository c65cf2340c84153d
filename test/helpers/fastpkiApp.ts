import { expect } from 'vitest'
import { fastpki } from '../../protocols/fastpki/index.ts'
import type { Method, Operation } from '../../protocols/fastpki/operation.ts'
import { operations } from '../../protocols/fastpki/operations.ts'
import { type Capability, grantCapability } from '../../src/core/identity/capability.ts'
import {
  asRequester,
  createOrganization,
  createUser,
  findOrganization,
  type User,
} from '../../src/core/identity/identity.ts'
import type { TokenScope } from '../../src/core/identity/tokenScope.ts'
import { setPassword } from '../../src/core/login/login.ts'
import { createToken } from '../../src/core/login/token.ts'
import { system } from '../../src/core/requester.ts'
import type { Database } from '../../src/db/open.ts'
import { transaction } from '../../src/db/transaction.ts'
import type { Host } from '../../src/protocol.ts'
import { callAdapter, hostOf, type Open, useApp } from './adapterApp.ts'
import { createWorld, type World } from './world.ts'

export const PASSWORD = 'correct horse battery'

/** The adapter of FastPKI over a whole core, without listeners. Every answer is held against the schema of its operation. */
export interface FastpkiApp {
  world: World
  host: Host
  /** Superuser, and owner of nothing. */
  admin: Person
  /** Of the organization `default`: may create_cert, revoke_cert and read, no more. */
  operator: Person
  /** Administrator of another organization. */
  stranger: Person
  person(name: string, more?: PersonDraft): Promise<Person>
  /** Another token of a person, with a scope. */
  token(person: Person, scope: TokenScope): Promise<string>
  /** A profile of `issuing` that serves fastpki; every rule is auto unless said. Its authority's id. */
  save(name: string, change?: Parameters<World['save']>[1] & { options?: unknown }): Promise<number>
  /** Id of the authority `issuing`. */
  ca: number
  /** The address that calls come from. */
  source: string
  call(method: Method, path: string, sent?: Sent): Promise<Called>
}

interface PersonDraft {
  capabilities?: Capability[]
  admin?: boolean
  superuser?: boolean
  organization?: string
}

export interface Person extends User {
  token: string
}

export interface Sent {
  /** Null: nobody. Absent: the operator. */
  by?: Person | string | null
  body?: unknown
  form?: Record<string, string>
  headers?: Record<string, string>
  /** Sent as it is. */
  raw?: Buffer | string
}

export interface Called {
  status: number
  headers: Headers
  text: string
  octets: Buffer
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers whose shape the schema has been held against
  json: any
}

export const auto = [{ name: 'nobody looks', when: 'true', auto: true }]
export const everything = { issue: auto, renew: auto, rekey: auto, revoke: auto, export: [] }
/** Kinds of certificates beside server, and subjects as they are asked. */
export const settings = {
  certificate: { overrides: ['validity', 'subject'], validity: { default: '90d', max: '365d' } },
  variants: {
    client: { description: 'people', type: 'client', names: { dns: [], ip: [], email: ['**'] } },
    dual: { description: 'both', type: 'dual_purpose', names: { email: ['**'] } },
  },
}

export async function createFastpkiApp(db: Database): Promise<FastpkiApp> {
  const world = await createWorld(db)
  const host = hostOf(world, 'pki', { sourceAddress: () => app.source })
  const change = () => ({ actor: system('test'), at: world.time.now })
  const { organizationId } = await world.profile()
  const home = async (name: string | undefined): Promise<number> => {
    if (name === undefined) return organizationId
    const found = await findOrganization(db, name)
    return (found ?? (await transaction(db, (db) => createOrganization(db, change(), name)))).id
  }
  const person: FastpkiApp['person'] = async (name, { capabilities = [], organization, ...flags } = {}) => {
    const at = await home(organization)
    const made = await transaction(db, async (db) => {
      const user = await createUser(db, change(), { name, organizationId: at, ...flags })
      for (const capability of capabilities)
        await grantCapability(db, change(), { capability, to: { userId: user.id }, organizationId: at })
      return { ...user, token: (await createToken(db, change(), { userId: user.id, name: 'test' })).text }
    })
    await setPassword(db, change(), made.id, PASSWORD)
    return made
  }
  const routes = fastpki.routes(host)
  const app: FastpkiApp = {
    world,
    host,
    admin: await person('root', { superuser: true, admin: true }),
    operator: await person('operator', { capabilities: ['create_cert', 'revoke_cert', 'read'] }),
    stranger: await person('stranger', { admin: true, organization: 'elsewhere' }),
    person,
    token: async ({ id }, scope) =>
      (await transaction(db, (db) => createToken(db, change(), { userId: id, name: 'limited', scope }))).text,
    async save(name, { options = {}, ...draft } = {}) {
      const { authorityId } = await world.save(name, {
        rules: everything,
        settings,
        ...draft,
        protocols: { fastpki: fastpki.options.parse(options), ...draft.protocols },
      })
      return authorityId
    },
    ca: 0,
    source: '192.0.2.7',
    async call(method, path, { by = app.operator, body, form, headers = {}, raw } = {}) {
      const json = body === undefined ? undefined : JSON.stringify(body)
      const sent = raw ?? json ?? (form && new URLSearchParams(form).toString())
      const token = typeof by === 'string' ? by : by?.token
      const type = form ? 'application/x-www-form-urlencoded' : 'application/json'
      const all: Record<string, string> = {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(sent === undefined ? {} : { 'content-type': type }),
        ...headers,
      }
      const target = path.startsWith('//') ? path.slice(1) : `/fastpki/api/v1${path}`
      const asked = { method: method.toUpperCase(), target, headers: all, body: sent }
      const response = await callAdapter(routes, host.baseUrl, asked)
      const octets = Buffer.from(await response.arrayBuffer())
      const text = octets.toString('utf8')
      const isJson = response.headers.get('content-type')?.startsWith('application/json') && text !== ''
      const called = {
        status: response.status,
        headers: response.headers,
        text,
        octets,
        json: isJson ? JSON.parse(text) : undefined,
      }
      if (!path.startsWith('//')) holdAgainstSchema(method, path, called)
      return called
    },
  }
  app.ca = await app.save('shop')
  return app
}

/** Every answer of an operation is as its schema says, and every refusal has the contract's shape. */
function holdAgainstSchema(method: Method, path: string, { status, json, text, headers }: Called): void {
  const operation = operationOf(method, path)
  if (!operation || status === 307) return
  expect(headers.get('x-content-type-options')).toBe('nosniff')
  if (status === (operation.status ?? 200)) {
    if (operation.answer) {
      const read = operation.answer.safeParse(json)
      expect(read.success ? [] : read.error.issues, `the answer of ${operation.method} ${operation.path}`).toEqual([])
    } else if (status === 204) expect(text).toBe('')
  } else if (status === 422) {
    expect(Array.isArray(json.detail), text).toBe(true)
    for (const one of json.detail) expect(Object.keys(one).sort(), text).toEqual(['input', 'loc', 'msg', 'type'])
  } else if (status >= 400) {
    expect(Object.keys(json ?? {}), text).toEqual(['detail'])
    expect(typeof json.detail).toBe('string')
    if (status === 401) expect(headers.get('www-authenticate')).toBe('Bearer')
  }
}

/** The operation that a request reaches. */
export function operationOf(method: Method, path: string): Operation | undefined {
  const [bare = ''] = path.split('?')
  const fits = operations.filter((operation, at) => operation.method === method && patterns[at]?.test(bare))
  return fits.sort((a, b) => a.path.split('{').length - b.path.split('{').length)[0]
}

const patterns = operations.map(({ path }) => new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`))

/** One app for all tests of a file. */
export const useFastpkiApp = (open?: Open) => useApp(createFastpkiApp, open)

/** The door of a person, for what a test prepares. */
export function doorOf(app: FastpkiApp, person: Person) {
  return app.world.core.as(asRequester(person))
}

/** What an order of a server's certificate says. */
export const server = (name: string, more: Record<string, unknown> = {}) => ({
  common_name: name,
  subject_dn: `CN=${name},O=Acme Corp,C=US`,
  certificate_type: 'server',
  ...more,
})
