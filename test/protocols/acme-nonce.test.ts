import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AcmeError } from '../../protocols/acme/errors.ts'
import { localNonces, type Nonces } from '../../protocols/acme/nonce.ts'
import { sharedNonces } from '../../protocols/acme/sharedNonce.ts'
import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { BASE_URL, useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import { databases, openSqlite } from '../helpers/databases.ts'

const time = { now: new Date('2026-03-01T12:00:00Z') }
const clock = () => time.now
const pass = (seconds: number) => {
  time.now = new Date(time.now.getTime() + seconds * 1000)
}

function behaves(make: () => Nonces) {
  it('wire 3: is base64url with at least 128 bits, and never the same', async () => {
    const nonces = make()
    const issued = await Promise.all(Array.from({ length: 500 }, () => nonces.issue()))
    for (const nonce of issued) expect(nonce).toMatch(/^[A-Za-z0-9_-]{36,}$/)
    expect(new Set(issued).size).toBe(500)
  })

  it('is good once', async () => {
    const nonces = make()
    const nonce = await nonces.issue()
    expect(await nonces.spend(nonce)).toBe(true)
    expect(await nonces.spend(nonce)).toBe(false)
  })

  it('has exactly one winner among many at the same time', async () => {
    const nonces = make()
    const [one, two] = [await nonces.issue(), await nonces.issue()]
    const spent = await Promise.all(Array.from({ length: 40 }, (_, at) => nonces.spend(at % 2 ? one : two)))
    expect(spent.filter(Boolean)).toHaveLength(2)
  })

  it('expires', async () => {
    const nonces = make()
    const nonce = await nonces.issue()
    const other = await nonces.issue()
    pass(3599)
    expect(await nonces.spend(nonce)).toBe(true)
    pass(10)
    expect(await nonces.spend(other)).toBe(false)
  })

  it('is refused when any bit of it is changed', async () => {
    const nonces = make()
    const bytes = Buffer.from(await nonces.issue(), 'base64url')
    for (let bit = 0; bit < bytes.length * 8; bit += 7) {
      const changed = Buffer.from(bytes)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(await nonces.spend(changed.toString('base64url'))).toBe(false)
    }
    expect(await nonces.spend(bytes.toString('base64url'))).toBe(true)
  })

  it('answers any text with no, or with malformed where it is not base64url (RFC 8555 section 6.5.2)', async () => {
    const nonces = make()
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('base64url')),
        ),
        async (text) => {
          const answer = await (async () => nonces.spend(text))().catch((error: unknown) => error)
          if (/^[A-Za-z0-9_-]*$/.test(text) && text.length % 4 !== 1) expect(answer).toBe(false)
          else expect(answer).toBeInstanceOf(AcmeError)
        },
      ),
    )
  })
}

describe('nonces of one process', () => {
  behaves(() => localNonces(clock))

  it('are unknown to the next process', async () => {
    const nonce = await localNonces(clock).issue()
    expect(localNonces(clock).spend(nonce)).toBe(false)
  })

  it('stay spent when the clock is set back after they have been forgotten', async () => {
    const nonces = localNonces(clock)
    const first = await nonces.issue()
    nonces.spend(first)
    for (let at = 0; at < 70_000; at++) nonces.issue()
    pass(4000)
    for (let at = 0; at < 70_000; at++) nonces.issue()
    pass(-4000)
    expect(nonces.spend(first)).toBe(false)
  })
})

