import { describe, expect, test } from 'vitest'
import { asRequester } from '../../src/core/identity/identity.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { octets, oid, seq } from '../../src/pki/der.ts'
import { OID } from '../../src/pki/oid.ts'
import { keyIdentifier, publicKeyFrom } from '../../src/pki/publicKey.ts'
import { buildCrmf, type CmcSigner, control, crm, identityControls, spkiOf } from '../helpers/cmc.ts'
import { device, sendCmc, sharedSecret, statusOf, tcrFor } from '../helpers/cmcApp.ts'
import type { Party } from '../helpers/cms.ts'
import { useEstApp } from '../helpers/estApp.ts'

const it = useEstApp()
let count = 0
const newName = () => `waits${++count}.example`

async function enrolled(): Promise<Party & { dns: string }> {
  const dns = newName()
  return { ...(await it.app.enrolled(device(), { subject: { CN: dns }, dns: [dns] })), dns }
}

const query = (id: number, token: Buffer) => control(id, OID.cmcQueryPending, octets(token))
const byKey = ({ key }: Party): CmcSigner => ({ key, keyIdentifier: keyIdentifier(publicKeyFrom(key)) })
const unknown = { status: 'failed', failInfo: 'badRequest' }

/** A device whose order for another name waits, and the token for it. */
async function waiting() {
  const own = await enrolled()
  const [next, dns] = [device(), newName()]
  const requests = [
    crm(
      buildCrmf({ key: next.key, subject: [[{ type: 'CN', value: dns }]], identifiers: [{ type: 'dns', value: dns }] }),
    ),
  ]
  const answer = await sendCmc(it.app, { requests, by: [own] })
  const { status, pending } = statusOf(answer)
  if (!pending) throw new Error(status)
  return { own, next, dns, requests, answer, ...pending }
}

describe('RFC 10002 section 6.1.1: a request that waits', () => {
  test('202, when to ask again, and a token: the same each time, for one and the same order', async () => {
    const { own, requests, answer, token, time } = await waiting()
    expect(answer.http.status).toBe(202)
    expect(answer.http.headers['retry-after']).toBe('300')
    expect(time.getTime()).toBe(Math.floor((it.app.world.time.now.getTime() + 300_000) / 1000) * 1000)
    const before = await it.app.count()
    it.app.world.time.pass(60_000)
    const again = await sendCmc(it.app, { requests, by: [own] })
    expect(statusOf(again)).toMatchObject({ status: 'pending', pending: { token, time } })
    expect(await it.app.count()).toBe(before)
  })

  test('section 6.13: once it is approved the token fetches it, and so does the same request', async () => {
    const { own, next, requests, token } = await waiting()
    expect(statusOf(await sendCmc(it.app, { controls: [query(4, token)], by: [own] }))).toMatchObject({
      status: 'pending',
      bodyParts: [4],
      pending: { token },
    })
    await it.app.vote()
    const fetched = await sendCmc(it.app, { controls: [query(4, token)], by: [own] })
    expect(fetched.http.status).toBe(200)
    expect(statusOf(fetched)).toEqual({ status: 'success', bodyParts: [4] })
    const keys = fetched.full?.certificates.map((der) => readCertificate(der).spki)
    expect(keys).toContainEqual(spkiOf(next.key))
    const repeated = await sendCmc(it.app, { requests, by: [own] })
    expect(repeated.simple).toHaveLength(2)
  })

  test('by the key that it is for, also without any certificate', async () => {
    const { next, token } = await waiting()
    await it.app.vote()
    expect(statusOf(await sendCmc(it.app, { controls: [query(4, token)], by: [byKey(next)] }))).toEqual({
      bodyParts: [4],
      status: 'success',
    })
  })

  test('by the shared secret that it was asked with', async () => {
    const shared = await sharedSecret(it.app)
    const requests = [tcrFor(1, device(), newName())]
    const prove = (proved: Buffer[]) => identityControls([10, 11], shared.name, shared.secret, proved)
    const { pending } = statusOf(await sendCmc(it.app, { requests, controls: prove(requests) }))
    await it.app.vote()
    const controls = [...prove([]), query(12, pending?.token ?? Buffer.of(0))]
    expect(statusOf(await sendCmc(it.app, { controls }))).toMatchObject({ status: 'success', bodyParts: [12] })
    const other = await sharedSecret(it.app)
    const theirs = [
      ...identityControls([10, 11], other.name, other.secret, []),
      query(12, pending?.token ?? Buffer.of(0)),
    ]
    expect(statusOf(await sendCmc(it.app, { controls: theirs }))).toMatchObject(unknown)
  })

  test('people see the CRMF that it was asked with, and its key', async () => {
    const { next, dns, requests } = await waiting()
    const door = it.app.world.core.as(asRequester(it.app.maker))
    const shown = await door.list.request(await it.app.newest(), 'sign')
    expect(shown.csr && seq(crm(shown.csr))).toEqual(seq(...requests))
    expect(shown).toMatchObject({ key: { spkiHash: publicKeyFrom(next.key).spkiHash } })
    expect(JSON.stringify(shown.wanted)).toContain(dns)
  })
})

