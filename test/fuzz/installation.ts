import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { protocols } from '../../protocols/index.ts'
import { commandLine } from '../../src/cli/overHttps.ts'
import { webConsole } from '../../src/console/index.ts'
import { csrfToken } from '../../src/console/sealed.ts'
import { createUser, type User } from '../../src/core/identity/identity.ts'
import { enqueueJob } from '../../src/core/jobs.ts'
import { openSession } from '../../src/core/login/session.ts'
import { createToken } from '../../src/core/login/token.ts'
import { system } from '../../src/core/requester.ts'
import { migrate } from '../../src/db/migrate.ts'
import { closeDatabase, openDatabase } from '../../src/db/open.ts'
import { transaction } from '../../src/db/transaction.ts'
import type { ClientCertificate, Host, Protocol } from '../../src/protocol.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

/** One request, as a target has it made of its input. */
export interface Sent {
  method: string
  /** With its query. */
  path: string
  headers: Record<string, string>
  body: Buffer
}

/** All adapters and the console over one installation, in this process. */
export interface Everything {
  world: World
  protocols: readonly Protocol[]
  host: Host
  /** Headers by which an administrator is known. */
  token: string
  session: { cookie: string; csrf: string }
  /** Uuids and names of what is there, for paths. */
  known: string[]
  /** Throws for an answer that no request should have: a failure of the server, or none at all. */
  send(sent: Sent): Promise<Response>
  close(): Promise<void>
}

const AUTO = [{ name: 'nobody looks', when: 'true', auto: true }]
/** Milliseconds until there must be an answer. */
const LONGEST = 30_000

export async function openEverything(): Promise<Everything> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-fuzz-'))
  const db = openDatabase(join(folder, 'countersign.sqlite'))
  await migrate(db)
  const world = await createWorld(db)
  const { it, core } = world
  const failures: Error[] = []
  let certificate: ClientCertificate | undefined
  let client: ClientCertificate | undefined
  const write = (line: string) => {
    const { level, err, msg } = JSON.parse(line) as { level: number; msg: string; err?: { stack?: string } }
    if (level >= 50) failures.push(Object.assign(new Error(msg), err?.stack ? { stack: err.stack } : {}))
  }
  const all = [...protocols, webConsole, commandLine]
  const host: Host = {
    core,
    db,
    enqueue: (trx, kind, ref, options) =>
      enqueueJob(trx, { kind, ref, runAt: options?.runAt ?? it.clock(), at: it.clock() }),
    baseUrl: 'https://ca.test',
    mtlsBaseUrl: 'https://mtls.ca.test',
    httpBaseUrl: it.httpBaseUrl,
    clock: it.clock,
    log: pino({ level: 'error', base: null }, { write }),
    validation: { http01Port: 1, tlsAlpn01Port: 1, networks: '!any' },
    secret: randomBytes(32),
    sourceAddress: () => '192.0.2.7',
    clientCertificate: () => certificate,
    accounts: (name) => all.find((protocol) => protocol.name === name)?.accounts?.(host),
  }
  const places = all
    .flatMap((protocol) => {
      const app = protocol.routes(host)
      return protocol.mounts.map(({ path }) => ({ path, app }))
    })
    .sort((a, b) => b.path.length - a.path.length)
  const send: Everything['send'] = async (sent) => {
    failures.length = 0
    certificate = sent.path.startsWith('/.well-known/') ? client : undefined
    world.time.pass(50)
    const app = places.find(({ path }) => sent.path.startsWith(path))?.app
    if (!app) return new Response(null, { status: 404 })
    const { incoming, headers } = incomingOf(sent)
    const bindings = { incoming, outgoing: new ServerResponse(incoming) }
    const asked = Promise.resolve(app.request(`http://ca.test${sent.path}`, { method: sent.method, headers }, bindings))
    const response = await inTime(asked)
    if (response.headers.get('content-type')?.startsWith('text/event-stream')) await response.body?.cancel()
    else await inTime(response.clone().arrayBuffer())
    incoming.emit('close')
    const [failure] = failures
    if (failure) throw failure
    if (response.status >= 500 && response.status !== 503 && response.status !== 501)
      throw new Error(`${response.status} for ${sent.method} ${sent.path}`)
    return response
  }
  const admin = await person(world)
  const served = protocols.filter(({ name }) => !['ocsp', 'crl', 'upstream'].includes(name))
  const wishes: Record<string, unknown> = {
    notary: { receives: true },
    alpacon: { takesOrders: true },
    // Nobody stands behind what is sent here: past the limit no more would be looked at.
    cmp: { limits: { unprotectedBySource: 'off' } },
  }
  const options = served.map(({ name, options }) => [name, options.parse(wishes[name] ?? {})] as const)
  const rules = { issue: AUTO, renew: AUTO, rekey: AUTO, revoke: AUTO, export: AUTO }
  await world.save('default', { protocols: Object.fromEntries(options), rules })
  const { known, shown } = await knownOf(world)
  client = shown
  return {
    world,
    protocols: all,
    host,
    ...admin,
    session: { ...admin.session, csrf: csrfToken(host.secret, admin.session.secret) },
    known,
    send,
    async close() {
      await closeDatabase(db)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function incomingOf({ method, path, headers, body }: Sent) {
  const incoming = new IncomingMessage(new Socket())
  incoming.method = method
  incoming.url = path
  for (const [name, value] of Object.entries(headers)) incoming.headers[name.toLowerCase()] = value
  incoming.headers['content-length'] = String(body.length)
  if (body.length > 0) incoming.push(body)
  incoming.push(null)
  incoming.complete = true
  return { incoming, headers }
}

async function inTime<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('there was no answer')), LONGEST)
  })
  return Promise.race([answer, late]).finally(() => clearTimeout(timer))
}

async function person({ it }: World) {
  const change = { actor: system('fuzz'), at: it.clock() }
  const user: User = await transaction(it.db, (db) =>
    createUser(db, change, { name: 'fuzz', organizationId: 1, superuser: true }),
  )
  const { text: token } = await transaction(it.db, (db) => createToken(db, change, { userId: user.id, name: 'fuzz' }))
  const { secret } = await openSession(it, user, { method: 'password', place: { source: '192.0.2.7' } })
  return { token, session: { secret, cookie: `__Host-session-id=${secret}` } }
}

/** One certificate, and what can be named in paths. */
async function knownOf({ core, profile }: World): Promise<{ known: string[]; shown: ClientCertificate | undefined }> {
  const door = core.as(acmeAccount())
  const csr = await newCsr(['www.example.org'])
  const { request } = await door.sign({
    profile: await profile(),
    protocol: 'acme',
    action: 'issue',
    refusal: 'throw',
    csr,
    identifiers: csr.identifiers,
    validated: csr.identifiers,
  })
  const certificate = await door.findCertificate({ id: request.id })
  const authorities = await core.as(system('fuzz')).admin.authorities()
  const shown = certificate ? { der: certificate.der, chain: [], by: 'tls' as const } : undefined
  const known = [
    ...authorities.map(({ uuid }) => uuid),
    (await profile()).uuid,
    request.uuid,
    ...(certificate ? [certificate.uuid, certificate.serial] : []),
    'default',
    'issuing',
    '1',
    '2',
  ]
  return { known, shown }
}
