import { expect } from 'vitest'
import { notary } from '../../protocols/notary/index.ts'
import { asRequester, createOrganization, createUser, findUser } from '../../src/core/identity/identity.ts'
import { createSetupLink, useSetupLink } from '../../src/core/login/login.ts'
import { system } from '../../src/core/requester.ts'
import type { Database } from '../../src/db/open.ts'
import { transaction } from '../../src/db/transaction.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import type { Host } from '../../src/protocol.ts'
import { callAdapter, hostOf, useApp } from './adapterApp.ts'
import { createWorld, newCsr, type World } from './world.ts'

export const PASSWORD = 'Correct-Horse-7'

export interface Sent {
  /** A token. Absent: nobody. */
  by?: string | undefined
  body?: unknown
  headers?: Record<string, string>
  /** Sent as it is. */
  raw?: Buffer | string
}

export interface Called {
  status: number
  headers: Headers
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers
  json: any
}

export interface NotaryApp {
  world: World
  host: Host
  /** Tokens by role; the owner of the authority `issuing` is `admin`. */
  admin: string
  manager: string
  requestor: string
  reader: string
  /** Administrator of another organization. */
  stranger: string
  call(method: string, path: string, sent?: Sent): Promise<Called>
  /** Of what must succeed: its `result`. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers
  result(method: string, path: string, sent?: Sent): Promise<any>
  login(email: string, password?: string): Promise<string>
  /** Makes an account and logs it in. */
  account(email: string, role: number): Promise<string>
  /** PEM of a CSR with a new key. */
  csr(name: string): Promise<string>
  /** A certificate request of the requestor: its number. */
  request(name: string, by?: string): Promise<number>
  /** The number of the authority `issuing`. */
  issuing: number
}

export const REQUESTS = '/api/v1/certificate_requests'
export const AUTHORITIES = '/api/v1/certificate_authorities'
export const ACCOUNTS = '/api/v1/accounts'

/** Notary's adapter over a whole core, without listeners. */
export async function createNotaryApp(db: Database): Promise<NotaryApp> {
  const world = await createWorld(db)
  const { core } = world
  const host = hostOf(world, 'notary', { enqueue: async () => {} })
  await world.save('default', { protocols: { acme: {}, notary: {} }, settings: { certificate: {} } })
  const routes = notary.routes(host)
  const call: NotaryApp['call'] = async (method, path, { by, body, headers = {}, raw } = {}) => {
    const sent = raw ?? (body === undefined ? undefined : JSON.stringify(body))
    const all = { ...(by === undefined ? {} : { authorization: `Bearer ${by}` }), ...headers }
    const asked = { method: method.toUpperCase(), target: `/notary${path}`, headers: all, body: sent }
    const response = await callAdapter(routes, host.baseUrl, asked)
    const text = await response.text()
    const isJson = response.headers.get('content-type') === 'application/json'
    const called = {
      status: response.status,
      headers: response.headers,
      text,
      json: isJson ? JSON.parse(text) : undefined,
    }
    holdEnvelope(called)
    return called
  }
  const result: NotaryApp['result'] = async (method, path, sent) => {
    const { status, json, text } = await call(method, path, sent)
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`)
    return json.result
  }
  const login: NotaryApp['login'] = async (email, password = PASSWORD) =>
    (await result('POST', '/login', { body: { email, password } })).token
  const change = () => ({ actor: system('test'), at: world.time.now })
  const withPassword = async (name: string) => {
    const user = await findUser(db, { name })
    if (!user) throw new Error(`no user ${name}`)
    const { secret } = await transaction(db, (db) => createSetupLink(db, change(), user.id))
    await useSetupLink(db, secret, PASSWORD, world.time.now)
    return login(name)
  }
  const admin = await withPassword('admin')
  const account: NotaryApp['account'] = async (email, role) => {
    await result('POST', ACCOUNTS, { by: admin, body: { email, password: PASSWORD, role_id: role } })
    return login(email)
  }
  await transaction(db, async (db) => {
    const { id } = await createOrganization(db, change(), 'elsewhere')
    await createUser(db, change(), { name: 'stranger@elsewhere.test', organizationId: id, admin: true })
  })
  const csr: NotaryApp['csr'] = async (name) => pemEncode('CERTIFICATE REQUEST', (await newCsr([name])).der)
  const requestor = await account('requestor@notary.test', 2)
  const [issuing] = (await core.as(system('test')).admin.authorities()).filter(({ name }) => name === 'issuing')
  return {
    world,
    host,
    admin,
    manager: await account('manager@notary.test', 1),
    requestor,
    reader: await account('reader@notary.test', 3),
    stranger: await withPassword('stranger@elsewhere.test'),
    call,
    result,
    login,
    account,
    csr,
    request: async (name, by = requestor) =>
      (await result('POST', REQUESTS, { by, body: { csr: await csr(name) } })).id,
    issuing: issuing?.id ?? 0,
  }
}

/** Every answer has the forms of all generations, and every refusal says something in both of theirs. */
function holdEnvelope({ status, json, text, headers }: Called): void {
  expect(headers.get('x-content-type-options')).toBe('nosniff')
  if (status >= 400) {
    expect(Object.keys(json ?? {}).sort(), text).toEqual(['error', 'message'])
    expect(json.error.length * json.message.length, text).toBeGreaterThan(0)
  } else if (json) expect(Object.keys(json), text).toEqual(expect.arrayContaining(['result', 'data']))
}

/** One app for all tests of a file. */
export const useNotaryApp = () => useApp(createNotaryApp)

/** The door of a user, for what a test prepares. */
export async function doorOf({ world }: NotaryApp, name: string) {
  const user = await findUser(world.it.db, { name })
  if (!user) throw new Error(`no user ${name}`)
  return world.core.as(asRequester(user))
}
