import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { verifyIssuedBy } from '../../src/pki/chain.ts'
import { integer, nullValue, octets, oid, seq, utf8 } from '../../src/pki/der.ts'
import { OID } from '../../src/pki/oid.ts'
import { buildCrmf, buildPkiData, content, control, crm, signedRequest, spkiOf } from '../helpers/cmc.ts'
import { device, octetsOf, postCmc, sendCmc, statusOf, tcrFor, transaction } from '../helpers/cmcApp.ts'
import type { Party } from '../helpers/cms.ts'
import { useEstApp } from '../helpers/estApp.ts'
import { mutations } from '../helpers/mutate.ts'

const it = useEstApp()
let count = 0

/** A device with a certificate, and its name. */
async function enrolled(): Promise<Party & { dns: string }> {
  const dns = `full${++count}.example`
  return { ...(await it.app.enrolled(device(), { subject: { CN: dns }, dns: [dns] })), dns }
}

const crmfFor = (id: number, by: Party, dns: string): Buffer =>
  crm(
    buildCrmf({ id, key: by.key, subject: [[{ type: 'CN', value: dns }]], identifiers: [{ type: 'dns', value: dns }] }),
  )

function deep(levels: number): Buffer {
  let value: Buffer = Buffer.alloc(0)
  for (let i = 0; i < levels; i++) value = seq(value)
  return value
}

describe('RFC 7030 section 4.3.1: what is sent', () => {
  const types = [
    'application/pkcs7-mime; smime-type=CMC-request',
    'application/pkcs7-mime; smime-type=CMC-Request; name=request.p7m',
    'Application/PKCS7-MIME;smime-type="cmc-request"',
  ]
  test.each(types)('is taken as %s', async (type) => {
    const own = await enrolled()
    const headers = { 'Content-Type': type }
    const { simple } = await sendCmc(it.app, { requests: [tcrFor(1, device(), own.dns)], by: [own], headers })
    expect(simple).toHaveLength(2)
  })

  const wrong = [
    'application/pkcs7-mime',
    'application/pkcs7-mime; smime-type=CMC-response',
    'application/pkcs10',
    'text/plain; smime-type=CMC-request',
  ]
  test.each(wrong)('is refused as %s: 415 in text', async (type) => {
    const { http } = await sendCmc(it.app, { headers: { 'Content-Type': type } })
    expect(http.status).toBe(415)
    expect(http.headers['content-type']).toMatch(/^text\/plain/)
  })

  const nothing: [string, string | Buffer][] = [
    ['nothing', ''],
    ['no base64', '%%%'],
    ['no DER', Buffer.from('hello').toString('base64')],
    ['a PKIData that is in no message', buildPkiData({}).toString('base64')],
    ['a message of another content', signedRequest(buildPkiData({}), [], { contentType: OID.data }).toString('base64')],
    ['values nested ten thousand deep', deep(10_000).toString('base64')],
    ['lengths left open ten thousand deep', Buffer.alloc(20_000, Buffer.of(0x30, 0x80)).toString('base64')],
    ['bytes that are not in base64', signedRequest(buildPkiData({}), [])],
  ]
  test.each(nothing)('%s is no full PKI request: 400 in text', async (_, body) => {
    const { http } = await postCmc(it.app, Buffer.alloc(0), { body })
    expect(http.status).toBe(400)
    expect(http.headers['content-type']).toMatch(/^text\/plain/)
    expect(http.text).not.toContain('{')
  })

  test('more than 64 KiB is 413', async () => {
    const { http } = await postCmc(it.app, Buffer.alloc(70_000, 48))
    expect(http.status).toBe(413)
  })

  test('a profile that does not serve EST is not found', async () => {
    await it.app.world.save('acme-only', { protocols: { acme: {} } })
    expect((await sendCmc(it.app, { profile: 'acme-only' })).http.status).toBe(404)
  })
})

