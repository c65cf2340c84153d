import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { asRequester } from '../../src/core/identity/identity.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { children, explicit, implicit, seq } from '../../src/pki/der.ts'
import { type CmpApp, ordered, statusOf, useCmpApp, waits } from '../helpers/cmpApp.ts'
import { pollReq, revReq } from '../helpers/cmpClient.ts'
import type { Party } from '../helpers/cms.ts'

const used = useCmpApp()
const DAY = 86_400_000

describe('RFC 9483 section 4.2: rr', () => {
  const rr = (app: CmpApp, by: Party, certificate: Buffer, reason?: number, more = {}) =>
    app.send({ type: 'rr', content: revReq(certificate, reason), by, ...more })

  it('by the key of the certificate, with its reason; again, it is revoked already', async () => {
    const { app } = used
    const by = await app.enrolled('rr.example')
    expect(await rr(app, by, by.certificate, 1)).toMatchObject({
      type: 'rp',
      status: 'accepted',
      protectedBy: 'signature',
    })
    expect(await statusOf(app, by.certificate)).toBe('revoked')
    expect(await rr(app, by, by.certificate, 1)).toMatchObject({
      type: 'rp',
      status: 'rejection',
      failInfo: 'certRevoked',
    })
  })

  it('CC6: another’s certificate, and one that there is not, are refused alike', async () => {
    const { app } = used
    const [by, other] = [await app.enrolled('me.example'), await app.enrolled('you.example')]
    const refused = { type: 'rp', status: 'rejection', failInfo: 'notAuthorized' }
    const theirs = await rr(app, by, other.certificate)
    expect(theirs).toMatchObject(refused)
    const { issuerDer } = readCertificate(by.certificate)
    const unknown = seq(seq(seq(implicit(1, Buffer.of(77)), explicit(3, issuerDer))))
    const none = await app.send({ type: 'rr', content: unknown, by })
    expect([none.failInfo, none.text]).toEqual([theirs.failInfo, theirs.text])
    expect(await statusOf(app, other.certificate)).toBe('issued')
  })

  it('by the secret with which it was ordered, and no other', async () => {
    const { app } = used
    const { certificate, sent } = await ordered(app, 'lost.example')
    const content = revReq(certificate, 4)
    const by = (mac: typeof sent.mac) => app.send({ type: 'rr', content, mac })
    expect(await by(await app.secret())).toMatchObject({ type: 'rp', failInfo: 'notAuthorized', protectedBy: 'mac' })
    expect(await by(sent.mac)).toMatchObject({ type: 'rp', status: 'accepted', protectedBy: 'mac' })
  })

  it('a registration authority asks for others, and learns what there is not; revoked, it asks for nobody', async () => {
    const { app } = used
    await app.save('ra', {}, { settings: { certificate: { type: 'registration_authority' } } })
    const ra = await app.enrolled('rara.example', { profile: 'ra' })
    const [one, two] = [await app.enrolled('one.example'), await app.enrolled('two.example')]
    expect(await rr(app, ra, one.certificate, 5)).toMatchObject({ type: 'rp', status: 'accepted' })
    const { issuerDer } = readCertificate(ra.certificate)
    const unknown = seq(seq(seq(implicit(1, Buffer.of(78)), explicit(3, issuerDer))))
    expect(await app.send({ type: 'rr', content: unknown, by: ra })).toMatchObject({ failInfo: 'badCertId' })
    expect(await rr(app, ra, ra.certificate)).toMatchObject({ status: 'accepted' })
    expect(await rr(app, ra, two.certificate)).toMatchObject({ failInfo: 'signerNotTrusted' })
    expect(await statusOf(app, two.certificate)).toBe('issued')
  })

  it('CC3: waits for approval by an error with status waiting, polled as a whole (RFC 9483 section 4.4)', async () => {
    const { app } = used
    await app.save(
      'careful',
      {},
      {
        rules: {
          issue: [{ name: 'entitled', when: 'entitled', auto: true }],
          renew: [],
          rekey: [],
          revoke: waits,
          export: [],
        },
      },
    )
    const sent = { profile: 'careful', transactionId: randomBytes(16) }
    const by = await app.enrolled('careful.example', { profile: 'careful' })
    const first = await rr(app, by, by.certificate, 3, sent)
    expect(first).toMatchObject({ type: 'error', status: 'waiting', text: 'the revocation waits for approval' })
    expect(first.failInfo).toBeUndefined()
    const recipNonce = first.header.senderNonce ?? Buffer.alloc(0)
    const poll = () => app.send({ type: 'pollReq', content: pollReq(-1), by, recipNonce, ...sent })
    expect(await poll()).toMatchObject({ type: 'pollRep', certReqId: -1, checkAfter: 60 })
    await app.voteRevocation()
    expect(await poll()).toMatchObject({ type: 'rp', status: 'accepted' })
    expect(await statusOf(app, by.certificate)).toBe('revoked')
  })

  it('CC3: denied, it is rejected with the reason, and polling asks for nothing anew', async () => {
    const { app } = used
    const sent = { profile: 'careful', transactionId: randomBytes(16) }
    const by = await app.enrolled('denied.example', { profile: 'careful' })
    const first = await rr(app, by, by.certificate, 3, sent)
    await app.voteRevocation({ verdict: 'deny', reason: 'in use' })
    const recipNonce = first.header.senderNonce ?? Buffer.alloc(0)
    const poll = () => app.send({ type: 'pollReq', content: pollReq(-1), by, recipNonce, ...sent })
    expect(await poll()).toMatchObject({ type: 'rp', status: 'rejection', text: 'in use' })
    app.world.time.pass(20 * DAY)
    expect(await poll()).toMatchObject({ type: 'rp', status: 'rejection' })
    expect(await statusOf(app, by.certificate)).toBe('issued')
  })

  it('a message of old revokes nothing anew', async () => {
    const { app } = used
    const by = await app.enrolled('held.example')
    const sent = { transactionId: randomBytes(16) }
    expect(await rr(app, by, by.certificate, 6, sent)).toMatchObject({ status: 'accepted' })
    expect(await statusOf(app, by.certificate)).toBe('hold')
    const door = app.world.core.as(asRequester(app.maker))
    const { serial } = readCertificate(by.certificate)
    const certificate = await door.findCertificate({ serial, authority: 'issuing' })
    await door.unhold({ certificate: certificate?.id ?? 0, protocol: 'console' })
    const replayed = await rr(app, by, by.certificate, 6, sent)
    expect(replayed).toMatchObject({ type: 'rp', status: 'rejection', failInfo: 'badRequest' })
    expect(await statusOf(app, by.certificate)).toBe('issued')
  })

  it('a reason that there is not, several at once and no certificate', async () => {
    const { app } = used
    const by = await app.enrolled('odd.example')
    const one = children(revReq(by.certificate).subarray(2))[0]?.der ?? Buffer.alloc(0)
    for (const content of [revReq(by.certificate, 7), seq(one, one), seq(), seq(seq(seq()))])
      expect(await app.send({ type: 'rr', content, by })).toMatchObject({ type: 'rp', status: 'rejection' })
    expect(await statusOf(app, by.certificate)).toBe('issued')
  })
})
