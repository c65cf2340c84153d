import { beforeAll, describe, expect, test } from 'vitest'
import { ocsp } from '../../protocols/ocsp/index.ts'
import type { Certificate } from '../../src/core/certificate.ts'
import { seq } from '../../src/pki/der.ts'
import { parseOcspRequest } from '../../src/pki/ocsp.ts'
import { ocspError } from '../../src/pki/ocspResponse.ts'
import { readOcsp } from '../helpers/ocspAnswer.ts'
import { ocspRequest, useStatusServer } from '../helpers/statusServer.ts'

const it = useStatusServer()
let good: Certificate

beforeAll(async () => {
  good = await it.status.issue('good.example.org')
  // From here on a date can name an answer: nothing has changed for a while.
  it.status.world.time.pass(60_000)
})

const TYPE = 'application/ocsp-request'
const pathOf = (der: Buffer) => `/ocsp/issuing/${encodeURIComponent(der.toString('base64'))}`
const get = (serial: string, headers: Record<string, string> = {}, method = 'GET') =>
  it.status.ask(pathOf(ocspRequest(it.status.issuer, [serial])), { method, headers })
const post = (body: Buffer) =>
  it.status.ask('/ocsp/issuing', { method: 'POST', headers: { 'content-type': TYPE }, body })

describe('a client that has the answer already (RFC 9110 section 13)', () => {
  test('304 for its ETag, alone, in a list, weak, or *', async () => {
    const { headers } = await get(good.serial)
    const tag = String(headers.etag)
    for (const wanted of [tag, `"x", ${tag}`, `W/${tag}`, '*']) {
      const answer = await get(good.serial, { 'if-none-match': wanted })
      expect([wanted, answer.status]).toEqual([wanted, 304])
      expect(answer.body).toHaveLength(0)
      expect(answer.headers).toMatchObject({
        etag: tag,
        'cache-control': headers['cache-control'],
        expires: headers.expires,
      })
    }
    expect((await get(good.serial, { 'if-none-match': '"x"' })).status).toBe(200)
  })

  test('304 for its date, unless an ETag says otherwise', async () => {
    const { headers } = await get(good.serial)
    const since = String(headers['last-modified'])
    const earlier = new Date(Date.parse(since) - 1_000).toUTCString()
    const later = new Date(Date.parse(since) + 1_000).toUTCString()
    expect((await get(good.serial, { 'if-modified-since': since })).status).toBe(304)
    expect((await get(good.serial, { 'if-modified-since': later })).status).toBe(304)
    expect((await get(good.serial, { 'if-modified-since': earlier })).status).toBe(200)
    expect((await get(good.serial, { 'if-modified-since': 'yesterday' })).status).toBe(200)
    expect((await get(good.serial, { 'if-modified-since': since, 'if-none-match': '"x"' })).status).toBe(200)
  })

  test('HEAD is the same, without a body', async () => {
    const full = await get(good.serial)
    const bare = await get(good.serial, {}, 'HEAD')
    expect(bare.body).toHaveLength(0)
    expect(bare.headers).toMatchObject({ etag: full.headers.etag, 'content-length': String(full.body.length) })
    expect((await get(good.serial, { 'if-none-match': String(full.headers.etag) }, 'HEAD')).status).toBe(304)
  })

  test('a revocation in the same second is seen in spite of the date, and by the ETag', async () => {
    const certificate = await it.status.issue('second.example.org')
    it.status.world.time.pass(60_000)
    const { headers } = await get(certificate.serial)
    const since = { 'if-modified-since': String(headers['last-modified']) }
    expect((await get(certificate.serial, since)).status).toBe(304)
    await it.status.revoke(certificate)
    for (const known of [since, { 'if-none-match': String(headers.etag) }]) {
      const answer = await get(certificate.serial, known)
      expect(answer.status).toBe(200)
      expect(readOcsp(answer.body).statuses.join()).toContain('revoked')
      expect(answer.headers['last-modified']).toBe(headers['last-modified'])
    }
  })
})

test('no header forbids to keep what is true, and max-age ends before the answer does (RFC 9919 section 7.2)', async () => {
  for (const serial of [good.serial, '0102030405']) {
    const { headers, body } = await get(serial)
    expect(JSON.stringify(headers)).not.toMatch(/no-cache|no-store/)
    const [, seconds = ''] = /max-age=(\d+)/.exec(String(headers['cache-control'])) ?? []
    const [until] = readOcsp(body).nextUpdate
    expect(Number(seconds)).toBeGreaterThan(0)
    expect(it.status.world.time.now.getTime() + Number(seconds) * 1000).toBeLessThan(Number(until))
  }
})

test('the framework gives the same bytes and headers as the fast path, kept or not', async () => {
  const kept = pathOf(ocspRequest(it.status.issuer, [good.serial]))
  const { headers } = await it.status.ask(kept)
  const cases = [{}, { 'if-none-match': String(headers.etag) }, { 'if-none-match': '"x"' }]
  for (const asked of cases)
    for (const method of ['GET', 'HEAD']) {
      const fast = await it.status.ask(kept, { method, headers: asked })
      const routed = await it.status.route(ocsp, kept, { method, headers: asked })
      expect(routed.status).toBe(fast.status)
      // ECDSA signs otherwise each time, and the two have memories of their own only for what they dress.
      expect(Buffer.from(await routed.arrayBuffer())).toEqual(fast.body)
      for (const [name, value] of routed.headers) expect([name, fast.headers[name]]).toEqual([name, value])
    }
})

describe('too much', () => {
  const many = (count: number) => {
    const [id] = parseOcspRequest(ocspRequest(it.status.issuer, [good.serial])).certIds
    const request = seq(id?.der ?? Buffer.alloc(0))
    return seq(seq(seq(...Array.from({ length: count }, () => request))))
  }

  test('32 questions are answered, 33 are malformed, 10 000 are more than is read', async () => {
    expect(readOcsp((await post(many(32))).body).statuses).toEqual(Array.from({ length: 32 }, () => 'good'))
    expect((await post(many(33))).body).toEqual(ocspError('malformedRequest'))
    const flood = await post(many(10_000))
    expect(flood).toMatchObject({ status: 413, headers: { connection: 'close' } })
    expect((await post(many(1))).status).toBe(200)
  })

  test('every cut of a request is malformed', async () => {
    const whole = ocspRequest(it.status.issuer, [good.serial], { nonce: Buffer.alloc(16, 1) })
    for (let length = 0; length < whole.length; length += 3) {
      const answer = await post(whole.subarray(0, length))
      expect(answer.status).toBe(200)
      expect(answer.body).toEqual(ocspError('malformedRequest'))
      expect(answer.headers['cache-control']).toBe('no-cache, no-store')
    }
  })
})
