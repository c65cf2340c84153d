import { beforeAll, describe, expect, it } from 'vitest'
import { loadAuthority } from '../../src/core/authority/authority.ts'
import { asRequester, findUser } from '../../src/core/identity/identity.ts'
import { type CertificateFields, readCertificate } from '../../src/pki/certificateReader.ts'
import { readCertsOnly } from '../../src/pki/certsOnly.ts'
import { verifyIssuedBy } from '../../src/pki/chain.ts'
import { readCrl, verifyCrl } from '../../src/pki/crlReader.ts'
import { integer, seq } from '../../src/pki/der.ts'
import { nameText } from '../../src/pki/name.ts'
import { readSignedData, verifySignedData } from '../../src/pki/signedData.ts'
import { auto, useScepApp, waits } from '../helpers/scepApp.ts'
import { csrOf, device, issuerAndSubject, leafOf } from '../helpers/scepClient.ts'

const day = 86_400_000

describe('SCEP and the next key of the authority (RFC 8894 sections 4.7, 5.1)', () => {
  const scep = useScepApp()

  async function admin() {
    const user = await findUser(scep.app.world.it.db, { name: 'admin' })
    if (!user) throw new Error('no administrator')
    return scep.app.world.core.as(asRequester(user)).admin
  }

  /** A root of its own with a profile of its name. */
  async function root(name: string, key: 'P-256' | 'RSA-2048' = 'P-256', options: unknown = {}, issue: unknown = auto) {
    const draft = { name, key, subject: `CN=${name}`, validity: 1000 * day } as const
    await (await admin()).createAuthority(draft)
    const { id } = await loadAuthority(scep.app.world.it, name)
    await scep.app.save(name, options, { authority: id, rules: { issue, renew: auto, rekey: auto } })
    return issuerOf(name)
  }

  async function issuerOf(name: string): Promise<CertificateFields> {
    const { issuer } = await loadAuthority(scep.app.world.it, name)
    if (!issuer) throw new Error('no certificate')
    return issuer.certificate
  }

  const capabilities = async (name: string) =>
    (await scep.app.ask(`/scep/${name}?operation=GetCACaps`)).text.split('\n')
  const getNext = (name: string) => scep.app.ask(`/scep/${name}?operation=GetNextCACert`)

  /** The certificates of GetNextCACert, its signature checked; and who signed it. */
  async function next(name: string): Promise<{ certificates: CertificateFields[]; signer: CertificateFields }> {
    const { status, headers, body } = await getNext(name)
    expect(status).toBe(200)
    expect(headers['content-type']).toBe('application/x-x509-next-ca-cert')
    const signed = verifySignedData(readSignedData(body), { digests: ['sha256'] })
    const { certificates } = readCertsOnly(signed.content ?? Buffer.alloc(0))
    return { certificates: certificates.map(readCertificate), signer: readCertificate(signed.signer.der) }
  }

  beforeAll(async () => {
    await root('quiet')
  })

  it('3.5.2: GetNextCACert is listed only while a next certificate is prepared', async () => {
    await root('listed')
    expect(await capabilities('listed')).not.toContain('GetNextCACert')
    await (await admin()).prepareRollover('listed', {})
    expect(await capabilities('listed')).toContain('GetNextCACert')
    expect(await capabilities('quiet')).not.toContain('GetNextCACert')
    await (await admin()).activateRollover('listed')
    expect(await capabilities('listed')).not.toContain('GetNextCACert')
  })

  it('4.7: without a prepared rollover 404, in text; and so after it was canceled', async () => {
    await root('none')
    const refused = async () => {
      const { status, headers, text } = await getNext('none')
      expect([status, headers['content-type']]).toEqual([404, 'text/plain; charset=utf-8'])
      expect(text).toContain('no next certificate')
    }
    await refused()
    await (await admin()).prepareRollover('none', {})
    expect((await getNext('none')).status).toBe(200)
    await (await admin()).cancelRollover('none')
    await refused()
  })

  it('4.7.1: the answer is signed by the current CA key, and holds the next RA’s certificate, then the CA’s', async () => {
    const before = await root('answered')
    const [ra] = await scep.app.caCertificates('answered')
    await (await admin()).prepareRollover('answered', {})
    const { certificates, signer } = await next('answered')
    expect(signer.der.equals(before.der)).toBe(true)
    const [nextRa, nextCa, ...more] = certificates
    if (!nextRa || !nextCa) throw new Error('a certificate is missing')
    expect(more).toEqual([])
    expect(nameText(nextCa.subject)).toBe('CN=answered')
    expect(verifyIssuedBy(nextRa, nextCa)).toBe(true)
    expect(verifyIssuedBy(nextRa, before)).toBe(false)
    expect(nextRa.publicKey.algorithm).toBe('RSA')
    // Nothing else changes yet, and the same certificates come again.
    expect((await scep.app.caCertificates('answered'))[0]?.equals(ra ?? Buffer.alloc(0))).toBe(true)
    expect((await next('answered')).certificates.map(({ serial }) => serial)).toEqual([nextRa.serial, nextCa.serial])
  })

  it('4.7.1: below a root the certificates above come too, the root as the profile has it', async () => {
    const { id } = await loadAuthority(scep.app.world.it, 'issuing')
    await scep.app.save('rootless', { includeRoot: false }, { authority: id, rules: { issue: auto } })
    await (await admin()).prepareRollover('issuing', {})
    const names = async (profile: string) =>
      (await next(profile)).certificates.slice(1).map(({ subject }) => nameText(subject))
    expect(await names('default')).toEqual(['CN=countersign Issuing CA', 'CN=countersign Root CA'])
    expect(await names('rootless')).toEqual(['CN=countersign Issuing CA'])
    await (await admin()).cancelRollover('issuing')
  })

  it('5.1, figure 9: a PKCSReq enveloped for the next certificate is issued by the next key, any other by the current one', async () => {
    const before = await root('figure9')
    await (await admin()).prepareRollover('figure9', {})
    const [nextRa, nextCa] = (await next('figure9')).certificates
    if (!nextRa || !nextCa) throw new Error('a certificate is missing')
    const by = device('figure9')
    const asked = { subject: { CN: 'figure9.example.org' }, profile: 'figure9', transactionId: 'figure9' }
    const current = await scep.app.enrol(by, asked)
    expect(verifyIssuedBy(leafOf(current), before)).toBe(true)
    const early = await scep.app.enrol(by, { ...asked, to: nextRa.der, transactionId: 'early' })
    expect(early.pkiStatus).toBe('SUCCESS')
    expect(early.signer.equals(nextRa.der)).toBe(true)
    expect(verifyIssuedBy(leafOf(early), nextCa)).toBe(true)
    // The same again is the same certificate, under either.
    const repeated = await scep.app.enrol(by, { ...asked, to: nextRa.der, transactionId: 'early' })
    expect(leafOf(repeated).serial).toBe(leafOf(early).serial)
    expect(leafOf(await scep.app.enrol(by, asked)).serial).toBe(leafOf(current).serial)
  })

  it('5.1: a renewal by a certificate of the current key may ask for the next one', async () => {
    await root('renewing')
    const by = device('renewing')
    const asked = { subject: { CN: 'renewing.example.org' }, profile: 'renewing' }
    const old = leafOf(await scep.app.enrol(by, asked))
    await (await admin()).prepareRollover('renewing', {})
    const [nextRa, nextCa] = (await next('renewing')).certificates
    if (!nextRa || !nextCa) throw new Error('a certificate is missing')
    const holder = { key: by.key, certificate: old.der }
    const early = await scep.app.enrol(holder, { ...asked, to: nextRa.der, type: 'RenewalReq', transactionId: 'next' })
    expect(verifyIssuedBy(leafOf(early), nextCa)).toBe(true)
    await (await admin()).activateRollover('renewing')
    // What the earlier key signed renews.
    const later = await scep.app.enrol(holder, { ...asked, type: 'RenewalReq', transactionId: 'later' })
    expect(verifyIssuedBy(leafOf(later), nextCa)).toBe(true)
  })

  it('after the takeover GetCACert shows the next certificates, and devices that wrote to the old are answered', async () => {
    const before = await root('waiting', 'P-256', {}, waits)
    const [oldRa = Buffer.alloc(0)] = await scep.app.caCertificates('waiting')
    const by = device('waiting')
    const data = csrOf(by, { subject: { CN: 'waiting.example.org' } })
    const sent = { by, data, profile: 'waiting', transactionId: 'waiting', to: oldRa }
    expect((await scep.app.send(sent)).pkiStatus).toBe('PENDING')
    await (await admin()).prepareRollover('waiting', {})
    const [nextRa, nextCa] = (await next('waiting')).certificates
    await (await admin()).activateRollover('waiting')
    const shown = (await scep.app.caCertificates('waiting')).map(readCertificate)
    expect(shown.map(({ serial }) => serial)).toEqual([nextRa?.serial, nextCa?.serial])
    const poll = {
      ...sent,
      type: 'CertPoll' as const,
      data: issuerAndSubject({ CN: 'waiting' }, { CN: 'waiting.example.org' }),
    }
    const pending = await scep.app.send(poll)
    expect(pending.pkiStatus).toBe('PENDING')
    expect(pending.signer.equals(oldRa)).toBe(true)
    await scep.app.vote()
    const done = await scep.app.send(poll)
    expect(done.signer.equals(oldRa)).toBe(true)
    expect(nextCa && verifyIssuedBy(leafOf(done), nextCa)).toBe(true)
    // GetCRL (4.6) and GetCert (4.5) by either issuer's name, which is the same: the CRL that the certificate stands in.
    const holder = { key: by.key, certificate: leafOf(done).der }
    const about = seq(before.subjectDer, integer(BigInt(`0x${leafOf(done).serial}`)))
    const { crls } = await scep.app.send({
      type: 'GetCRL',
      data: about,
      by: holder,
      profile: 'waiting',
      transactionId: 'crl',
    })
    expect(nextCa && verifyCrl(readCrl(crls[0] ?? Buffer.alloc(0)), nextCa.publicKey)).toBe(true)
  })

  it('4.5, 4.6: certificates of the next key are found before it takes over', async () => {
    const before = await root('early')
    await (await admin()).prepareRollover('early', {})
    const [nextRa, nextCa] = (await next('early')).certificates
    const by = device('early')
    const asked = { subject: { CN: 'early.example.org' }, profile: 'early', transactionId: 'early' }
    const leaf = leafOf(await scep.app.enrol(by, { ...asked, ...(nextRa ? { to: nextRa.der } : {}) }))
    const holder = { key: by.key, certificate: leaf.der }
    const data = seq(before.subjectDer, integer(BigInt(`0x${leaf.serial}`)))
    const found = await scep.app.send({ type: 'GetCert', data, by: holder, profile: 'early', transactionId: 'cert' })
    expect(leafOf(found).serial).toBe(leaf.serial)
    const listed = await scep.app.send({ type: 'GetCRL', data, by: holder, profile: 'early', transactionId: 'crl' })
    expect(nextCa && verifyCrl(readCrl(listed.crls[0] ?? Buffer.alloc(0)), nextCa.publicKey)).toBe(true)
    const issuer = /\/ca\/early\/\d+\.cer$/.exec(leaf.issuerUrls[0] ?? '')?.[0] ?? 'none'
    expect((await scep.app.ask(issuer)).body.equals(nextCa?.der ?? Buffer.alloc(0))).toBe(true)
  })

  it('the authority’s own RSA key by setting: the next one alone, and orders to it', async () => {
    const before = await root('own-key', 'RSA-2048', { messageKey: 'ca' })
    await (await admin()).prepareRollover('own-key', {})
    const { certificates, signer } = await next('own-key')
    const [nextCa, ...more] = certificates
    if (!nextCa) throw new Error('a certificate is missing')
    expect(more).toEqual([])
    expect(signer.der.equals(before.der)).toBe(true)
    const asked = { subject: { CN: 'own.example.org' }, profile: 'own-key' }
    const early = await scep.app.enrol(device('own-key'), { ...asked, to: nextCa.der })
    expect(verifyIssuedBy(leafOf(early), nextCa)).toBe(true)
    await (await admin()).activateRollover('own-key')
    expect((await scep.app.caCertificates('own-key')).map((der) => readCertificate(der).serial)).toEqual([
      nextCa.serial,
    ])
    const late = await scep.app.enrol(device('own-key late'), { ...asked, to: before.der })
    expect(late.signer.equals(before.der)).toBe(true)
    expect(verifyIssuedBy(leafOf(late), nextCa)).toBe(true)
  })

  it('an order to a next key that was canceled is one to the authority as it stands', async () => {
    const before = await root('withdrawn')
    await (await admin()).prepareRollover('withdrawn', {})
    const [nextRa] = (await next('withdrawn')).certificates
    await (await admin()).cancelRollover('withdrawn')
    const asked = { subject: { CN: 'withdrawn.example.org' }, profile: 'withdrawn' }
    const reply = await scep.app.enrol(device('withdrawn'), { ...asked, ...(nextRa ? { to: nextRa.der } : {}) })
    expect(verifyIssuedBy(leafOf(reply), before)).toBe(true)
  })
})
