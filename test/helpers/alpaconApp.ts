import { expect } from 'vitest'
import { alpacon } from '../../protocols/alpacon/index.ts'
import { type Capability, grantCapability } from '../../src/core/identity/capability.ts'
import { createOrganization, createUser, type User } from '../../src/core/identity/identity.ts'
import type { TokenScope } from '../../src/core/identity/tokenScope.ts'
import { createSetupLink, useSetupLink } from '../../src/core/login/login.ts'
import { createToken } from '../../src/core/login/token.ts'
import { system } from '../../src/core/requester.ts'
import type { Database } from '../../src/db/open.ts'
import { transaction } from '../../src/db/transaction.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import type { ClientCertificate, Host } from '../../src/protocol.ts'
import { callAdapter, hostOf, useApp } from './adapterApp.ts'
import { createWorld, newCsr, type World } from './world.ts'

export const BASE = '/api/cert'
export const PASSWORD = 'a password of some length'

/** The Alpacon adapter over a whole core, without listeners. Every answer is held against the forms of the contract. */
export interface AlpaconApp {
  world: World
  host: Host
  /** Superuser. */
  admin: Person
  /** Of the organization `default`: may create_cert, revoke_cert and read, no more. */
  operator: Person
  /** May approve and read; the rules of `default` name him. */
  approver: Person
  /** Administrator of another organization. */
  stranger: Person
  person(name: string, more?: PersonDraft): Promise<Person>
  call(method: string, path: string, sent?: Sent): Promise<Called>
  /** What the mTLS listener saw. */
  show(certificate: ClientCertificate | undefined): void
}

interface PersonDraft {
  capabilities?: Capability[]
  admin?: boolean
  superuser?: boolean
  organization?: string
  scope?: TokenScope
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
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of many shapes
  json: any
}

export const waits = [{ name: 'a person looks', require: [{ users: ['approver'] }] }]

async function createAlpaconApp(db: Database): Promise<AlpaconApp> {
  const world = await createWorld(db)
  let certificate: ClientCertificate | undefined
  const host = hostOf(world, 'ra', { clientCertificate: () => certificate })
  const rules = { issue: waits, renew: waits, rekey: waits, revoke: waits, export: waits }
  const { organizationId } = await world.save('default', { rules, protocols: { alpacon: {} } })
  const change = () => ({ actor: system('test'), at: world.time.now })
  const person: AlpaconApp['person'] = async (name, { capabilities = [], organization, scope, ...flags } = {}) => {
    const home =
      organization === undefined
        ? organizationId
        : (await transaction(db, (db) => createOrganization(db, change(), organization))).id
    return transaction(db, async (db) => {
      const user = await createUser(db, change(), { name, organizationId: home, ...flags })
      for (const capability of capabilities)
        await grantCapability(db, change(), { capability, to: { userId: user.id }, organizationId: home })
      const draft = { userId: user.id, name: 'test', ...(scope ? { scope } : {}) }
      return { ...user, token: (await createToken(db, change(), draft)).text }
    })
  }
  const routes = alpacon.routes(host)
  const operator = await person('operator', { capabilities: ['create_cert', 'revoke_cert', 'read'] })
  const call: AlpaconApp['call'] = async (method, path, { by = operator, body, headers = {}, raw } = {}) => {
    const sent = raw ?? (body === undefined ? undefined : JSON.stringify(body))
    const token = typeof by === 'string' ? by : by?.token
    const all: Record<string, string> = {
      ...(token === undefined ? {} : { authorization: `token="${token}"` }),
      ...(sent === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    }
    const target = `/alpacon${path}`
    const response = await callAdapter(routes, host.baseUrl, { method, target, headers: all, body: sent })
    const text = await response.text()
    const called = { status: response.status, headers: response.headers, text, json: text && JSON.parse(text) }
    holdAgainstContract(called)
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
    call,
    show: (shown) => {
      certificate = shown
    },
  }
}

/** Whatever has a body is JSON, and a refusal is `{"detail": …}` or a list of sentences for each field. */
function holdAgainstContract({ status, headers, text, json }: Called): void {
  expect(headers.get('content-type'), text).toBe(text === '' ? null : 'application/json')
  if (status < 400) return
  const { detail, ...fields } = json
  if (detail !== undefined) expect([typeof detail, fields], text).toEqual(['string', {}])
  else {
    expect(Object.keys(fields).length, text).toBeGreaterThan(0)
    for (const sentences of Object.values(fields)) {
      expect(sentences, text).not.toEqual([])
      expect(sentences, text).toEqual((sentences as unknown[]).map(String))
    }
  }
}

/** One app for all tests of a file. */
export const useAlpaconApp = () => useApp(createAlpaconApp)

/** A password for somebody who has none. */
export async function givePassword({ world: { it } }: AlpaconApp, { id }: Person): Promise<void> {
  const { secret } = await transaction(it.db, (db) =>
    createSetupLink(db, { actor: system('test'), at: it.clock() }, id),
  )
  await useSetupLink(it.db, secret, PASSWORD, it.clock())
}

/** A CSR as the client makes it: RSA, with its organization, names as ordered. */
export async function csrText(names: string[], subject: Record<string, string> = {}): Promise<string> {
  const csr = await newCsr(names, { subject: { O: 'default', CN: names[0] ?? '', ...subject } })
  return pemEncode('CERTIFICATE REQUEST', csr.der)
}

/** An order as `csr create` makes it, which waits for approval; answers its id. */
export async function ordered({ call }: AlpaconApp, names: string[], by?: Person): Promise<string> {
  const sent = by ? { by } : {}
  const made = await call('POST', `${BASE}/sign-requests/`, {
    ...sent,
    body: { domain_list: names, ip_list: [], valid_days: 365 },
  })
  await call('PATCH', made.json.submit_url, { ...sent, body: { csr_text: await csrText(names) } })
  return made.json.id
}

/** An order that was approved; answers its id, which is its certificate's too. */
export async function issued(app: AlpaconApp, names: string[]): Promise<string> {
  const id = await ordered(app, names)
  const answer = await app.call('POST', `${BASE}/sign-requests/${id}/approve/`, { by: app.approver, body: {} })
  expect(answer.json.status).toBe('signed')
  return id
}
