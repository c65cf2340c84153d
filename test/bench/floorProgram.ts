// The bench's floor: a bare server with the same five requests, the same cryptography, the same proof of the name and as many commits of an issuance, and nothing else:
// no policy, no rules, no lint, no audit trail, no log, no limits, no framework. It believes what it reads. Arguments: folder, https port, http-01 port, resolver.
import { createHash, createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign, verify } from 'node:crypto'
import { Resolver } from 'node:dns'
import { readFileSync } from 'node:fs'
import { get, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { bits, explicit, integer, octets, oid, seq, set, utf8 } from '../../src/pki/der.ts'

const [folder = '', port = '', http01Port = '', resolverAddress = ''] = process.argv.slice(2)
const base = `https://localhost:${port}`
const certificate = readFileSync(join(folder, 'cert.pem'))
const tlsKey = readFileSync(join(folder, 'key.pem'))
const caKey = createPrivateKey(tlsKey)
const resolver = new Resolver()
resolver.setServers([resolverAddress])

const db = new Sqlite(join(folder, 'floor.sqlite'))
db.pragma('journal_mode = wal')
db.pragma('synchronous = full')
db.exec(`create table accounts (id integer primary key, jwk text);
  create table orders (id integer primary key, account integer, name text, status text, created_at integer);
  create table authorizations (id integer primary key, order_id integer, name text, token text, status text);
  create table attempts (id integer primary key, order_id integer, serial text unique);
  create table certificates (id integer primary key, order_id integer, serial text unique, der blob, name text, not_after integer);
  create index certificates_name on certificates (name); create index orders_account on orders (account);
  create unique index certificates_order on certificates (order_id)`)
const statements = {
  begin: db.prepare('begin immediate'),
  commit: db.prepare('commit'),
  account: db.prepare('insert into accounts (jwk) values (?)'),
  order: db.prepare(`insert into orders (account, name, status, created_at) values (?, ?, 'pending', ?)`),
  authorization: db.prepare(`insert into authorizations (order_id, name, token, status) values (?, ?, ?, 'pending')`),
  proved: db.prepare(`update authorizations set status = 'valid' where id = ?`),
  attempt: db.prepare('insert into attempts (order_id, serial) values (?, ?)'),
  certificate: db.prepare('insert into certificates (order_id, serial, der, name, not_after) values (?, ?, ?, ?, ?)'),
  done: db.prepare(`update orders set status = 'valid' where id = ?`),
  authorizationOf: db.prepare<[number], Authorization>('select * from authorizations where id = ?'),
  orderOf: db.prepare<[number], { id: number; name: string; status: string }>('select * from orders where id = ?'),
  certificateOf: db.prepare<[number], { der: Buffer }>('select der from certificates where order_id = ?'),
}

interface Authorization {
  id: number
  order_id: number
  name: string
  token: string
  status: string
}

/** What waits in a turn of the event loop shares one commit. */
const waiting: { work: () => unknown; resolve: (value: never) => void }[] = []
function store<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => {
    if (waiting.push({ work, resolve }) === 1) setImmediate(flush)
  })
}
function flush(): void {
  const batch = waiting.splice(0)
  statements.begin.run()
  const values = batch.map(({ work }) => work())
  statements.commit.run()
  batch.forEach(({ resolve }, at) => {
    resolve(values[at] as never)
  })
}

const keys = new Map<string, { key: KeyObject; thumbprint: string; id: number }>()
const nonces = new Set<string>()

function newNonce(): string {
  const nonce = randomBytes(16).toString('base64url')
  nonces.add(nonce)
  return nonce
}

interface Asked {
  payload: Record<string, unknown>
  account: { key: KeyObject; thumbprint: string; id: number }
  jwk: Record<string, string> | undefined
}