describe('refused', () => {
  test('another’s token, and one that is none, by one and the same text', async () => {
    const { token, own } = await waiting()
    const other = await enrolled()
    const altered = Buffer.from(token)
    altered[40] = (altered[40] ?? 0) ^ 1
    const texts = new Set<string | undefined>()
    for (const [by, given] of [
      [other, token],
      [own, altered],
      [own, token.subarray(1)],
      [own, Buffer.alloc(48)],
    ] as const) {
      const answer = await sendCmc(it.app, { controls: [query(4, given)], by: [by] })
      expect(answer.http.status).toBe(400)
      expect(statusOf(answer)).toMatchObject({ ...unknown, bodyParts: [4] })
      texts.add(statusOf(answer).text)
    }
    expect(texts.size).toBe(1)
  })

  test('a token alone, without anybody who shows who he is: 401', async () => {
    const { token } = await waiting()
    const answer = await sendCmc(it.app, { controls: [query(4, token)] })
    expect(answer.http.status).toBe(401)
    expect(statusOf(answer)).toMatchObject({ failInfo: 'badIdentity', bodyParts: [4] })
  })

  test('a token at another profile of the same authority', async () => {
    const { token, next } = await waiting()
    await it.app.save('neighbour')
    const answer = await sendCmc(it.app, { profile: 'neighbour', controls: [query(4, token)], by: [byKey(next)] })
    expect(statusOf(answer)).toMatchObject({ failInfo: 'badMessageCheck' })
  })

  test('what people deny is denied with their reason: 403, to the request and to the token', async () => {
    const { own, requests, token } = await waiting()
    await it.app.vote({ verdict: 'deny', reason: 'no such device' })
    for (const asked of [{ requests }, { controls: [query(1, token)] }]) {
      const answer = await sendCmc(it.app, { ...asked, by: [own] })
      expect(answer.http.status).toBe(403)
      expect(statusOf(answer)).toMatchObject({
        ...unknown,
        bodyParts: [1],
        text: expect.stringContaining('no such device'),
      })
    }
  })

  test('names outside the profile are denied by policy, and on record', async () => {
    await it.app.save('narrow', {}, { settings: { certificate: { type: 'client', names: { dns: ['only.example'] } } } })
    const shared = await sharedSecret(it.app, { profile: 'narrow' })
    const requests = [tcrFor(1, device(), 'other.example')]
    const controls = identityControls([10, 11], shared.name, shared.secret, requests)
    const answer = await sendCmc(it.app, { profile: 'narrow', requests, controls })
    expect(answer.http.status).toBe(403)
    expect(statusOf(answer)).toMatchObject({ ...unknown, bodyParts: [1] })
    const shown = await it.app.world.core.as(asRequester(it.app.maker)).list.request(await it.app.newest(), 'sign')
    expect(shown).toMatchObject({ status: 'denied' })
  })

  test('a control in a CRMF that is not known', async () => {
    const own = await enrolled()
    const unknownControl = seq(oid('1.2.3.4'), octets(Buffer.of(1)))
    const subject = [[{ type: 'CN', value: own.dns }]]
    const identifiers = [{ type: 'dns' as const, value: own.dns }]
    const requests = [crm(buildCrmf({ key: device().key, subject, identifiers, controls: [unknownControl] }))]
    const answer = await sendCmc(it.app, { requests, by: [own] })
    expect(statusOf(answer)).toMatchObject({ ...unknown, bodyParts: [1], text: expect.stringContaining('1.2.3.4') })
  })
})
