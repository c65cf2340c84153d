import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { asRequester } from '../../src/core/identity/identity.ts'
import { readBareCertificate } from '../../src/pki/certificateIdentifier.ts'
import { explicit, integer, nullValue, octets, oid, seq, setOf } from '../../src/pki/der.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import { encodeName, nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { buildCrmf } from '../helpers/cmc.ts'
import { useCmpApp } from '../helpers/cmpApp.ts'
import { certConf, cmpMessage, macAlgorithm, pollReq, readCmpReply } from '../helpers/cmpClient.ts'
import { party } from '../helpers/cms.ts'
import { ecKey } from '../helpers/csrs.ts'
import { mutations } from '../helpers/mutate.ts'

const used = useCmpApp()
/** Each profile has an RSA key of its own, which takes long to make. */
const strong = { protection: ['secret'], macs: ['sha256'], clockSkew: '5m' }
const empty = { type: 'genm', content: seq() } as const
const refused = (failInfo: string) => ({ type: 'error', status: 'rejection', failInfo, protectedBy: 'signature' })

describe('RFC 9483 section 3.5: protection', () => {
  it('a message without any is refused: an order, a revocation, a question', async () => {
    const { app } = used
    for (const type of ['ir', 'rr', 'genm', 'certConf', 'pollReq'] as const) {
      const reply = await app.send({ type, content: seq(buildCrmf()) })
      expect(reply).toMatchObject({
        type: 'error',
        failInfo: expect.stringMatching(/badMessageCheck|badRecipientNonce/),
      })
    }
  })

  it('a MAC by another secret, by the empty one, and under a reference that nobody has, are told alike', async () => {
    const { app } = used
    const { reference, secret } = await app.secret()
    const tries = [
      { reference, secret: `${secret}x` },
      { reference, secret: '' },
      { reference: 'nobody', secret: '' },
      { reference: 'nobody', secret },
    ]
    const replies = await Promise.all(
      tries.map(async (mac) => readCmpReply((await app.post(cmpMessage({ ...empty, mac }))).body)),
    )
    for (const reply of replies) expect(reply).toMatchObject(refused('badMessageCheck'))
    expect(new Set(replies.map(({ text }) => text)).size).toBe(1)
  })

  it.each([
    ['too many iterations', { iterations: 10_001 }],
    ['a bomb of iterations', { iterations: 2n ** 62n }],
    ['too few', { iterations: 99 }],
    ['none', { iterations: 0 }],
    ['a negative number', { iterations: -1 }],
    ['a key by SHA-1', { owf: OID.sha1 }],
    ['another MAC', { mac: OID.sha256 }],
    ['PBKDF2 with a bomb', { pbmac1: true, iterations: 2n ** 31n }],
  ])('%s: badAlg, without the work', async (_, wishes) => {
    const { app } = used
    const { reference } = await app.secret()
    const begun = performance.now()
    const sent = {
      ...empty,
      protectionAlg: macAlgorithm(wishes),
      protection: randomBytes(32),
      senderKid: Buffer.from(reference),
    }
    expect(await app.send(sent)).toMatchObject(refused('badAlg'))
    expect(performance.now() - begun).toBeLessThan(5_000)
  })

  it('parameters of a MAC that cannot be read: badDataFormat', async () => {
    const { app } = used
    const protectionAlg = seq(oid(OID.passwordBasedMac), seq(octets(Buffer.alloc(4)), nullValue()))
    expect(await app.send({ ...empty, protectionAlg, protection: randomBytes(32) })).toMatchObject(
      refused('badDataFormat'),
    )
  })

  it('a signature by a certificate that is none of ours, by none, or by another key', async () => {
    const { app } = used
    expect(await app.send({ ...empty, by: party('P-256') })).toMatchObject(refused('signerNotTrusted'))
    const by = await app.enrolled('signs.example')
    expect(await app.send({ ...empty, by, extraCerts: [] })).toMatchObject(refused('signerNotTrusted'))
    const forged = { certificate: by.certificate, key: ecKey() }
    expect(await app.send({ ...empty, by: forged })).toMatchObject(refused('badMessageCheck'))
    const sender = explicit(4, encodeName(nameOf({ CN: 'somebody else' })))
    expect(await app.send({ ...empty, by, sender })).toMatchObject(refused('badMessageCheck'))
    expect(await app.send({ ...empty, by })).toMatchObject({ type: 'genp', protectedBy: 'signature' })
  })

  it('a certificate of another profile, one that ended and one that was revoked', async () => {
    const { app } = used
    await app.save('other')
    const other = await app.enrolled('elsewhere.example', { profile: 'other' })
    expect(await app.send({ ...empty, by: other })).toMatchObject(refused('signerNotTrusted'))
    const by = await app.enrolled('revoked.example')
    const { serial } = readBareCertificate(by.certificate)
    const door = app.world.core.as(asRequester(app.maker))
    const hex = (serial[0] === 0 ? serial.subarray(1) : serial).toString('hex')
    const certificate = await door.findCertificate({ serial: hex, authority: 'issuing' })
    await door.revoke({ protocol: 'console', certificate: certificate?.id ?? 0, grounds: 'user' })
    expect(await app.send({ ...empty, by })).toMatchObject(refused('signerNotTrusted'))
    expect(await app.ir({ dns: 'revoked.example' }, { type: 'kur', by })).toMatchObject(refused('signerNotTrusted'))
  })

  it('a profile takes the one protection, or the other, and the MACs that it lists', async () => {
    const { app } = used
    await app.save('signed', { protection: ['certificate'] })
    await app.save('strong', strong)
    const mac = await app.secret({ profile: 'signed' })
    expect(await app.send({ ...empty, mac, profile: 'signed' })).toMatchObject({ failInfo: 'wrongIntegrity' })
    const weak = { ...(await app.secret({ profile: 'strong' })), mac: OID.hmacWithSHA1 }
    expect(await app.send({ ...empty, mac: weak, profile: 'strong' })).toMatchObject({ failInfo: 'badAlg' })
    expect(await app.send({ ...empty, mac: { ...weak, mac: OID.hmacWithSHA256 }, profile: 'strong' })).toMatchObject({
      type: 'genp',
    })
    const by = await app.enrolled('by.example')
    expect(await app.send({ ...empty, by, profile: 'strong' })).toMatchObject({ failInfo: 'wrongIntegrity' })
  })

  it('a secret that was revoked is good for nothing', async () => {
    const { app } = used
    const mac = await app.secret()
    await app.world.core.as(asRequester(app.maker)).admin.revokeCredential(mac.uuid)
    expect(await app.ir({}, { mac })).toMatchObject({ type: 'error', failInfo: 'notAuthorized' })
  })

  it('who guesses is refused for a while, and so is nobody else’s profile', async () => {
    const { app } = used
    await app.save('limited', { limits: { unprotectedBySource: '2/1h' } })
    const mac = await app.secret({ profile: 'limited' })
    const wrong = { ...empty, mac: { ...mac, secret: 'guess' }, profile: 'limited' }
    const guess = async () => readCmpReply((await app.post(cmpMessage(wrong), '/cmp/limited')).body)
    for (const _ of [1, 2]) expect(await guess()).toMatchObject({ failInfo: 'badMessageCheck' })
    expect(await guess()).toMatchObject({ failInfo: 'systemUnavail' })
    expect(await app.send({ ...empty, mac: await app.secret() })).toMatchObject({ type: 'genp' })
  })

  it('of many guesses at once no more are looked at than one after the other', async () => {
    const { app } = used
    await app.save('burst', { limits: { unprotectedBySource: '2/1h' } })
    const mac = { ...(await app.secret({ profile: 'burst' })), secret: 'guess', pbmac1: true, iterations: 20_000 }
    const guess = async () => readCmpReply((await app.post(cmpMessage({ ...empty, mac }), '/cmp/burst')).body).failInfo
    const told = await Promise.all(Array.from({ length: 6 }, guess))
    expect(told.filter((failInfo) => failInfo === 'badMessageCheck')).toHaveLength(2)
  })

  it('so is who sends what nobody stands behind: each answer costs a signature, the refusal none', async () => {
    const { app } = used
    await app.save('flooded', { limits: { unprotectedBySource: '3/1h' } })
    const flood = async (wishes: object) => app.send({ ...empty, ...wishes, profile: 'flooded' })
    expect(await flood({})).toMatchObject({ failInfo: 'badMessageCheck', protectedBy: 'signature' })
    expect(await flood({ type: 'ip' })).toMatchObject({ failInfo: 'badRequest', protectedBy: 'signature' })
    expect(await flood({ pvno: 1 })).toMatchObject({ failInfo: 'unsupportedVersion', protectedBy: 'signature' })
    expect(await flood({ pvno: 1 })).toMatchObject({ failInfo: 'systemUnavail', protectedBy: 'nobody' })
  })
})

