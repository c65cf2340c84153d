import { describe, expect, test } from 'vitest'
import { asRequester } from '../../src/core/identity/identity.ts'
import { nullValue, octets, oid, seq, set, time, utf8 } from '../../src/pki/der.ts'
import { nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { keyIdentifier, publicKeyFrom } from '../../src/pki/publicKey.ts'
import { buildPkiData, type CmcSigner, control, identityControls, signedRequest, tcr, witness } from '../helpers/cmc.ts'
import { certificateIdOf, device, postCmc, sendCmc, sharedSecret, statusOf, tcrFor } from '../helpers/cmcApp.ts'
import type { Party } from '../helpers/cms.ts'
import { buildCsr, ecKey, extension, extensionRequest } from '../helpers/csrs.ts'
import { auto, useEstApp } from '../helpers/estApp.ts'
import { csrOf } from '../helpers/scepClient.ts'

const it = useEstApp()
let count = 0
const newName = () => `who${++count}.example`

async function enrolled(profile = 'default'): Promise<Party & { dns: string }> {
  const dns = newName()
  return { ...(await it.app.enrolled(device(), { subject: { CN: dns }, dns: [dns], profile })), dns }
}

/** Signs by the key that a request is for, as RFC 10002 section 3.2 has it. */
const byRequestKey = ({ key }: Party): CmcSigner => ({ key, keyIdentifier: keyIdentifier(publicKeyFrom(key)) })

const badIdentity = { status: 'failed', failInfo: 'badIdentity' }
const badMessage = { status: 'failed', failInfo: 'badMessageCheck', bodyParts: [0] }

describe('RFC 10002 section 3.2: by the certificate that signed', () => {
  test('a renewal of its names passes, other names wait for people', async () => {
    const own = await enrolled()
    const answer = await sendCmc(it.app, {
      requests: [tcrFor(1, device(), own.dns), tcrFor(2, device(), newName())],
      by: [own],
    })
    expect(answer.full?.statuses).toMatchObject([
      { status: 'success', bodyParts: [1] },
      { status: 'pending', bodyParts: [2] },
    ])
  })

  test('a revoked one, one of another profile, one of nobody we know, and an expired one say nothing', async () => {
    const { app } = it
    const revoked = await enrolled()
    await app.world.core.as(asRequester(app.maker)).revoke({
      protocol: 'test',
      certificate: await certificateIdOf(app, revoked),
      grounds: 'user',
    })
    await app.save(
      'elsewhere',
      {},
      {
        settings: { certificate: { type: 'client' } },
        rules: { issue: auto, renew: auto, rekey: auto, revoke: auto, export: [] },
      },
    )
    for (const by of [revoked, await enrolled('elsewhere'), device()]) {
      const answer = await sendCmc(app, { requests: [tcrFor(1, device(), newName())], by: [by] })
      expect(answer.http.status).toBe(403)
      expect(statusOf(answer)).toMatchObject({ ...badIdentity, bodyParts: [0] })
    }
    const old = await enrolled()
    const year = 365 * 86_400_000
    app.world.time.pass(year)
    const late = await sendCmc(app, { requests: [tcrFor(1, device(), old.dns)], by: [old] })
    app.world.time.pass(-year)
    expect(statusOf(late)).toMatchObject(badIdentity)
    expect(statusOf(late).text).toMatch(/certificate of the signer has expired/)
  })

  test('an expired one renews itself within the grace of the profile, and does nothing else', async () => {
    const { app } = it
    const settings = { certificate: { type: 'client', validity: { default: '10d', max: '30d' } } }
    const rules = { issue: auto, renew: auto, rekey: auto, revoke: auto, export: [] }
    await app.save('graceful', { reenroll: { grace: '20d' } }, { settings, rules })
    const own = await enrolled('graceful')
    app.world.time.pass(15 * 86_400_000)
    const send = (dns: string) => sendCmc(app, { requests: [tcrFor(1, device(), dns)], by: [own], profile: 'graceful' })
    const [same, other] = [await send(own.dns), await send(newName())]
    app.world.time.pass(-15 * 86_400_000)
    expect(same.simple).toHaveLength(2)
    expect(statusOf(other)).toMatchObject(badIdentity)
  })
})

describe('RFC 10002 section 3.2.1.3.4: signatures', () => {
  const onlyType = { onlyThese: true, attributes: [seq(oid(OID.contentType), set(oid(OID.pkiData)))] }
  const altered: [string, Parameters<typeof signedRequest>[2], object][] = [
    ['that do not fit', { sign: () => Buffer.alloc(70, 48) }, badMessage],
    ['without messageDigest', onlyType, badMessage],
    [
      'with CMC Unsigned Data',
      { unsigned: [seq(oid(OID.cmcUnsignedData), set(nullValue()))] },
      { failInfo: 'badRequest' },
    ],
  ]
  test.each(altered)('%s are refused', async (_, odd, status) => {
    const own = await enrolled()
    const data = buildPkiData({ requests: [tcrFor(1, device(), own.dns)] })
    expect(statusOf(await postCmc(it.app, signedRequest(data, [own], odd)))).toMatchObject(status)
  })

  test('made longer ago than the profile remembers orders are badTime: a replay would be a new order', async () => {
    const own = await enrolled()
    const { now } = it.app.world.time
    const data = buildPkiData({ requests: [tcrFor(1, device(), own.dns)] })
    const at = (hours: number) => {
      const signedAt = new Date(now.getTime() - hours * 3_600_000)
      return postCmc(
        it.app,
        signedRequest(data, [own], { attributes: [seq(oid(OID.signingTime), set(time(signedAt)))] }),
      )
    }
    expect(statusOf(await at(73))).toMatchObject({ status: 'failed', failInfo: 'badTime', bodyParts: [0] })
    expect((await at(71)).simple).toHaveLength(2)
  })

  test('of two signers, of a signer who is not there', async () => {
    const [one, two] = [await enrolled(), await enrolled()]
    const data = buildPkiData({ requests: [tcrFor(1, device(), one.dns)] })
    expect(statusOf(await postCmc(it.app, signedRequest(data, [one, two])))).toMatchObject(badMessage)
    const stranger = { key: one.key, keyIdentifier: Buffer.alloc(20, 9) }
    expect(statusOf(await postCmc(it.app, signedRequest(data, [stranger])))).toMatchObject(badMessage)
  })

  test('another’s certificate that comes along says nothing: the signature must be by its key', async () => {
    const own = await enrolled()
    const thief = { key: device().key, certificate: own.certificate }
    const answer = await sendCmc(it.app, { requests: [tcrFor(1, device(), own.dns)], by: [thief] })
    expect(statusOf(answer)).toMatchObject(badMessage)
  })
})

describe('RFC 10002 section 6.2: by a shared secret', () => {
  const prove = (requests: Buffer[], { name, secret }: { name: string; secret: string }) => ({
    requests,
    controls: identityControls([10, 11], name, secret, requests),
  })

  test('made for these names: at once, signed by the key of the request, and again by the same message', async () => {
    const dns = newName()
    const by = device()
    const shared = await sharedSecret(it.app, { dns: [dns], singleUse: true })
    const message = { ...prove([tcrFor(1, by, dns)], shared), by: [byRequestKey(by)] }
    const first = await sendCmc(it.app, message)
    const again = await sendCmc(it.app, message)
    expect(first.simple).toHaveLength(2)
    expect(again.simple).toEqual(first.simple)
  })

  test('the key may be named by a subjectKeyIdentifier that the request has', async () => {
    const dns = newName()
    const key = ecKey()
    const named = Buffer.from('any name')
    const shared = await sharedSecret(it.app, { dns: [dns] })
    const san = extension(OID.subjectAltName, seq(Buffer.concat([Buffer.of(0x82, dns.length), Buffer.from(dns)])))
    const attributes = [extensionRequest(san, extension(OID.subjectKeyIdentifier, octets(named)))]
    const requests = [tcr(1, buildCsr({ key, subject: nameOf({ CN: dns }), attributes }))]
    const answer = await sendCmc(it.app, { ...prove(requests, shared), by: [{ key, keyIdentifier: named }] })
    expect(answer.simple).toHaveLength(2)
  })

  test('for any names of the profile: it waits for people; for others than its own: refused', async () => {
    const open = await sendCmc(it.app, prove([tcrFor(1, device(), newName())], await sharedSecret(it.app)))
    expect(statusOf(open)).toMatchObject({ status: 'pending' })
    const bound = await sharedSecret(it.app, { dns: [newName()] })
    const before = await it.app.count()
    const answer = await sendCmc(it.app, prove([tcrFor(1, device(), newName())], bound))
    expect(statusOf(answer)).toMatchObject({ status: 'failed', failInfo: 'badRequest', bodyParts: [1] })
    expect(answer.http.status).toBe(403)
    expect(await it.app.count()).toBe(before)
  })

  test('it vouches for its names, and not for an organization or another common name beside them', async () => {
    const settings = { certificate: { type: 'client', subject: { CN: '{csr.CN}', O: '{csr.O}' } } }
    const people = { name: 'people', require: [{ owner: true }] }
    const issue = [{ name: 'a secret', when: 'entitled', auto: true }, people]
    await it.app.save('with-organization', {}, { settings, rules: { issue, renew: auto, rekey: auto, revoke: auto } })
    const dns = newName()
    const shared = await sharedSecret(it.app, { dns: [dns], profile: 'with-organization' })
    const ask = async (subject: Record<string, string>) => {
      const request = tcr(1, csrOf(device(), { subject, dns: [dns] }))
      return sendCmc(it.app, { ...prove([request], shared), profile: 'with-organization' })
    }
    expect((await ask({ CN: dns })).simple).toHaveLength(2)
    expect(statusOf(await ask({ CN: dns, O: 'Bank' }))).toMatchObject({ status: 'pending' })
    expect(statusOf(await ask({ CN: 'the boss' }))).toMatchObject({ status: 'pending' })
  })

  test('a wrong one, an unknown one, one without its name, one of another profile: badIdentity, alike', async () => {
    const dns = newName()
    const requests = [tcrFor(1, device(), dns)]
    const shared = await sharedSecret(it.app, { dns: [dns] })
    await it.app.save('aside')
    const aside = await sharedSecret(it.app, { dns: [dns], profile: 'aside' })
    const wrong = [
      identityControls([10, 11], shared.name, `${shared.secret}x`, requests),
      identityControls([10, 11], 'nobody', shared.secret, requests),
      identityControls([10, 11], aside.name, aside.secret, requests),
    ]
    const texts = new Set<string | undefined>()
    for (const controls of wrong) {
      const answer = await sendCmc(it.app, { controls, requests })
      expect(answer.http.status).toBe(403)
      expect(statusOf(answer)).toMatchObject({ ...badIdentity, bodyParts: [10, 11] })
      texts.add(statusOf(answer).text)
    }
    expect(texts.size).toBe(1)
    const nameless = identityControls([10, 11], shared.name, shared.secret, requests).slice(1)
    expect(statusOf(await sendCmc(it.app, { controls: nameless, requests }))).toMatchObject(badIdentity)
  })

  test('it is good for the requests that it was made over, and by SHA-2 alone', async () => {
    const dns = newName()
    const shared = await sharedSecret(it.app, { dns: [dns] })
    const stolen = identityControls([10, 11], shared.name, shared.secret, [tcrFor(1, device(), dns)])
    const requests = [tcrFor(1, device(), dns)]
    expect(statusOf(await sendCmc(it.app, { controls: stolen, requests }))).toMatchObject(badIdentity)
    const input = seq(...requests)
    const proof = witness({ secret: shared.secret, identification: shared.name, input }, { mac: 'sha1' })
    const controls = [control(10, OID.cmcIdentification, utf8(shared.name)), control(11, OID.cmcIdentityProofV2, proof)]
    expect(statusOf(await sendCmc(it.app, { controls, requests }))).toMatchObject({
      failInfo: 'badAlg',
      bodyParts: [11],
    })
  })

  test('good once, past its time, revoked', async () => {
    const { app } = it
    const once = await sharedSecret(app, { singleUse: true })
    await sendCmc(app, prove([tcrFor(1, device(), newName())], once))
    const used = statusOf(await sendCmc(app, prove([tcrFor(1, device(), newName())], once)))
    expect(used).toMatchObject({ status: 'failed', failInfo: 'badRequest' })
    expect(used.text).toMatch(/was good once/)
    const short = await sharedSecret(app, { expiresAt: new Date(app.world.time.now.getTime() + 60_000) })
    app.world.time.pass(120_000)
    expect(statusOf(await sendCmc(app, prove([tcrFor(1, device(), newName())], short))).text).toMatch(/past its time/)
    const ended = await sharedSecret(app)
    const waiting = await sendCmc(app, prove([tcrFor(1, device(), newName())], ended))
    await app.world.core.as(asRequester(app.maker)).admin.revokeCredential(ended.uuid)
    expect(statusOf(waiting)).toMatchObject({ status: 'pending' })
    expect(statusOf(await sendCmc(app, prove([tcrFor(1, device(), newName())], ended))).text).toMatch(/was revoked/)
  })

  test('one that is good once, by eight devices at once: one of them; by one device eight times: one order', async () => {
    const once = await sharedSecret(it.app, { singleUse: true })
    const statuses = await Promise.all(
      Array.from({ length: 8 }, async () =>
        statusOf(await sendCmc(it.app, prove([tcrFor(1, device(), newName())], once))),
      ),
    )
    expect(statuses.filter(({ status }) => status === 'pending')).toHaveLength(1)
    const before = await it.app.count()
    const same = prove([tcrFor(1, device(), newName())], await sharedSecret(it.app, { singleUse: true }))
    const repeated = await Promise.all(Array.from({ length: 8 }, () => sendCmc(it.app, same)))
    expect(new Set(repeated.map((answer) => statusOf(answer).pending?.token.toString('hex'))).size).toBe(1)
    expect(await it.app.count()).toBe(before + 1)
  })

  test('two requests by one that is good once: the second is refused', async () => {
    const once = await sharedSecret(it.app, { singleUse: true })
    const { full } = await sendCmc(
      it.app,
      prove([tcrFor(1, device(), newName()), tcrFor(2, device(), newName())], once),
    )
    expect(full?.statuses).toMatchObject([{ status: 'pending' }, { status: 'failed' }])
  })
})
