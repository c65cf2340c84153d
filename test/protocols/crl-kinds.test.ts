import { beforeAll, describe, expect, test } from 'vitest'
import { crl } from '../../protocols/crl/index.ts'
import { crlEntry } from '../../src/core/crl/crlRead.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { readCrl, verifyCrl } from '../../src/pki/crlReader.ts'
import { crlWorld } from '../helpers/crlWorld.ts'
import { useStatusServer } from '../helpers/statusServer.ts'

const it = useStatusServer()
const get = (path: string, headers: Record<string, string> = {}) => it.status.ask(path, { headers })

describe('shards and deltas over HTTP', () => {
  beforeAll(() => crlWorld(it.status.world).settings({ crlShards: 2, crlDelta: '1h' }))
  const path = (rest: string) => `/crl/issuing/${it.status.issuer.id}/${rest}`

  test('each at the path that certificates name, with the headers of a CRL', async () => {
    const { id } = it.status.issuer
    for (const name of ['0.crl', '1.crl', '0-delta.crl', '1-delta.crl']) {
      const answer = await get(path(name))
      expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/pkix-crl'])
      expect(answer.headers['content-encoding']).toBe(undefined)
      const { number, thisUpdate, idp, deltaBase } = readCrl(answer.body)
      expect(answer.headers.etag).toBe(`"${number}"`)
      expect(Date.parse(String(answer.headers['last-modified']))).toBe(thisUpdate.getTime())
      expect(idp?.urls).toEqual([`http://ca.test/crl/issuing/${id}/${name.replace('-delta', '')}`])
      expect(deltaBase !== undefined).toBe(name.includes('delta'))
      expect(await get(path(name), { 'if-none-match': `"${number}"` })).toMatchObject({ status: 304 })
      const head = await it.status.ask(path(name), { method: 'HEAD' })
      expect([head.headers['content-length'], head.body.length]).toEqual([String(answer.body.length), 0])
    }
  })

  test('never compressed, whatever is accepted', async () => {
    const answer = await get(path('0.crl'), { 'accept-encoding': 'gzip, br, deflate' })
    expect(answer.headers['content-encoding']).toBe(undefined)
    expect(readCrl(answer.body).deltaBase).toBe(undefined)
  })

  test.each(['2.crl', '2-delta.crl', '0-delta-delta.crl', '-delta.crl', '0-DELTA.crl', '00-delta.crl'])(
    '404 for %s',
    async (name) => {
      expect(await get(path(name))).toMatchObject({ status: 404 })
    },
  )

  test('no delta where there are none', async () => {
    expect(await get('/crl/root/1/0-delta.crl')).toMatchObject({ status: 404 })
  })
})

test('a long CRL, in parts: the same octets by both ways, its signature good', async () => {
  const { world, issuer } = it.status
  const count = 12_000
  const one = await it.status.issue('long.example.org')
  await it.status.revoke(one)
  await transaction(world.it.db, async (db) => {
    const tables = withTables<CoreTables>(db)
    const rows = Array.from({ length: count }, (_, n) => {
      const serial = (n + 0x10000).toString(16).padStart(32, '1a')
      return {
        authority_certificate_id: issuer.id,
        serial,
        shard: 0,
        revoked_at: 1_700_000_000_000,
        reason: null,
        invalidity_at: null,
      }
    })
    for (let at = 0; at < count; at += 500)
      await tables
        .insertInto('imported_revocations')
        .values(rows.slice(at, at + 500))
        .execute()
    await tables
      .updateTable('authorities')
      .set((eb) => ({ revocations: eb('revocations', '+', 1) }))
      .where('name', '=', 'issuing')
      .execute()
  })
  const path = `/crl/issuing/${issuer.id}/0.crl`
  const answer = await get(path)
  const fields = readCrl(answer.body)
  expect(answer.body.length).toBeGreaterThan(400_000)
  expect(fields.entries.length).toBeGreaterThanOrEqual(count)
  expect(fields.entries[1]).toEqual(
    crlEntry({
      serial: fields.entries[1]?.serial ?? '',
      revoked_at: 1_700_000_000_000,
      revocation_reason: null,
      invalidity_at: null,
    }),
  )
  expect(verifyCrl(fields, issuer.certificate.publicKey)).toBe(true)
  const routed = await it.status.route(crl, path)
  expect(Buffer.from(await routed.arrayBuffer()).equals(answer.body)).toBe(true)
})
