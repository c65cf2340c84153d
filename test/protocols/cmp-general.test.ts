import { describe, expect, it } from 'vitest'
import { asRequester } from '../../src/core/identity/identity.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { verifyIssuedBy } from '../../src/pki/chain.ts'
import { readCrl } from '../../src/pki/crlReader.ts'
import {
  children,
  context,
  explicit,
  generalizedTime,
  implicit,
  octets,
  oid,
  seq,
  TAG,
  tlv,
} from '../../src/pki/der.ts'
import { OID } from '../../src/pki/oid.ts'
import { type CmpApp, useCmpApp } from '../helpers/cmpApp.ts'
import { info } from '../helpers/cmpClient.ts'
import { manualAuthority } from '../helpers/manualAuthority.ts'

const used = useCmpApp()

describe('RFC 9483 section 4.3: genm', () => {
  const ask = async (app: CmpApp, oid: string, value?: Buffer) => {
    const { infos } = await app.send({ type: 'genm', content: seq(info(oid, value)), mac: await app.secret() })
    return infos[0] ?? { oid: 'none' }
  }

  it('caCerts: the issuing certificate, without the root', async () => {
    const { app } = used
    const { oid, value } = await ask(app, OID.cmpCaCerts)
    const certificates = value ? children(value).map(({ der }) => readCertificate(der)) : []
    expect(oid).toBe(OID.cmpCaCerts)
    expect(
      certificates.map(({ subject }) =>
        subject
          .flat()
          .map(({ value }) => value)
          .join(),
      ),
    ).toEqual([expect.stringContaining('Issuing')])
  })

  it('rootCaCert: nothing while no rollover is prepared', async () => {
    const answer = await ask(used.app, OID.cmpRootCaCert)
    expect(answer).toEqual({ oid: OID.cmpRootCaKeyUpdate })
  })

  it('certReqTemplate: the kind of key, and the names that the client fills in', async () => {
    const { oid, value } = await ask(used.app, OID.cmpCertReqTemplate)
    const [template, keys] = value ? children(value) : []
    expect(oid).toBe(OID.cmpCertReqTemplate)
    expect(template && children(template).map(({ tag }) => tag)).toContain(context(9))
    expect(keys?.der.includes(Buffer.from('2a8648ce3d0201', 'hex'))).toBe(true)
  })

  it('crlStatusList: by its issuer and by its URL, if it is news; currentCRL', async () => {
    const { app } = used
    const { issuerDer, crlUrls } = readCertificate((await app.enrolled('crl.example')).certificate)
    const byIssuer = explicit(1, seq(explicit(4, issuerDer)))
    const byUrl = explicit(0, implicit(0, tlv(context(6, false), Buffer.from(crlUrls[0] ?? '')), true))
    for (const source of [byIssuer, byUrl]) {
      const { oid, value } = await ask(app, OID.cmpCrlStatusList, seq(seq(source)))
      const crl = readCrl(value ? (children(value)[0]?.der ?? Buffer.alloc(0)) : Buffer.alloc(0))
      expect([oid, crl.issuerDer]).toEqual([OID.cmpCrls, issuerDer])
      const known = seq(seq(source, generalizedTime(crl.thisUpdate)))
      expect(await ask(app, OID.cmpCrlStatusList, known)).toEqual({ oid: OID.cmpCrls })
    }
    const elsewhere = explicit(0, implicit(0, tlv(context(6, false), Buffer.from('http://127.0.0.1/x.crl')), true))
    expect(await ask(app, OID.cmpCrlStatusList, seq(seq(elsewhere)))).toEqual({ oid: OID.cmpCrls })
    expect((await ask(app, OID.cmpCurrentCrl)).value?.tag).toBe(TAG.seq)
  })

  it('what is not known is named; two questions at once are refused', async () => {
    const { app } = used
    const { oid: type, value } = await ask(app, '1.3.6.1.5.5.7.4.2')
    expect([type, value && children(value)[0]?.der]).toEqual([OID.cmpUnsupportedOids, oid('1.3.6.1.5.5.7.4.2')])
    const two = seq(info(OID.cmpCaCerts), info(OID.cmpCurrentCrl))
    expect(await app.send({ type: 'genm', content: two, mac: await app.secret() })).toMatchObject({
      failInfo: 'badRequest',
    })
    const wrong = { type: 'genm', content: seq(info(OID.cmpCrlStatusList, octets(Buffer.alloc(1)))) } as const
    expect(await app.send({ ...wrong, mac: await app.secret() })).toMatchObject({ failInfo: 'badDataFormat' })
  })

  it('rootCaCert: what follows the root that the client has, while a rollover is prepared', async () => {
    const { app } = used
    const ip = await app.ir({ dns: 'root.example' }, { mac: await app.secret({ dns: ['root.example'] }) })
    const [root = Buffer.alloc(0)] = ip.caPubs
    const { admin } = app.world.core.as(asRequester(app.maker))
    await admin.prepareRollover('root', { validity: 4000 * 86_400_000 })
    for (const known of [root, undefined]) {
      const { oid, value } = await ask(app, OID.cmpRootCaCert, known)
      const [newWithNew, newWithOld, oldWithNew] = value ? children(value) : []
      const read = (part: typeof newWithNew) =>
        readCertificate(part?.tag === TAG.seq ? part.der : (part?.value ?? root))
      expect([oid, newWithOld?.tag, oldWithNew?.tag]).toEqual([OID.cmpRootCaKeyUpdate, context(0), context(1)])
      expect(verifyIssuedBy(read(newWithNew), read(newWithNew))).toBe(true)
      expect(verifyIssuedBy(read(newWithOld), readCertificate(root))).toBe(true)
      expect(verifyIssuedBy(read(oldWithNew), read(newWithNew))).toBe(true)
    }
    const other = await app.enrolled('no-root.example')
    expect(await ask(app, OID.cmpRootCaCert, other.certificate)).toEqual({ oid: OID.cmpRootCaKeyUpdate })
  })
})

it('under an authority that signs elsewhere an order by a secret waits for it; nobody signs answers', async () => {
  const { app } = used
  const { id: authority } = await manualAuthority(app.world)
  await app.save('elsewhere', {}, { authority })
  const mac = await app.secret({ dns: ['elsewhere.example'], profile: 'elsewhere' })
  const ip = await app.ir({ dns: 'elsewhere.example' }, { mac, profile: 'elsewhere' })
  expect(ip).toMatchObject({ status: 'waiting', protectedBy: 'mac', text: 'the certificate is being made' })
  const unprotected = await app.send({ type: 'genm', content: seq(), profile: 'elsewhere' })
  expect(unprotected).toMatchObject({ type: 'error', failInfo: 'badMessageCheck', protectedBy: 'nobody' })
})
