import { est } from '../../protocols/est/index.ts'
import { asRequester, createUser, type User } from '../../src/core/identity/identity.ts'
import { setPassword } from '../../src/core/login/login.ts'
import { system } from '../../src/core/requester.ts'
import type { Database } from '../../src/db/open.ts'
import { transaction } from '../../src/db/transaction.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { readCertsOnly } from '../../src/pki/certsOnly.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import type { Host } from '../../src/protocol.ts'
import { hostOf, type Orders, ordersOver, runJobsOf, useApp } from './adapterApp.ts'
import type { Party } from './cms.ts'
import { type Answered, type Asked, ask } from './rawHttp.ts'
import { type CsrWishes, csrOf } from './scepClient.ts'
import { startServer, type TestServer } from './testServer.ts'
import { createWorld, type World } from './world.ts'

/** The EST adapter over a whole core and real TLS. Its profiles wait for the user `approver`, whom no rule leaves out. */
export interface EstApp extends Orders {
  world: World
  server: TestServer
  approver: User
  /** Superuser; makes the challenges. */
  maker: User
  host: Host
  /** Writes a profile that serves EST. */
  save(name: string, options?: unknown, change?: Partial<Parameters<World['save']>[1]>): Promise<void>
  /** One request below /.well-known/est, by default to the profile's label. */
  ask(path: string, more?: Partial<Sent>): Promise<Answered>
  /** Posts a request for a key to simpleenroll. */
  enroll(wishes: CsrWishes & { by: Party } & Partial<Sent>): Promise<Answered>
  /** A device with a certificate of that profile. */
  enrolled(by: Party, wishes: CsrWishes & Partial<Sent>): Promise<Party>
  /** A challenge, made by the user `maker`. */
  challenge(draft?: { profile?: string; dns?: string[]; uses?: number }): Promise<string>
  /** The text of a token of the user `maker`: cheaper than his password. */
  token(): Promise<string>
  /** Runs the jobs that are due. */
  work(): Promise<number>
  close(): Promise<void>
}

export interface Sent extends Omit<Asked, 'port' | 'path'> {
  profile: string
  operation: string
  /** Shown in the TLS handshake, with what else is sent below it. */
  client: Party & { chain?: Buffer[] }
  /** name:password. */
  basic: string
  userAgent: string | null
}

export const waits = [{ name: 'a person looks', require: [{ users: ['approver'] }] }]
export const auto = [{ name: 'nobody looks', auto: true }]
export const PASSWORD = 'correct horse battery staple'

interface EstServerOptions {
  clientCertificateHeader?: string
  trustedProxies?: string[]
}

export async function createEstApp(db: Database, options: EstServerOptions = {}): Promise<EstApp> {
  const world = await createWorld(db)
  const host = hostOf(world, 'ca')
  const server = await startServer({ protocols: [est], host, trustedProxies: ['127.0.0.0/8'], ...options })
  const { organizationId } = await world.profile()
  const user = async (name: string, more: { superuser?: boolean } = {}) => {
    const change = { actor: system('test'), at: world.time.now }
    const made = await transaction(db, (db) => createUser(db, change, { name, organizationId, ...more }))
    await setPassword(db, change, made.id, PASSWORD)
    return made
  }
  const approver = await user('approver')
  const maker = await user('maker', { superuser: true })
  const app: EstApp = {
    world,
    server,
    approver,
    maker,
    host,
    async save(name, options = {}, change = {}) {
      const rules = { issue: waits, renew: auto, rekey: auto, revoke: auto, export: [] }
      await world.save(name, { rules, ...change, protocols: { est: options } })
    },
    ask(path, { profile = 'default', operation: _, client, basic, userAgent = 'test', headers = {}, ...more } = {}) {
      return ask({
        port: server.ports.mtlsPort ?? 0,
        tls: true,
        agent: false,
        path: `/.well-known/est/${profile}${path}`,
        ...(client ? shown(client) : {}),
        headers: {
          ...(userAgent === null ? {} : { 'User-Agent': userAgent }),
          'X-Forwarded-For': '192.0.2.7',
          ...(basic === undefined ? {} : { Authorization: `Basic ${Buffer.from(basic).toString('base64')}` }),
          ...(headers as Record<string, string>),
        },
        ...more,
      })
    },
    enroll({ by, subject, dns, challenge, extensions, operation = 'simpleenroll', headers = {}, ...sent }) {
      const wishes = { ...(subject ? { subject } : {}), ...(dns ? { dns } : {}), ...(extensions ? { extensions } : {}) }
      const der = csrOf(by, { ...wishes, ...(challenge === undefined ? {} : { challenge }) })
      return app.ask(`/${operation}`, {
        method: 'POST',
        body: der.toString('base64'),
        headers: { 'Content-Type': 'application/pkcs10', ...(headers as Record<string, string>) },
        ...sent,
      })
    },
    async enrolled(by, wishes) {
      const names = wishes.dns ?? [wishes.subject?.CN ?? '']
      const challenge = await app.challenge({ profile: wishes.profile ?? 'default', dns: names })
      const answer = await app.enroll({ by, basic: `device:${challenge}`, ...wishes })
      return { key: by.key, certificate: leafOf(answer).der }
    },
    async challenge({ profile = 'default', dns, uses } = {}) {
      const { admin } = world.core.as(asRequester(maker))
      const bound = dns ? { identifiers: { dns, wildcards: false } } : {}
      return (await admin.createChallenge({ profile, ...bound, ...(uses === undefined ? {} : { uses }) })).challenge
    },
    ...ordersOver('est', world, approver),
    async token() {
      const { admin } = world.core.as(asRequester(maker))
      return (await admin.createToken({ user: 'maker', name: 'est' })).text
    },
    work: () => runJobsOf(est, world, host),
    close: () => server.server.close(),
  }
  const entitled = [{ name: 'a challenge', when: 'entitled', auto: true }, ...waits]
  const same = [{ name: 'same names', when: 'certificate.present && certificate.sameNames', auto: true }, ...waits]
  const client = { certificate: { type: 'client' } }
  await app.save(
    'default',
    {},
    { settings: client, rules: { issue: entitled, renew: same, rekey: same, revoke: auto } },
  )
  return app
}

function shown({ key, certificate, chain = [] }: Party & { chain?: Buffer[] }) {
  const cert = [certificate, ...chain].map((der) => pemEncode('CERTIFICATE', der)).join('')
  return { key: key.export({ format: 'pem', type: 'pkcs8' }).toString(), cert }
}

/** The certificates of an answer. */
export function certificatesOf({ status, text }: Answered): Buffer[] {
  if (status !== 200) throw new Error(`${status}: ${text}`)
  return readCertsOnly(Buffer.from(text, 'base64')).certificates
}

/** The one certificate of an enrolment. */
export function leafOf(answer: Answered) {
  const [leaf, ...more] = certificatesOf(answer)
  if (!leaf || more.length > 0) throw new Error('one certificate, and no more, was awaited')
  return readCertificate(leaf)
}

/** One for all tests of a file. */
export const useEstApp = (options: EstServerOptions = {}) => useApp((db) => createEstApp(db, options))