function open(body: string): Asked {
  const jws = JSON.parse(body) as { protected: string; payload: string; signature: string }
  const header = JSON.parse(Buffer.from(jws.protected, 'base64url').toString()) as {
    nonce: string
    kid: string
    jwk?: Record<string, string>
  }
  if (!nonces.delete(header.nonce)) throw new Error('badNonce')
  const account = header.jwk ? keyOf(header.jwk) : keys.get(header.kid)
  if (!account) throw new Error('accountDoesNotExist')
  const signed = Buffer.from(`${jws.protected}.${jws.payload}`)
  const options = { key: account.key, dsaEncoding: 'ieee-p1363' as const }
  if (!verify('sha256', signed, options, Buffer.from(jws.signature, 'base64url'))) throw new Error('malformed')
  const payload = jws.payload === '' ? {} : JSON.parse(Buffer.from(jws.payload, 'base64url').toString())
  return { payload, account, jwk: header.jwk }
}

function keyOf(jwk: Record<string, string>): Asked['account'] {
  const key = createPublicKey({ key: jwk, format: 'jwk' })
  const canonical = JSON.stringify({ crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y })
  return { key, thumbprint: createHash('sha256').update(canonical).digest('base64url'), id: 0 }
}

async function answer(
  path: string,
  asked: Asked,
  send: (status: number, body: unknown, location?: string) => void,
): Promise<void> {
  const [, kind = '', id = ''] = path.split('/')
  const number = Number(id)
  switch (kind) {
    case 'account': {
      const { lastInsertRowid } = await store(() => statements.account.run(JSON.stringify(asked.jwk)))
      const url = `${base}/kid/${lastInsertRowid}`
      keys.set(url, { ...asked.account, id: Number(lastInsertRowid) })
      return send(201, { status: 'valid' }, url)
    }
    case 'new': {
      const [{ value: name } = { value: '' }] = asked.payload.identifiers as { value: string }[]
      const token = randomBytes(24).toString('base64url')
      const made = await store(() => {
        const order = statements.order.run(asked.account.id, name, Date.now()).lastInsertRowid
        return { order, authorization: statements.authorization.run(order, name, token).lastInsertRowid }
      })
      const body = {
        status: 'pending',
        authorizations: [`${base}/authz/${made.authorization}`],
        finalize: `${base}/finalize/${made.order}`,
      }
      return send(201, body, `${base}/order/${made.order}`)
    }
    case 'authz': {
      const { status, token, name } = statements.authorizationOf.get(number) as Authorization
      const challenges = [{ type: 'http-01', status, token, url: `${base}/challenge/${id}` }]
      return send(200, { status, identifier: { type: 'dns', value: name }, challenges })
    }
    case 'challenge': {
      const { token, name } = statements.authorizationOf.get(number) as Authorization
      await prove(name, token, `${token}.${asked.account.thumbprint}`)
      await store(() => statements.proved.run(number))
      return send(200, { type: 'http-01', status: 'valid', token, url: `${base}/challenge/${id}` })
    }
    case 'finalize': {
      const { name } = statements.orderOf.get(number) as { name: string }
      const spki = readCsr(Buffer.from(String(asked.payload.csr), 'base64url'))
      const now = Date.now()
      const serial = `${now.toString(16).padStart(12, '0')}${randomBytes(10).toString('hex')}`
      await store(() => statements.attempt.run(number, serial))
      const der = issue({ name, spki, serial, now })
      await store(() => {
        statements.certificate.run(number, serial, der, name, now + 90 * 86_400_000)
        return statements.done.run(number)
      })
      return send(200, { status: 'valid', certificate: `${base}/cert/${id}` })
    }
    case 'cert': {
      const { der } = statements.certificateOf.get(number) as { der: Buffer }
      const pem = der.toString('base64').replace(/.{64}/g, '$&\n')
      return send(200, `-----BEGIN CERTIFICATE-----\n${pem}\n-----END CERTIFICATE-----\n${certificate}`)
    }
  }
  const order = statements.orderOf.get(number)
  send(200, { status: order?.status, certificate: `${base}/cert/${id}` })
}

function prove(name: string, token: string, expected: string): Promise<void> {
  return new Promise((resolve, reject) => {
    resolver.resolve4(name, (error, [host] = []) => {
      if (error || host === undefined) return reject(error)
      const path = `/.well-known/acme-challenge/${token}`
      get({ host, port: Number(http01Port), path, agent: false, headers: { host: name } }, (response) => {
        let text = ''
        response.setEncoding('latin1').on('data', (part: string) => {
          text += part
        })
        response.once('end', () => (text === expected ? resolve() : reject(new Error('unauthorized'))))
      }).once('error', reject)
    })
  })
}