describe('RFC 10002 section 3.2: answers', () => {
  test('only certificates: a simple response, with the intermediates and without the root', async () => {
    const own = await enrolled()
    const [first, second] = [device(), device()]
    const requests = [tcrFor(1, first, own.dns), crmfFor(2, second, own.dns)]
    const { simple, http } = await sendCmc(it.app, { requests, by: [own] })
    expect(http.status).toBe(200)
    const [one, two, ca, ...more] = (simple ?? []).map((der) => readCertificate(der))
    expect(more).toEqual([])
    expect(one?.spki).toEqual(spkiOf(first.key))
    expect(two?.spki).toEqual(spkiOf(second.key))
    expect(one && ca && verifyIssuedBy(one, ca)).toBe(true)
    expect(ca?.subject).not.toEqual(ca?.issuer)
  })

  test('section 6.6: transactionId, nonces and dataReturn come back in a full response', async () => {
    const own = await enrolled()
    const controls = [
      transaction(10),
      control(11, OID.cmcSenderNonce, octets(Buffer.from('client nonce'))),
      control(12, OID.cmcDataReturn, octets(Buffer.from('mine'))),
    ]
    const answer = await sendCmc(it.app, { controls, requests: [tcrFor(1, device(), own.dns)], by: [own] })
    expect(answer.http.status).toBe(200)
    expect(statusOf(answer)).toEqual({ status: 'success', bodyParts: [1] })
    expect(answer.full?.controls.get(OID.cmcTransactionId)).toEqual(integer(77))
    expect(octetsOf(answer, OID.cmcRecipientNonce)?.toString()).toBe('client nonce')
    expect(octetsOf(answer, OID.cmcDataReturn)?.toString()).toBe('mine')
    expect(octetsOf(answer, OID.cmcSenderNonce)).toHaveLength(32)
    expect(answer.full?.certificates.map((der) => readCertificate(der).identifiers)).toContainEqual([
      { type: 'dns', value: own.dns },
    ])
  })

  test('section 6.6: a nonce of ours is taken in its own transaction, and no other nonce', async () => {
    const own = await enrolled()
    const nonce = control(11, OID.cmcSenderNonce, octets(Buffer.from('n')))
    const first = await sendCmc(it.app, {
      controls: [transaction(10), nonce],
      requests: [tcrFor(1, device(), own.dns)],
      by: [own],
    })
    const given = octetsOf(first, OID.cmcSenderNonce) ?? Buffer.alloc(0)
    const again = (recipient: Buffer, number = 77) =>
      sendCmc(it.app, {
        controls: [transaction(10, number), control(12, OID.cmcRecipientNonce, octets(recipient))],
        requests: [tcrFor(1, device(), own.dns)],
        by: [own],
      })
    expect(statusOf(await again(given))).toMatchObject({ status: 'success' })
    for (const wrong of [await again(Buffer.alloc(32, 1)), await again(given.subarray(1)), await again(given, 78)]) {
      expect(wrong.http.status).toBe(400)
      expect(statusOf(wrong)).toMatchObject({ status: 'failed', failInfo: 'badRequest', bodyParts: [12] })
    }
  })

  test('each of several requests has its own status; what is good is done', async () => {
    const own = await enrolled()
    const forged = crm(buildCrmf({ id: 3, sign: () => Buffer.alloc(70, 48) }))
    const other = seq(integer(4), oid('1.2.3'), nullValue())
    const requests = [tcrFor(1, device(), own.dns), forged, Buffer.concat([Buffer.of(0xa2), other.subarray(1)])]
    const { full, http } = await sendCmc(it.app, { requests, by: [own] })
    expect(http.status).toBe(200)
    expect(full?.statuses).toMatchObject([
      { status: 'success', bodyParts: [1] },
      { status: 'failed', bodyParts: [3], failInfo: 'popFailed' },
      { status: 'noSupport', bodyParts: [4] },
    ])
  })

  test('RFC 7030 section 4.3.2: where all failed it is 4xx, with the answer of CMC', async () => {
    const own = await enrolled()
    const answer = await sendCmc(it.app, {
      requests: [crm(buildCrmf({ sign: () => Buffer.alloc(70, 48) }))],
      by: [own],
    })
    expect(answer.http.status).toBe(400)
    expect(answer.http.headers['content-type']).toBe('application/pkcs7-mime; smime-type=CMC-response')
    expect(answer.http.headers['content-transfer-encoding']).toBe('base64')
    expect(statusOf(answer)).toMatchObject({ status: 'failed', failInfo: 'popFailed' })
  })
})

