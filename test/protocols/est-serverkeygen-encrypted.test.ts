import { randomBytes } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { estOptions } from '../../protocols/est/options.ts'
import { asRequester, findUser } from '../../src/core/identity/identity.ts'
import type { KeySpec } from '../../src/core/key.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { readBareCertificate } from '../../src/pki/certificateIdentifier.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { oid, seq } from '../../src/pki/der.ts'
import { OID } from '../../src/pki/oid.ts'
import { publicKeyFrom } from '../../src/pki/publicKey.ts'
import { keyPem, type Party } from '../helpers/cms.ts'
import { auto, PASSWORD, useEstApp } from '../helpers/estApp.ts'
import { askKey, asymmetricKey, capabilities, decryptKey, privateKeyOf, readKeyAnswer } from '../helpers/estKeygen.ts'
import { type ForeignCa, foreignCa } from '../helpers/foreignCa.ts'
import { decryptByOpenssl, keyInPackage, type OpenWith, verifyByOpenssl } from '../helpers/keyPackage.ts'
import { pem } from '../helpers/pkiSamples.ts'
import { device } from '../helpers/scepClient.ts'

const rules = { issue: auto, renew: auto, rekey: auto, revoke: auto }
const settings = { certificate: { type: 'client' } }

const skiOf = ({ certificate }: Party): Buffer => readBareCertificate(certificate).keyIdentifier ?? Buffer.alloc(0)
const openerOf = ({ certificate, key }: Party): OpenWith => ({ certificate, keyPem: keyPem(key) })
const ecdh = (scheme: string, wrap: string) => seq(oid(scheme), seq(oid(wrap)))