describe('a secret that was made for names', () => {
  const settings = { certificate: { type: 'client', subject: { CN: '{csr.CN}', O: '{csr.O}' } } } as const
  const gate: Identifier[] = [{ type: 'dns', value: 'gate.example' }]
  it.each<[string, Parameters<typeof nameOf>[0], { identifiers?: Identifier[] }, string]>([
    ['these', { CN: 'gate.example' }, { identifiers: gate }, 'accepted'],
    ['these, and an organization', { CN: 'gate.example', O: 'Bank' }, { identifiers: gate }, 'waiting'],
    ['these, and a common name', { CN: 'the boss' }, { identifiers: gate }, 'waiting'],
    ['none', { CN: 'gate.example' }, {}, 'waiting'],
  ])('vouches for nothing else: %s', async (_, subject, names, status) => {
    const { app } = used
    await app.save('free', {}, { settings })
    const mac = await app.secret({ dns: ['gate.example'], profile: 'free' })
    const content = seq(buildCrmf({ id: 0, subject: nameOf(subject), ...names }))
    expect(await app.send({ type: 'ir', content, mac, profile: 'free' })).toMatchObject({ status })
  })
})

describe('RFC 9483 section 3.5: the header', () => {
  it.each<[string, Parameters<typeof cmpMessage>[0], string]>([
    ['version 1', { ...empty, pvno: 1 }, 'unsupportedVersion'],
    ['version 4', { ...empty, pvno: 4 }, 'unsupportedVersion'],
    ['no transactionID', { ...empty, transactionId: 'none' }, 'badDataFormat'],
    ['an empty transactionID', { ...empty, transactionId: Buffer.alloc(0) }, 'badDataFormat'],
    ['no senderNonce', { ...empty, senderNonce: 'none' }, 'badSenderNonce'],
    ['a short senderNonce', { ...empty, senderNonce: Buffer.alloc(15) }, 'badSenderNonce'],
    ['a body of another kind', { ...empty, type: 'nested' }, 'badRequest'],
    ['a body that a server sends', { ...empty, type: 'ip' }, 'badRequest'],
    ['a body that there is not', { ...empty, type: 30 }, 'badRequest'],
    ['an old messageTime', { ...empty, messageTime: new Date('2020-01-01T00:00:00Z') }, 'badTime'],
  ])('%s', async (_, wishes, failInfo) => {
    const { app } = used
    await app.save('strong', strong)
    const mac = await app.secret({ profile: 'strong' })
    const { body } = await app.post(cmpMessage({ ...wishes, mac }), '/cmp/strong')
    expect(readCmpReply(body)).toMatchObject(refused(failInfo))
  })

  it('a message that goes on gives back a nonce of ours, of its transaction', async () => {
    const { app } = used
    const mac = await app.secret()
    const [one, two] = [randomBytes(16), randomBytes(16)]
    const [first, second] = [
      await app.ir({ dns: 'one.example' }, { mac, transactionId: one }),
      await app.ir({ dns: 'two.example' }, { mac, transactionId: two }),
    ]
    const ask = (recipNonce: Buffer | undefined) =>
      app.send({ type: 'pollReq', content: pollReq(), mac, transactionId: one, ...(recipNonce ? { recipNonce } : {}) })
    for (const nonce of [undefined, Buffer.alloc(0), randomBytes(32), second.header.senderNonce])
      expect(await ask(nonce)).toMatchObject({ type: 'error', failInfo: 'badRecipientNonce' })
    expect(await ask(first.header.senderNonce)).toMatchObject({ type: 'pollRep' })
  })

  it('later messages may leave out the certificate that signed the first', async () => {
    const { app } = used
    const by = await app.enrolled('small.example')
    const transactionId = randomBytes(16)
    const first = await app.ir({ dns: 'added.example' }, { type: 'cr', by, transactionId })
    const recipNonce = first.header.senderNonce ?? Buffer.alloc(0)
    const later = { by, transactionId, recipNonce, extraCerts: [] }
    expect(await app.send({ type: 'pollReq', content: pollReq(), ...later })).toMatchObject({ type: 'pollRep' })
    const none = { ...later, transactionId: randomBytes(16) }
    expect(await app.send({ type: 'certConf', content: certConf(by.certificate), ...none })).toMatchObject({
      type: 'error',
    })
  })
})