describe('RFC 10002 section 3.2.1.1: what is not understood fails the message as a whole', () => {
  const send = async (...controls: Buffer[]) => {
    const own = await enrolled()
    const before = await it.app.count()
    const answer = await sendCmc(it.app, { controls, requests: [tcrFor(1, device(), own.dns)], by: [own] })
    expect(await it.app.count()).toBe(before)
    expect(answer.http.status).toBe(400)
    return statusOf(answer)
  }

  test('an unknown control, by its identifier', async () => {
    const status = await send(control(10, '1.2.3.4', nullValue()), transaction(11))
    expect(status).toMatchObject({ status: 'failed', failInfo: 'badRequest', bodyParts: [10] })
    expect(status.text).toContain('1.2.3.4')
  })

  const unserved = [
    OID.cmcStatusInfoV2,
    OID.cmcIdentityProof,
    OID.cmcAddExtensions,
    OID.cmcEncryptedPop,
    OID.cmcDecryptedPop,
    OID.cmcGetCert,
    OID.cmcGetCrl,
    OID.cmcRegInfo,
    OID.cmcTrustedAnchors,
    OID.cmcAuthData,
    OID.cmcPublishCert,
  ]
  test.each(unserved)('%s, which this server does not do: noSupport', async (type) => {
    expect(await send(control(10, type, nullValue()))).toMatchObject({ status: 'noSupport', bodyParts: [10] })
  })

  test.each<[string, Buffer[], number[], RegExp]>([
    ['a control twice', [transaction(10), transaction(11)], [10, 11], /comes twice/],
    ['two values', [control(10, OID.cmcDataReturn, octets(Buffer.of(1)), octets(Buffer.of(2)))], [10], /one value/],
    ['another type', [control(10, OID.cmcDataReturn, utf8('a'))], [10], /OCTET STRING/],
    ['a long nonce', [control(10, OID.cmcSenderNonce, octets(Buffer.alloc(129)))], [10], /1 to 128/],
    ['much to return', [control(10, OID.cmcDataReturn, octets(Buffer.alloc(8193)))], [10], /1 to 8192/],
  ])('%s', async (_, controls, bodyParts, text) => {
    const status = await send(...controls)
    expect(status).toMatchObject({ status: 'failed', failInfo: 'badRequest', bodyParts })
    expect(status.text).toMatch(text)
  })

  test('a message within it that no control names', async () => {
    const own = await enrolled()
    const contents = [content(5, signedRequest(buildPkiData({}), []))]
    const answer = await sendCmc(it.app, { contents, requests: [tcrFor(1, device(), own.dns)], by: [own] })
    expect(statusOf(answer)).toMatchObject({ status: 'failed', failInfo: 'badRequest', bodyParts: [5] })
  })

  test('a PKIData that is none, that asks for nothing, or names a part twice', async () => {
    const own = await enrolled()
    const none = await postCmc(it.app, signedRequest(Buffer.from('garbage'), [own]))
    expect(statusOf(none)).toMatchObject({ status: 'failed', failInfo: 'badRequest', bodyParts: [0] })
    expect(statusOf(await sendCmc(it.app, { by: [own] }))).toMatchObject({ failInfo: 'badRequest', bodyParts: [0] })
    const twice = await sendCmc(it.app, { requests: [tcrFor(1, own, own.dns), tcrFor(1, own, own.dns)], by: [own] })
    expect(statusOf(twice)).toMatchObject({ failInfo: 'badRequest', bodyParts: [0] })
  })
})

test('whatever is changed within a message, the answer is one of CMC or a line of text, and never 500', async () => {
  const own = await enrolled()
  const data = buildPkiData({
    controls: [transaction(9)],
    requests: [tcrFor(1, device(), own.dns), crmfFor(2, device(), own.dns)],
  })
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        mutations(data).map((changed) => signedRequest(changed, [own])),
        mutations(signedRequest(data, [own])),
      ),
      async (message) => {
        const { http, full, simple } = await postCmc(it.app, message)
        expect([200, 202, 400, 401, 403, 503]).toContain(http.status)
        if (!full && !simple) expect(http.headers['content-type']).toMatch(/^text\/plain/)
      },
    ),
    { numRuns: 60 },
  )
})
