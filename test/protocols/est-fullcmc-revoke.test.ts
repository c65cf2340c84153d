import { describe, expect, test } from 'vitest'
import { asRequester } from '../../src/core/identity/identity.ts'
import { readBareCertificate } from '../../src/pki/certificateIdentifier.ts'
import { enumerated, generalizedTime, integer, octets, seq, TAG, tlv, utf8 } from '../../src/pki/der.ts'
import { encodeName, nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { keyIdentifier, publicKeyFrom } from '../../src/pki/publicKey.ts'
import { type CmcSigner, control, identityControls } from '../helpers/cmc.ts'
import {
  certificateIdOf,
  device,
  registrationAuthority,
  sendCmc,
  sharedSecret,
  statusOf,
  tcrFor,
} from '../helpers/cmcApp.ts'
import type { Party } from '../helpers/cms.ts'
import { auto, useEstApp, waits } from '../helpers/estApp.ts'

const it = useEstApp()
let count = 0
const newName = () => `revoked${++count}.example`

async function enrolled(profile = 'default'): Promise<Party & { dns: string }> {
  const dns = newName()
  return { ...(await it.app.enrolled(device(), { subject: { CN: dns }, dns: [dns], profile })), dns }
}

const named = ({ certificate }: Pick<Party, 'certificate'>): Buffer[] => {
  const { issuer, serial } = readBareCertificate(certificate)
  return [issuer, tlv(TAG.integer, serial)]
}
const revokeOf = (id: number, of: Pick<Party, 'certificate'>, reason = 4, ...more: Buffer[]) =>
  control(id, OID.cmcRevokeRequest, seq(...named(of), enumerated(reason), ...more))

async function found(of: Pick<Party, 'certificate'>) {
  const certificate = await it.app.world.core
    .as(asRequester(it.app.maker))
    .findCertificate({ id: await certificateIdOf(it.app, of) })
  return { status: certificate?.status, reason: certificate?.revocationReason }
}
const client = { certificate: { type: 'client' } }
const standing = { status: 'issued', reason: undefined }
const notYours = { status: 'failed', failInfo: 'badCertId' }

describe('RFC 10002 section 6.11: revocation', () => {
  test('signed with the certificate: at once, in a full response', async () => {
    const own = await enrolled()
    const since = generalizedTime(new Date(it.app.world.time.now.getTime() - 60_000))
    const answer = await sendCmc(it.app, { controls: [revokeOf(3, own, 1, since, utf8('stolen'))], by: [own] })
    expect(answer.http.status).toBe(200)
    expect(statusOf(answer)).toEqual({ status: 'success', bodyParts: [3] })
    expect(await found(own)).toEqual({ status: 'revoked', reason: 'keyCompromise' })
  })

  test('signed with its key, which a newer request is for: a rekey and the end of the old one in a message', async () => {
    const own = await enrolled()
    const next = device()
    const { full } = await sendCmc(it.app, {
      requests: [tcrFor(1, next, own.dns)],
      controls: [revokeOf(3, own)],
      by: [own],
    })
    expect(full?.statuses).toMatchObject([
      { status: 'success', bodyParts: [1] },
      { status: 'success', bodyParts: [3] },
    ])
    expect(await found(own)).toEqual({ status: 'revoked', reason: 'superseded' })
  })

  test('by the shared secret with which it was ordered, in a message that nobody signed', async () => {
    const dns = newName()
    const shared = await sharedSecret(it.app, { dns: [dns] })
    const requests = [tcrFor(1, device(), dns)]
    const { simple } = await sendCmc(it.app, {
      requests,
      controls: identityControls([10, 11], shared.name, shared.secret, requests),
    })
    const issued = { certificate: simple?.[0] ?? Buffer.alloc(0) }
    const other = await sharedSecret(it.app, { dns: [dns] })
    const send = (name: string, secret: string) =>
      sendCmc(it.app, {
        controls: [control(10, OID.cmcIdentification, utf8(name)), revokeOf(3, issued, 4, octets(Buffer.from(secret)))],
      })
    for (const wrong of [
      await send(shared.name, other.secret),
      await send(other.name, other.secret),
      await send('nobody', shared.secret),
    ]) {
      expect(wrong.http.status).toBe(403)
      expect(statusOf(wrong)).toMatchObject({ status: 'failed', failInfo: 'badIdentity' })
    }
    expect(await found(issued)).toEqual(standing)
    expect(statusOf(await send(shared.name, shared.secret))).toEqual({ status: 'success', bodyParts: [3] })
    expect(await found(issued)).toEqual({ status: 'revoked', reason: 'superseded' })
  })

  test('by a registration authority: what it has ordered; other things as the rules have it', async () => {
    const ra = await registrationAuthority(it.app)
    const { simple } = await sendCmc(it.app, { requests: [tcrFor(1, device(), newName())], by: [ra] })
    const ordered = { certificate: simple?.[0] ?? Buffer.alloc(0) }
    expect(statusOf(await sendCmc(it.app, { controls: [revokeOf(3, ordered)], by: [ra] }))).toMatchObject({
      status: 'success',
    })
    const revoke = [{ name: 'an RA', when: 'grounds == "registrationAuthority"', auto: true }]
    await it.app.save(
      'by-ra',
      {},
      { settings: client, rules: { issue: auto, renew: auto, rekey: auto, revoke, export: [] } },
    )
    const theirs = await enrolled('by-ra')
    // Asked over another profile of the authority, the certificate's own decides.
    expect(statusOf(await sendCmc(it.app, { controls: [revokeOf(3, theirs)], by: [ra] }))).toMatchObject({
      status: 'success',
    })
    expect(await found(theirs)).toMatchObject({ status: 'revoked' })
  })

  test('what waits for people is told as tryLater, and open once however often it is asked', async () => {
    await it.app.save(
      'asks',
      {},
      { settings: client, rules: { issue: auto, renew: waits, rekey: waits, revoke: waits, export: [] } },
    )
    const own = await enrolled('asks')
    const ra = await registrationAuthority(it.app)
    for (let i = 0; i < 2; i++) {
      // The profile that is asked lets everything pass.
      const answer = await sendCmc(it.app, { controls: [revokeOf(3, own)], by: [ra] })
      expect(answer.http.status).toBe(503)
      expect(answer.http.headers['retry-after']).toBe('300')
      expect(statusOf(answer)).toMatchObject({ status: 'failed', failInfo: 'tryLater', bodyParts: [3] })
    }
    expect(await found(own)).toEqual(standing)
  })
})

describe('refused', () => {
  test('somebody else’s certificate, and one that is not there, alike', async () => {
    const [own, other] = [await enrolled(), await enrolled()]
    const none = control(4, OID.cmcRevokeRequest, seq(named(own)[0] ?? Buffer.alloc(0), integer(12345), enumerated(1)))
    const wrongIssuer = control(
      5,
      OID.cmcRevokeRequest,
      seq(encodeName(nameOf({ CN: 'x' })), named(own)[1] ?? Buffer.alloc(0), enumerated(1)),
    )
    const { full, http } = await sendCmc(it.app, { controls: [revokeOf(3, other), none, wrongIssuer], by: [own] })
    expect(http.status).toBe(400)
    expect(full?.statuses).toMatchObject([3, 4, 5].map((id) => ({ ...notYours, bodyParts: [id] })))
    expect(new Set(full?.statuses.map(({ text }) => text)).size).toBe(1)
    expect(await found(other)).toEqual(standing)
  })

  test('by the TLS connection of another, and by nobody', async () => {
    const [own, other] = [await enrolled(), await enrolled()]
    expect(statusOf(await sendCmc(it.app, { controls: [revokeOf(3, own)], client: other }))).toMatchObject(notYours)
    const nobody = await sendCmc(it.app, { controls: [revokeOf(3, own)] })
    expect(nobody.http.status).toBe(401)
    expect(statusOf(nobody)).toMatchObject({ failInfo: 'badIdentity' })
    expect(await found(own)).toEqual(standing)
  })

  test('by a shared secret’s proof over no requests, without the secret itself', async () => {
    const own = await enrolled()
    const shared = await sharedSecret(it.app, { dns: [own.dns] })
    const controls = [...identityControls([10, 11], shared.name, shared.secret, []), revokeOf(3, own)]
    expect(statusOf(await sendCmc(it.app, { controls }))).toMatchObject(notYours)
  })

  test('by the key of a request that is in the message: it is no key of the certificate', async () => {
    const own = await enrolled()
    const by = device()
    const signer: CmcSigner = { key: by.key, keyIdentifier: keyIdentifier(publicKeyFrom(by.key)) }
    const { full } = await sendCmc(it.app, {
      requests: [tcrFor(1, by, own.dns)],
      controls: [revokeOf(3, own)],
      by: [signer],
    })
    expect(full?.statuses[1]).toMatchObject({ ...notYours, bodyParts: [3] })
  })

  test('twice; for no reason that there is; a hold that is lifted; since tomorrow', async () => {
    const own = await enrolled()
    const tomorrow = generalizedTime(new Date(it.app.world.time.now.getTime() + 86_400_000))
    const send = async (controls: Buffer[]) => statusOf(await sendCmc(it.app, { controls, by: [own] }))
    expect(await send([revokeOf(3, own, 8)])).toMatchObject({ status: 'failed', failInfo: 'badRequest' })
    expect(await send([revokeOf(3, own, 7)])).toMatchObject({
      status: 'failed',
      failInfo: 'badRequest',
      bodyParts: [3],
    })
    expect(await send([revokeOf(3, own, 1, tomorrow)])).toMatchObject({ status: 'failed', failInfo: 'badRequest' })
    const { full } = await sendCmc(it.app, { controls: [revokeOf(3, own), revokeOf(4, own)], by: [own] })
    expect(full?.statuses).toMatchObject([
      { status: 'success' },
      { status: 'failed', failInfo: 'badRequest', bodyParts: [4] },
    ])
  })
})

describe('RFC 10002 section 6.14: confirmation', () => {
  const confirm = (id: number, of: Pick<Party, 'certificate'>) =>
    control(id, OID.cmcConfirmCertAcceptance, seq(...named(of)))

  test('by its holder it is heard, in a full response; of another’s it is refused', async () => {
    const [own, other] = [await enrolled(), await enrolled()]
    expect(statusOf(await sendCmc(it.app, { controls: [confirm(3, own)], by: [own] }))).toEqual({
      status: 'success',
      bodyParts: [3],
    })
    expect(statusOf(await sendCmc(it.app, { controls: [confirm(3, other)], by: [own] }))).toMatchObject(notYours)
    expect((await sendCmc(it.app, { controls: [confirm(3, own)] })).http.status).toBe(401)
  })
})