describe('RFC 9811: over HTTP', () => {
  it('by either path, with the label of the operation and without', async () => {
    const { app } = used
    const mac = await app.secret({ dns: ['paths.example'] })
    for (const path of [
      '/cmp',
      '/cmp/default/initialization',
      '/.well-known/cmp',
      '/.well-known/cmp/initialization',
      '/.well-known/cmp/p/default',
      '/.well-known/cmp/p/default/initialization',
    ])
      expect(await app.ir({ dns: 'paths.example' }, { mac, path }), path).toMatchObject({ status: 'accepted' })
    const wrong = await app.ir({ dns: 'paths.example' }, { mac, path: '/.well-known/cmp/p/default/revocation' })
    expect(wrong).toMatchObject({ type: 'error', failInfo: 'badRequest' })
  })

  it.each([
    '/cmp/none',
    '/cmp/DEFAULT',
    '/cmp//default',
    '/cmp/%64efault',
    '/cmp/default/other',
    '/.well-known/cmp/p/none',
  ])('%s is not there', async (path) => {
    expect((await used.app.post(cmpMessage(empty), path)).status).toBe(404)
  })

  it('only POST, only messages of CMP, of some size', async () => {
    const { app } = used
    const type = { 'Content-Type': 'text/plain' }
    expect((await app.post(cmpMessage(empty), '/cmp/default', type)).status).toBe(415)
    expect((await app.post(Buffer.alloc(256 * 1024 + 1))).status).toBe(413)
    expect((await fetch(`http://127.0.0.1:${app.server.ports.httpPort}/cmp/default`)).status).toBe(405)
    const old = { 'Content-Type': 'application/pkixcmp-poll; charset=binary' }
    expect((await app.post(cmpMessage(empty), '/cmp/default', old)).status).toBe(200)
  })

  it('CC4: what is no DER is 400; nothing that is sent is a 500', async () => {
    const { app } = used
    const mac = await app.secret({ dns: ['fuzz.example'] })
    const good = cmpMessage({ type: 'ir', content: seq(buildCrmf({ id: 0 })), mac })
    const attempt = async (bytes: Buffer) => {
      const { status, body } = await app.post(bytes)
      if (status === 400) return
      expect(status).toBe(200)
      expect(['error', 'ip', 'cp', 'kup']).toContain(readCmpReply(body, mac.secret).type)
    }
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), (bytes) => attempt(Buffer.from(bytes))),
      { numRuns: 40 },
    )
    await fc.assert(fc.asyncProperty(mutations(good), attempt), { numRuns: 60 })
  }, 60_000)

  it('what is inside a good protection is no 500 either', async () => {
    const { app } = used
    const by = await app.enrolled('inside.example')
    const crmf = buildCrmf({ id: 0, subject: nameOf({ CN: 'inside.example' }) })
    const bodies = ['ir', 'kur', 'p10cr', 'rr', 'genm', 'certConf'] as const
    await fc.assert(
      fc.asyncProperty(mutations(seq(crmf, setOf(integer(1)))), fc.constantFrom(...bodies), async (content, type) => {
        const { status, body } = await app.post(cmpMessage({ type, content, by }))
        // Without a value in the body it is no PKIMessage.
        if (status === 400) return
        expect(readCmpReply(body).failInfo).not.toBe('systemFailure')
      }),
      { numRuns: 60 },
    )
  }, 60_000)
})
