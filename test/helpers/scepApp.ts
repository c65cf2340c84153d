import { crl } from '../../protocols/crl/index.ts'
import { scep } from '../../protocols/scep/index.ts'
import { createUser, type User } from '../../src/core/identity/identity.ts'
import { system } from '../../src/core/requester.ts'
import type { Database } from '../../src/db/open.ts'
import { transaction } from '../../src/db/transaction.ts'
import { readCertsOnly } from '../../src/pki/certsOnly.ts'
import type { Host } from '../../src/protocol.ts'
import { hostOf, type Orders, ordersOver, runJobsOf, useApp } from './adapterApp.ts'
import type { Party } from './cms.ts'
import { type Answered, type Asked, ask } from './rawHttp.ts'
import { type CsrWishes, csrOf, type MessageWishes, type Reply, readReply, scepMessage } from './scepClient.ts'
import { startServer, type TestServer } from './testServer.ts'
import { createWorld, type World } from './world.ts'

/** The SCEP adapter over a whole core and real listeners. Its profiles wait for the user `approver`, whom no rule leaves out. */
export interface ScepApp extends Orders {
  world: World
  host: Host
  server: TestServer
  approver: User
  /** Writes a profile that serves SCEP. */
  save(name: string, options?: unknown, change?: Partial<Parameters<World['save']>[1]>): Promise<void>
  /** On the plain listener. */
  ask(path: string, more?: Partial<Asked>): Promise<Answered>
  /** Certificates of GetCACert, as they come. */
  caCertificates(profile?: string): Promise<Buffer[]>
  post(message: Buffer, profile?: string, source?: string): Promise<Answered>
  /** Posts a message, which must be answered by a CertRep. */
  send(wishes: Sent): Promise<Reply>
  /** An enrolment by PKCSReq. */
  enrol(by: Party, wishes: CsrWishes & Partial<Sent>): Promise<Reply>
  /** Runs the adapter's jobs that are due; how many ran. */
  runJobs(): Promise<number>
  close(): Promise<void>
}

/** `source`: the address that it comes from. */
export type Sent = Omit<MessageWishes, 'to'> & { to?: Buffer; profile?: string; password?: string; source?: string }

export const waits = [{ name: 'a person looks', require: [{ users: ['approver'] }] }]
export const auto = [{ name: 'nobody looks', auto: true }]

export async function createScepApp(db: Database): Promise<ScepApp> {
  const world = await createWorld(db)
  const host = hostOf(world, 'ca')
  const server = await startServer({ protocols: [scep, crl], host, trustedProxies: ['127.0.0.1'] })
  const { organizationId } = await world.profile()
  const approver = await transaction(db, (db) =>
    createUser(db, { actor: system('test'), at: world.time.now }, { name: 'approver', organizationId }),
  )
  const app: ScepApp = {
    world,
    host,
    server,
    approver,
    async save(name, options = {}, change = {}) {
      const rules = { issue: waits, renew: auto, rekey: auto, revoke: auto, export: [] }
      await world.save(name, { rules, ...change, protocols: { scep: options } })
    },
    ask: (path, more) => ask({ port: server.ports.httpPort, path, ...more }),
    async caCertificates(profile = 'default') {
      const { body, headers } = await app.ask(`/scep/${profile}?operation=GetCACert`)
      return headers['content-type'] === 'application/x-x509-ca-cert' ? [body] : readCertsOnly(body).certificates
    },
    post: (message, profile = 'default', source = '192.0.2.7') =>
      app.ask(`/scep/${profile}?operation=PKIOperation`, {
        method: 'POST',
        body: message,
        headers: { 'X-Forwarded-For': source },
      }),
    async send({ profile, password, source, ...wishes }) {
      const [to] = await app.caCertificates(profile)
      if (!to) throw new Error('GetCACert has no certificate')
      const { status, headers, body, text } = await app.post(await scepMessage({ to, ...wishes }), profile, source)
      if (status !== 200 || headers['content-type'] !== 'application/x-pki-message')
        throw new Error(`${status}: ${text}`)
      return readReply(body, wishes.by, password)
    },
    enrol: (by, { subject, dns, challenge, extensions, ...sent }) => {
      const csr = { ...(subject ? { subject } : {}), ...(dns ? { dns } : {}), ...(extensions ? { extensions } : {}) }
      const data = csrOf(by, { ...csr, ...(challenge === undefined ? {} : { challenge }) })
      return app.send({ data, by, ...sent })
    },
    ...ordersOver('scep', world, approver),
    runJobs: () => runJobsOf(scep, world, host),
    close: () => server.server.close(),
  }
  await app.save('default')
  return app
}

/** One for all tests of a file. */
export const useScepApp = () => useApp(createScepApp)
