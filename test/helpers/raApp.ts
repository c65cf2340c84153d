import { expect } from 'vitest'
import { acme } from '../../protocols/acme/index.ts'
import { ra } from '../../protocols/ra/index.ts'
import type { Method, Operation } from '../../protocols/ra/operation.ts'
import { operations } from '../../protocols/ra/operations.ts'
import { type Capability, grantCapability } from '../../src/core/identity/capability.ts'
import { asRequester, createOrganization, createUser, type User } from '../../src/core/identity/identity.ts'
import { createToken } from '../../src/core/login/token.ts'
import type { ApprovalRules } from '../../src/core/profile/rule.ts'
import { system } from '../../src/core/requester.ts'
import type { Database } from '../../src/db/open.ts'
import { transaction } from '../../src/db/transaction.ts'
import type { ClientCertificate, Host } from '../../src/protocol.ts'
import { callAdapter, hostOf, useApp } from './adapterApp.ts'
import { createWorld, type World } from './world.ts'

/** The REST adapter over a whole core, without listeners. Every answer is held against the schema of its operation. */
export interface RaApp {
  world: World
  host: Host
  /** Superuser. */
  admin: Person
  /** Of the organization `default`: may create_cert, revoke_cert and read, no more. */
  operator: Person
  /** May approve; the rules of `waits` name him. */
  approver: Person
  /** Administrator of another organization. */
  stranger: Person
  person(
    name: string,
    more?: { capabilities?: Capability[]; admin?: boolean; superuser?: boolean; organization?: string },
  ): Promise<Person>
  /** Writes a profile that serves REST, and answers its place. */
  save(name: string, change?: Parameters<World['save']>[1] & { options?: unknown }): Promise<Place>
  /** Where `default` is. */
  place: Place
  call(method: Method, path: string, sent?: Sent): Promise<Called>
}

export interface Place {
  authority: string
  profile: string
  /** The prefix of the client operations. */
  path: string
}

export interface Person extends User {
  token: string
}

export interface Sent {
  /** Null: nobody. Absent: the operator. */
  by?: Person | string | null
  body?: unknown
  headers?: Record<string, string>
  /** Sent as it is. */
  raw?: Buffer | string
}

export interface Called {
  status: number
  headers: Headers
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers whose shape the schema has been held against
  json: any
}

export const auto: ApprovalRules['issue'] = [{ name: 'nobody looks', when: 'true', auto: true }]
export const waits = [{ name: 'a person looks', require: [{ users: ['approver'] }] }]
const everything = { issue: auto, renew: auto, rekey: auto, revoke: auto, export: auto }

/** A second key of a certificate, as the contract names it: nobody here makes one. */
export const alternatives = [
  { altKeyUuid: 'x' },
  { altTokenProfileUuid: 'x' },
  { altSignatureAttributes: [{ name: 'data_sigDigest', content: [{ data: 'SHA-256' }] }] },
]

export async function createRaApp(db: Database): Promise<RaApp> {
  const world = await createWorld(db)
  const { core } = world
  let certificate: ClientCertificate | undefined
  const host: Host = hostOf(world, 'ra', {
    clientCertificate: () => certificate,
    accounts: (name) => (name === 'acme' ? acme.accounts?.(host) : undefined),
  })
  const { organizationId } = await world.profile()
  const change = () => ({ actor: system('test'), at: world.time.now })
  const person: RaApp['person'] = async (name, { capabilities = [], organization, ...flags } = {}) => {
    const home =
      organization === undefined
        ? organizationId
        : (await transaction(db, (db) => createOrganization(db, change(), organization))).id
    return transaction(db, async (db) => {
      const user = await createUser(db, change(), { name, organizationId: home, ...flags })
      for (const capability of capabilities)
        await grantCapability(db, change(), { capability, to: { userId: user.id }, organizationId: home })
      return { ...user, token: (await createToken(db, change(), { userId: user.id, name: 'test' })).text }
    })
  }
  const save: RaApp['save'] = async (name, { options = {}, ...draft } = {}) => {
    const saved = await world.save(name, {
      rules: everything,
      ...draft,
      protocols: { ra: ra.options.parse(options), ...draft.protocols },
    })
    const authority = await core
      .as(system('test'))
      .admin.authorities()
      .then((all) => all.find(({ name }) => name === 'issuing')?.uuid ?? '')
    return {
      authority,
      profile: saved.uuid,
      path: `/v2/operations/authorities/${authority}/raProfiles/${saved.uuid}`,
    }
  }
  const routes = ra.routes(host)
  const operator = await person('operator', { capabilities: ['create_cert', 'revoke_cert', 'read'] })
  const call: RaApp['call'] = async (method, path, { by = operator, body, headers = {}, raw } = {}) => {
    const sent = raw ?? (body === undefined ? undefined : JSON.stringify(body))
    const token = typeof by === 'string' ? by : by?.token
    const all: Record<string, string> = {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(sent === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    }
    const asked = { method: method.toUpperCase(), target: `/api${path}`, headers: all, body: sent }
    const response = await callAdapter(routes, host.baseUrl, asked)
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.startsWith('application/json') && text !== ''
    const called = {
      status: response.status,
      headers: response.headers,
      text,
      json: isJson ? JSON.parse(text) : undefined,
    }
    holdAgainstSchema(method, path, called)
    return called
  }
  return {
    world,
    host,
    admin: await person('root', { superuser: true }),
    operator,
    approver: await person('approver', { capabilities: ['approve', 'read'] }),
    stranger: await person('stranger', { admin: true, organization: 'elsewhere' }),
    person,
    save,
    place: await save('rest'),
    call,
  }
}

/** Every answer of an operation is as its schema says, and every refusal has one of the contract's shapes. */
function holdAgainstSchema(method: Method, path: string, { status, json, text }: Called): void {
  const operation = operationOf(method, path)
  if (!operation) return
  if (status === (operation.status ?? 200)) {
    if (operation.answer) {
      const read = operation.answer.safeParse(json)
      if (!read.success) expect(read.error.issues, `the answer of ${operation.method} ${operation.path}`).toEqual([])
    } else if (status === 204) hold(text === '', text)
  } else if (status === 401) hold(text === '', text)
  else if (status === 422)
    hold(Array.isArray(json) && json.length > 0 && json.every((one) => typeof one === 'string'), text)
  else if (status === 403) hold(json?.statusCode === 403 && json?.code === 'ACCESS_DENIED', text)
  else if (status >= 400) hold(Object.keys(json ?? {}).join() === 'message', text)
}

/** An assertion that costs nothing where it holds: there are some thousands of answers in a run. */
function hold(holds: boolean, text: string): void {
  if (!holds) expect.fail(`not a refusal of the contract's: ${text}`)
}

/** The operation that a request reaches. */
export function operationOf(method: Method, path: string): Operation | undefined {
  const [bare = ''] = path.split('?')
  const fits = operations.filter(
    (operation, at) => operation.method === method && patterns[at]?.test(bare.replace(/^\/+/, '/')),
  )
  return fits.sort((a, b) => wildcards(a) - wildcards(b))[0]
}

const patterns = operations.map(({ path }) => new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`))
const wildcards = ({ path }: Operation): number => path.split('{').length

/** One app for all tests of a file. */
export const useRaApp = () => useApp(createRaApp)

/** The door of a person, for what a test prepares. */
export function doorOf(app: Pick<RaApp, 'world'>, person: Person) {
  return app.world.core.as(asRequester(person))
}