describe('serverkeygen with encryption beside TLS (RFC 7030 sections 4.4.1, 4.4.2)', () => {
  const est = useEstApp()
  let ca: ForeignCa
  let rsa: Party
  let ec: Party
  let anyUse: Party
  let signsOnly: Party
  let brief: Party
  let kek: Buffer
  let root: Buffer

  const admin = async () => {
    const { core, it } = est.app.world
    const maker = await findUser(it.db, { name: 'maker' })
    if (!maker) throw new Error('there is no maker')
    return core.as(asRequester(maker)).admin
  }

  const recipient = async (spec: KeySpec, draft: Parameters<ForeignCa['issue']>[0]): Promise<Party> => {
    const { der, key } = await ca.issue({ type: 'client', ...draft }, spec)
    return { certificate: der, key }
  }

  beforeAll(async () => {
    const { now } = est.app.world.time
    ca = await foreignCa(now, { name: 'Acme Root' })
    rsa = await recipient('RSA-2048', { keyUsage: ['keyEncipherment'] })
    ec = await recipient('P-256', { keyUsage: ['keyAgreement'] })
    anyUse = await recipient('P-384', { keyUsage: [] })
    signsOnly = await recipient('RSA-2048', { keyUsage: ['digitalSignature'] })
    brief = await recipient('RSA-2048', { keyUsage: [], notAfter: new Date(now.getTime() + 3_600_000) })
    const recipients = [rsa, ec, anyUse, brief].map(({ certificate }) => pem(certificate)).join('')
    await est.app.save('default', { serverkeygen: { recipients } }, { settings, rules })
    await est.app.save('must', { serverkeygen: { recipients, encryption: 'required' } }, { settings, rules })
    const { secret } = await (await admin()).createCredential({ kind: 'kek', profile: 'default', name: 'device-7' })
    kek = Buffer.from(secret, 'base64url')
    const { active } = await est.app.world.core
      .as(asRequester(est.app.approver))
      .authorityChain((await est.app.world.profile()).authorityId)
    root = active?.chain.at(-1) ?? Buffer.alloc(0)
  })

  const keyFor = async (host: string, attributes: Buffer[], more: Partial<Parameters<typeof askKey>[1]> = {}) => {
    const basic = `x:${await est.app.challenge({ profile: more.profile ?? 'default', dns: [host] })}`
    return askKey(est.app, { host, basic, attributes, ...more })
  }

  /** openssl opens the envelope, verifies who signed within, and the key is that of the certificate. */
  function arrives(answer: Awaited<ReturnType<typeof keyFor>>, by: OpenWith): void {
    const { types, first, certificate } = readKeyAnswer(answer)
    expect(types).toEqual([
      'application/pkcs7-mime; smime-type=server-generated-key',
      'application/pkcs7-mime; smime-type=certs-only',
    ])
    const key = privateKeyOf(keyInPackage(verifyByOpenssl(decryptByOpenssl(first, by), root)))
    expect(publicKeyFrom(key).spkiHash).toBe(readCertificate(certificate).publicKey.spkiHash)
  }

  it('whoever shares the password gets in the open no key that another asked for encrypted', async () => {
    const asked = { host: 'shared.example.org', basic: `maker:${PASSWORD}` }
    const closed = await askKey(est.app, {
      ...asked,
      attributes: [decryptKey('device-7'), capabilities(OID.aes256Wrap)],
    })
    const open = await askKey(est.app, { ...asked, attributes: [] })
    const [first, second] = [closed, open].map((answer) => readCertificate(readKeyAnswer(answer).certificate))
    expect(first?.publicKey.spkiHash).not.toBe(second?.publicKey.spkiHash)
  })

  it('kekri: a secret key by DecryptKeyIdentifier (4.4.1.1), opened by openssl cms -decrypt -secretkey, signed by the profile', async () => {
    const answer = await keyFor('kek.example.org', [decryptKey('device-7'), capabilities(OID.aes256Wrap)])
    arrives(answer, { secret: kek, identifier: Buffer.from('device-7') })
  })

  it('kekri: a secret key from the factory, under an identifier that is no text', async () => {
    const secret = randomBytes(16)
    const identifier = Buffer.from('00ff17', 'hex')
    const draft = { kind: 'kek', profile: 'default', name: 'hex:00ff17', secret: secret.toString('base64url') } as const
    await (await admin()).createCredential(draft)
    const answer = await keyFor('factory.example.org', [
      decryptKey(identifier),
      capabilities(OID.aes128Wrap, OID.aes128Cbc),
    ])
    arrives(answer, { secret, identifier })
  })

  it.each([
    ['rsaEncryption', [OID.rsaEncryption]],
    ['id-RSAES-OAEP', [OID.rsaesOaep, OID.aes128Cbc]],
  ])('ktri: an RSA key by AsymmetricDecryptKeyIdentifier (4.4.1.2) and %s', async (name, list) => {
    const host = `${name.toLowerCase()}.example.org`
    arrives(await keyFor(host, [asymmetricKey(skiOf(rsa)), capabilities(...list)]), openerOf(rsa))
  })

  it('kari: an EC key, by the scheme that the client names, or a key wrap alone', async () => {
    const scheme = ecdh(OID.stdDHSha256Kdf, OID.aes128Wrap)
    arrives(await keyFor('ec1.example.org', [asymmetricKey(skiOf(ec)), capabilities(scheme)]), openerOf(ec))
    arrives(
      await keyFor('ec2.example.org', [asymmetricKey(skiOf(anyUse)), capabilities(OID.aes256Wrap)]),
      openerOf(anyUse),
    )
  })

  it('ktri: the certificate that the client shows, and of an RSA key that is made here too', async () => {
    await est.app.save('servers', {}, { settings: { certificate: { type: 'dual_purpose' } }, rules })
    const holder = await est.app.enrolled(device('shown'), { dns: ['shown.example.org'], profile: 'servers' })
    const attributes = [asymmetricKey(skiOf(holder)), capabilities(OID.rsaEncryption)]
    const answer = await askKey(est.app, {
      host: 'shown.example.org',
      profile: 'servers',
      client: holder,
      attributes,
      key: holder.key,
    })
    arrives(answer, openerOf(holder))
  })

  it('ktri: the certificate of a manufacturer that the client shows', async () => {
    const anchor = { name: 'Acme', certificates: ca.certificate, entitles: 'everything' }
    await est.app.save('acme', { trustAnchors: [anchor] }, { settings, rules })
    const born = await recipient('RSA-2048', {
      extendedKeyUsage: [OID.clientAuth],
      keyUsage: ['digitalSignature', 'keyEncipherment'],
    })
    const attributes = [asymmetricKey(skiOf(born)), capabilities(OID.rsaesOaep)]
    const answer = await askKey(est.app, { host: 'born.example.org', profile: 'acme', client: born, attributes })
    arrives(answer, openerOf(born))
    const bare = [asymmetricKey(skiOf(rsa)), capabilities(OID.rsaesOaep)]
    const other = await askKey(est.app, { host: 'born.example.org', profile: 'acme', client: born, attributes: bare })
    expect(other.status).toBe(400)
  })

  describe('ends with an error (section 4.4.1)', () => {
    const refused = async (attributes: Buffer[], more = {}) => {
      const count = await est.app.count()
      const { status, text, headers } = await keyFor('refused.example.org', attributes, more)
      expect(headers['content-type']).toBe('text/plain; charset=utf-8')
      expect(await est.app.count()).toBe(count)
      return { status, text }
    }
    const all = capabilities(OID.aes256Wrap, OID.rsaEncryption)

    it('where no key is known by the identifier: of another profile, revoked, past its time, or none at all', async () => {
      const unknown = { status: 400, text: expect.stringContaining('no key to encrypt to is known here') }
      expect(await refused([decryptKey('nobody'), all])).toMatchObject(unknown)
      expect(await refused([asymmetricKey(Buffer.alloc(20, 1)), all])).toMatchObject(unknown)
      expect(await refused([decryptKey('device-7'), all], { profile: 'must' })).toMatchObject(unknown)
      const door = await admin()
      const { view } = await door.createCredential({ kind: 'kek', profile: 'default', name: 'gone' })
      await door.revokeCredential(view.uuid)
      expect(await refused([decryptKey('gone'), all])).toMatchObject(unknown)
      const expiresAt = new Date(est.app.world.time.now.getTime() + 1000)
      await door.createCredential({ kind: 'kek', profile: 'default', name: 'late', expiresAt })
      est.app.world.time.pass(1000)
      expect(await refused([decryptKey('late'), all])).toMatchObject(unknown)
    })

    it('where a key of another kind of credential has the name', async () => {
      await (await admin()).createCredential({ kind: 'eab', profile: 'default', name: 'mac' })
      expect((await refused([decryptKey('mac'), all])).status).toBe(400)
    })

    it('where the request names its own key', async () => {
      const own = await recipient('RSA-2048', { keyUsage: [] })
      const answer = await refused([asymmetricKey(skiOf(own)), all], { key: own.key })
      expect(answer).toMatchObject({ status: 400, text: expect.stringContaining('no key to encrypt to is known here') })
    })

    it('where SMIMECapabilities are missing, or name nothing that the key is for', async () => {
      expect(await refused([decryptKey('device-7')])).toMatchObject({
        status: 400,
        text: expect.stringContaining('SMIMECapabilities'),
      })
      for (const attributes of [
        [decryptKey('device-7'), capabilities(OID.aes128Wrap)],
        [asymmetricKey(skiOf(rsa)), capabilities(OID.aes256Wrap)],
        [asymmetricKey(skiOf(ec)), capabilities(OID.rsaEncryption)],
        [asymmetricKey(skiOf(ec)), capabilities()],
      ])
        expect(await refused(attributes)).toMatchObject({
          status: 400,
          text: expect.stringContaining('SMIMECapabilities'),
        })
    })

    it('where it names two keys', async () => {
      const two = [decryptKey('device-7'), asymmetricKey(skiOf(rsa)), all]
      expect(await refused(two)).toMatchObject({ status: 400, text: expect.stringContaining('two keys') })
    })

    it('where the certificate has ended', async () => {
      expect((await keyFor('brief.example.org', [asymmetricKey(skiOf(brief)), all])).status).toBe(200)
      est.app.world.time.pass(2 * 3_600_000)
      expect((await refused([asymmetricKey(skiOf(brief)), all])).text).toContain('not valid now')
    })

    it('where the profile hands keys over encrypted only, and none is named', async () => {
      expect(await refused([], { profile: 'must' })).toMatchObject({
        status: 403,
        text: expect.stringContaining('encrypted only'),
      })
      const answer = await keyFor('must.example.org', [asymmetricKey(skiOf(rsa)), all], { profile: 'must' })
      arrives(answer, openerOf(rsa))
    })
  })

  it('a recipient to whom nothing can be encrypted is no setting', async () => {
    const parse = (recipients: string) => estOptions.safeParse({ serverkeygen: { recipients } })
    expect(parse(pem(rsa.certificate)).success).toBe(true)
    for (const bad of [pem(signsOnly.certificate), 'no PEM', '', pem(Buffer.from('3000', 'hex')), keyPem(rsa.key)])
      expect(parse(bad).success).toBe(false)
  })

  it('no key and no envelope is in the trail, and the sealed secret is not the secret', async () => {
    const answer = readKeyAnswer(
      await keyFor('trail.example.org', [decryptKey('device-7'), capabilities(OID.aes256Wrap)]),
    )
    const { db } = est.app.world.it
    const events = await withTables<CoreTables>(db).selectFrom('audit_events').select('details').execute()
    const told = JSON.stringify(events)
    for (const secret of [answer.first, kek])
      for (const form of ['hex', 'base64', 'base64url'] as const) expect(told).not.toContain(secret.toString(form))
    const rows = await withTables<CoreTables>(db)
      .selectFrom('credentials')
      .select('sealed')
      .where('kind', '=', 'kek')
      .execute()
    expect(rows.length).toBeGreaterThan(0)
    expect(rows.some(({ sealed }) => sealed.includes(kek))).toBe(false)
  })
})