describe('nonces of many nodes over PostgreSQL', () => {
  const secret = randomBytes(32)
  let opened: { db: Database; close(): Promise<void> }
  beforeAll(async () => {
    const postgres = databases.find(({ name }) => name === 'postgres')
    if (!postgres) throw new Error('there is no PostgreSQL to test with')
    opened = await postgres.open()
  })
  afterAll(() => opened.close())
  const node = () => sharedNonces(opened.db, secret, clock)
  behaves(node)

  it('are good on any node, and once over all', async () => {
    const nodes = [node(), node(), node()]
    const nonce = (await nodes[0]?.issue()) ?? ''
    const spent = await Promise.all(nodes.map((other) => other.spend(nonce)))
    expect(spent.filter(Boolean)).toHaveLength(1)
  })

  it('all become unknown when the database has forgotten which were spent', async () => {
    const [here, there] = [node(), node()]
    const [old, other] = [await here.issue(), await here.issue()]
    await there.issue()
    await here.spend(old)
    await transaction(opened.db, (db) => sql`truncate acme_nonces`.execute(withTables(db)))
    expect(await here.spend(old)).toBe(false)
    expect(await here.spend(other)).toBe(false)
    expect(await here.spend(await here.issue())).toBe(true)
    pass(2)
    expect(await there.spend(await here.issue())).toBe(true)
  })

  it('stay spent while a node learns that the database has forgotten which were', async () => {
    const here = node()
    const [old, other] = [await here.issue(), await here.issue()]
    await here.spend(old)
    await transaction(opened.db, (db) => sql`truncate acme_nonces`.execute(withTables(db)))
    let learning = true
    const learned = Promise.resolve(here.spend(other)).finally(() => {
      learning = false
    })
    const again: (boolean | Promise<boolean>)[] = []
    while (learning) {
      again.push(here.spend(old))
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(await learned).toBe(false)
    expect(new Set(await Promise.all(again))).toEqual(new Set([false]))
  })

  it('leave no rows behind', async () => {
    const nonces = node()
    for (let at = 0; at < 20; at++) await nonces.spend(await nonces.issue())
    pass(7200)
    await nonces.spend(await nonces.issue())
    const { rows } = await sql<{ count: number }>`select count(*) as count from acme_nonces`.execute(
      withTables(opened.db),
    )
    expect(rows).toEqual([{ count: 2 }])
  })
})

describe('nonces of requests (RFC 8555 section 6.5)', () => {
  const acme = useAcme(openSqlite)
  const url = `${BASE_URL}/acme/default/new-order`
  const payload = { identifiers: [{ type: 'dns', value: 'nonce.test' }] }

  it('wire 4: missing, unknown and spent ones are badNonce with a fresh one that works', async () => {
    const client = await acme.app.client()
    const spent = await client.nonce()
    expect((await client.post(url, payload, { header: { nonce: spent } })).status).toBe(201)
    for (const nonce of [spent, undefined, '', 'AAAA', randomBytes(27).toString('base64url')]) {
      const reply = await client.post(url, payload, { header: { nonce } })
      expectProblem(reply, 400, 'badNonce', /JWS has an invalid anti-replay nonce/)
      const retry = await client.post(url, payload, { header: { nonce: reply.headers.get('replay-nonce') } })
      expect(retry.status).toBe(201)
    }
  })

  it('wire 3: one is spent by a request that is refused, whatever for', async () => {
    const client = await acme.app.client()
    const refused = [
      { header: { alg: 'none' } },
      { header: { url: 'https://elsewhere.test/' } },
      { header: { kid: 'https://acme.test/acme/default/account/x' } },
      { members: { signature: 'AAAA' } },
      { members: { signature: '' } },
      { header: { crit: [] } },
      { headers: { 'content-type': 'text/plain' } },
    ]
    for (const tampering of refused) {
      const nonce = await client.nonce()
      const first = await client.post(url, payload, { ...tampering, header: { ...tampering.header, nonce } })
      expect(first.status, JSON.stringify(tampering)).toBeGreaterThanOrEqual(400)
      expect(first.text).not.toContain('badNonce')
      expectProblem(await client.post(url, payload, { header: { nonce } }), 400, 'badNonce')
    }
  })

  it('of one request sent many times at once, one passes', async () => {
    const client = await acme.app.client()
    const body = await client.jws(url, payload)
    const replies = await Promise.all(Array.from({ length: 20 }, () => client.send(url, body)))
    expect(replies.map(({ status }) => status).sort()).toEqual([201, ...new Array(19).fill(400)])
  })
})