/** The public key of a CSR whose signature holds: P-256, lengths below 64 KiB, as the bench's client makes them. */
function readCsr(csr: Buffer): Buffer {
  const outer = element(csr, 0)
  const info = element(csr, outer.start)
  const version = element(csr, info.start)
  const subject = element(csr, version.end)
  const spki = element(csr, subject.end)
  const algorithm = element(csr, info.end)
  const signature = element(csr, algorithm.end)
  const point = csr.subarray(spki.end - 64, spki.end)
  const jwk = { kty: 'EC', crv: 'P-256', x: point.toString('base64url', 0, 32), y: point.toString('base64url', 32) }
  const key = createPublicKey({ key: jwk, format: 'jwk' })
  const signed = csr.subarray(outer.start, info.end)
  if (!verify('sha256', signed, key, csr.subarray(signature.start + 1, signature.end))) throw new Error('badCSR')
  return csr.subarray(subject.end, spki.end)
}

function element(der: Buffer, at: number): { start: number; end: number } {
  const first = der[at + 1] ?? 0
  const long = first & 0x80 ? first & 0x7f : 0
  const length = long ? der.readUIntBE(at + 2, long) : first
  return { start: at + 2 + long, end: at + 2 + long + length }
}

const ECDSA = seq(oid('1.2.840.10045.4.3.2'))
const cn = (text: string) => seq(set(seq(oid('2.5.4.3'), utf8(text))))
const ISSUER = cn('localhost')
const time = (at: number) => {
  const text = new Date(at)
    .toISOString()
    .replace(/[-:T]|\.\d+/g, '')
    .slice(2)
  return Buffer.concat([Buffer.from([0x17, text.length]), Buffer.from(text)])
}
const FIXED = Buffer.concat([
  seq(oid('2.5.29.15'), octets(Buffer.from([3, 2, 7, 0x80]))),
  seq(oid('2.5.29.37'), octets(seq(oid('1.3.6.1.5.5.7.3.1')))),
  seq(oid('2.5.29.35'), octets(seq(Buffer.concat([Buffer.from([0x80, 20]), randomBytes(20)])))),
])

function issue({ name, spki, serial, now }: { name: string; spki: Buffer; serial: string; now: number }): Buffer {
  const names = seq(oid('2.5.29.17'), octets(seq(Buffer.concat([Buffer.from([0x82, name.length]), Buffer.from(name)]))))
  const number = Buffer.concat([Buffer.from([2, 16]), Buffer.from(serial, 'hex')])
  const validity = seq(time(now), time(now + 90 * 86_400_000))
  const tbs = seq(
    explicit(0, integer(2)),
    number,
    ECDSA,
    ISSUER,
    validity,
    cn(name),
    spki,
    explicit(3, seq(FIXED, names)),
  )
  return seq(tbs, ECDSA, bits(sign('sha256', tbs, caKey)))
}

const directory = { newNonce: `${base}/nonce`, newAccount: `${base}/account`, newOrder: `${base}/new` }

function handle(incoming: IncomingMessage, outgoing: ServerResponse): void {
  const send = (status: number, body: unknown, location?: string) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    outgoing.writeHead(status, {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(text),
      'Replay-Nonce': newNonce(),
      'Cache-Control': 'no-store',
      ...(location === undefined ? {} : { Location: location }),
    })
    outgoing.end(incoming.method === 'HEAD' ? undefined : text)
  }
  const { url = '/' } = incoming
  if (incoming.method !== 'POST') {
    send(200, url === '/directory' ? directory : '')
    return
  }
  const parts: Buffer[] = []
  incoming.on('data', (part: Buffer) => parts.push(part))
  incoming.once('end', () => {
    Promise.resolve(Buffer.concat(parts).toString())
      .then((body) => answer(url, open(body), send))
      .catch((error: unknown) => send(400, { detail: String(error) }))
  })
}

createServer({ key: tlsKey, cert: certificate }, handle).listen(Number(port), '127.0.0.1')
