import { randomBytes } from 'node:crypto'
import { cmp } from '../../protocols/cmp/index.ts'
import type { VoteInput } from '../../src/core/approval/approval.ts'
import { asRequester, createUser, type User } from '../../src/core/identity/identity.ts'
import { system } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { seq } from '../../src/pki/der.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import { nameOf } from '../../src/pki/name.ts'
import type { Host } from '../../src/protocol.ts'
import { hostOf, type Orders, ordersOver, runJobsOf, useApp } from './adapterApp.ts'
import { buildCrmf, type CrmfParts } from './cmc.ts'
import { type CmpReply, type CmpWishes, cmpMessage, type MacWishes, readCmpReply } from './cmpClient.ts'
import type { Party } from './cms.ts'
import { ecKey } from './csrs.ts'
import { type Answered, ask } from './rawHttp.ts'
import { startServer, type TestServer } from './testServer.ts'
import { createWorld, type World } from './world.ts'

export const waits = [{ name: 'a person looks', require: [{ users: ['approver'] }] }]
export const auto = [{ name: 'nobody looks', auto: true }]

/** What is sent, and where. */
export type Sent = CmpWishes & { profile?: string; path?: string }

/** The CMP adapter over a whole core and real listeners. What `default` orders with a secret for its names passes; else people look. */
export interface CmpApp extends Orders {
  world: World
  host: Host
  server: TestServer
  approver: User
  maker: User
  /** Writes a profile that serves CMP. */
  save(name: string, options?: unknown, change?: Partial<Parameters<World['save']>[1]>): Promise<void>
  post(message: Buffer, path?: string, headers?: Record<string, string>): Promise<Answered>
  /** Sends a message, which must be answered by a PKIMessage that is protected as it should be. */
  send(sent: Sent): Promise<CmpReply>
  /** An ir, for one DNS name unless the request says otherwise. */
  ir(request: CrmfParts & { dns?: string }, sent?: Partial<Sent>): Promise<CmpReply>
  /** A shared secret, made by the user `maker`; `dns`: for these names. */
  secret(draft?: {
    name?: string
    dns?: string[]
    singleUse?: boolean
    profile?: string
  }): Promise<MacWishes & { uuid: string }>
  /** A device with a certificate, ordered by ir. */
  enrolled(dns: string, sent?: Partial<Sent>): Promise<Party>
  voteRevocation(input?: Partial<VoteInput>): Promise<void>
  /** Runs the adapter's jobs that are due; how many ran. */
  work(): Promise<number>
  close(): Promise<void>
}

let made = 0

export async function createCmpApp(db: Database): Promise<CmpApp> {
  const world = await createWorld(db)
  const host = hostOf(world, 'ca')
  const server = await startServer({ protocols: [cmp], host })
  const { organizationId } = await world.profile()
  const user = (name: string, more: { superuser?: boolean } = {}) =>
    transaction(db, (db) =>
      createUser(db, { actor: system('test'), at: world.time.now }, { name, organizationId, ...more }),
    )
  const approver = await user('approver')
  const maker = await user('maker', { superuser: true })
  const approvals = world.core.as(asRequester(approver)).approvals
  const orders = ordersOver('cmp', world, approver)
  const app: CmpApp = {
    world,
    host,
    server,
    approver,
    maker,
    async save(name, options = {}, change = {}) {
      const entitled = [{ name: 'a secret for these names', when: 'entitled', auto: true }, ...waits]
      const rules = { issue: entitled, renew: auto, rekey: auto, revoke: auto, export: [] }
      const settings = { certificate: { type: 'client' } }
      await world.save(name, { settings, rules, ...change, protocols: { cmp: options } })
    },
    post: (body, path = '/cmp/default', headers = {}) =>
      ask({
        port: server.ports.httpPort,
        path,
        method: 'POST',
        body,
        headers: { 'Content-Type': 'application/pkixcmp', ...headers },
      }),
    async send({ profile = 'default', path = `/cmp/${profile}`, ...wishes }) {
      const { status, headers, body, text } = await app.post(cmpMessage(wishes), path)
      if (status !== 200 || headers['content-type'] !== 'application/pkixcmp') throw new Error(`${status}: ${text}`)
      return readCmpReply(body, wishes.mac?.secret)
    },
    ir: ({ dns = 'device.example', ...request }, sent = {}) => {
      const identifiers: Identifier[] = [{ type: 'dns', value: dns }]
      const crmf = buildCrmf({ id: 0, subject: nameOf({ CN: dns }), identifiers, ...request })
      return app.send({ type: 'ir', content: seq(crmf), ...sent })
    },
    async secret({ dns, ...draft } = {}) {
      const { admin } = world.core.as(asRequester(maker))
      const bound = dns ? { identifiers: { dns, wildcards: false } } : {}
      const { secret, view } = await admin.createCredential({ kind: 'cmp', profile: 'default', ...bound, ...draft })
      return { reference: view.name, secret, uuid: view.uuid }
    },
    async enrolled(dns, sent = {}) {
      const key = ecKey()
      const profile = sent.profile === undefined ? {} : { profile: sent.profile }
      const mac = await app.secret({ dns: [dns], name: `device-${++made}`, ...profile })
      const { certificate, text } = await app.ir({ dns, key }, { mac, ...sent })
      if (!certificate) throw new Error(text)
      return { key, certificate }
    },
    ...orders,
    async voteRevocation(input = {}) {
      const rows = withTables<CoreTables>(db).selectFrom('revoke_requests').select('id')
      const { id } = await rows.orderBy('id', 'desc').limit(1).executeTakeFirstOrThrow()
      const { hash } = await approvals.review('revoke', id)
      await approvals.vote('revoke', id, { verdict: 'approve', hash, ...input })
    },
    work: () => runJobsOf(cmp, world, host),
    close: () => server.server.close(),
  }
  await app.save('default')
  return app
}

/** One for all tests of a file. */
export const useCmpApp = () => useApp(createCmpApp)

/** Where a certificate of the authority `issuing` stands. */
export async function statusOf(app: CmpApp, certificate: Buffer | undefined) {
  const { serial } = readCertificate(certificate ?? Buffer.alloc(0))
  const door = app.world.core.as(asRequester(app.maker))
  return (await door.findCertificate({ serial, authority: 'issuing' }))?.status
}

/** An order by a shared secret, with what later messages of its transaction have. */
export async function ordered(app: CmpApp, dns: string, more: { info?: Buffer[]; profile?: string } = {}) {
  const profile = more.profile ?? 'default'
  const mac = await app.secret({ dns: [dns], profile })
  const transactionId = randomBytes(16)
  const ip = await app.ir({ dns }, { mac, transactionId, ...more })
  const sent = { mac, transactionId, recipNonce: ip.header.senderNonce ?? Buffer.alloc(0), profile }
  return { ip, certificate: ip.certificate ?? Buffer.alloc(0), sent }
}
