import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadAuthority } from '../../src/core/authority/authority.ts'
import { createAuthority } from '../../src/core/authority/authorityAdmin.ts'
import { runRollovers } from '../../src/core/authority/rolloverActivate.ts'
import { findCertificate } from '../../src/core/certificate.ts'
import { Failure } from '../../src/core/failure.ts'
import { generateKey } from '../../src/core/key.ts'
import { parsePkcs10 } from '../../src/core/request/csr.ts'
import { system } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { isGood, ownTls, rootsOf } from '../../src/core/upkeep/ownTls.ts'
import { withTables } from '../../src/db/tables.ts'
import { issueCertificate } from '../../src/pki/certificate.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { verifyIssuedBy } from '../../src/pki/chain.ts'
import { nameOf } from '../../src/pki/name.ts'
import { pemDecode, pemEncode } from '../../src/pki/pem.ts'
import { signerFor } from '../../src/pki/signer.ts'
import { databases } from '../helpers/databases.ts'
import { type ForeignCa, foreignCa } from '../helpers/foreignCa.ts'
import { manualAuthority } from '../helpers/manualAuthority.ts'
import { ocspWorld } from '../helpers/ocspWorld.ts'
import { createPeople, failure, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

const day = 86_400_000

describe.each(databases)('rollover of an authority whose parent or key is elsewhere, on $name', ({ open }) => {
  let world: World
  let people: People
  let to: ReturnType<typeof ocspWorld>
  let above: ForeignCa
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    to = ocspWorld(world)
    above = await foreignCa(world.time.now, { name: 'Company Root' })
  })
  afterAll(() => close())

  const admin = () => people.as(people.root).admin
  const ca = { type: 'ca', keyUsage: ['digitalSignature', 'keyCertSign', 'cRLSign'] } as const

  /** An imported authority below the company's root. */
  async function imported(name: string): Promise<void> {
    const { pem } = await above.issue({ ...ca, subject: nameOf({ CN: name }) })
    await admin().importAuthority({ name, pem: pem + above.certificate })
  }

  test('an imported authority: the request goes out, its certificate comes back', async () => {
    await imported('taken')
    const view = await admin().prepareRollover('taken', { key: 'RSA-2048' })
    expect(view).toMatchObject({ status: 'requested', next: null })
    const csr = parsePkcs10(view.csr ?? Buffer.alloc(0))
    expect(csr.subject).toEqual(nameOf({ CN: 'taken' }))
    expect(csr.publicKey.size).toBe(2048)
    await expect(admin().activateRollover('taken')).rejects.toMatchObject(failure('conflict', /not signed yet/))
    const sign = async (draft: Parameters<ForeignCa['issue']>[0]) =>
      pemEncode('CERTIFICATE', (await above.issue({ ...ca, subject: csr.subject, ...draft })).der)
    const { publicKey } = csr
    const upload = async (pem: string) => admin().uploadRollover('taken', { pem })
    await expect(upload(await sign({}))).rejects.toMatchObject(failure('malformed', /does not have the key/))
    await expect(upload(await sign({ publicKey, type: 'server' }))).rejects.toMatchObject(failure('malformed', /CA/))
    await expect(upload(await sign({ publicKey, subject: nameOf({ CN: 'x' }) }))).rejects.toMatchObject(
      failure('malformed', /is for CN=x/),
    )
    const stranger = await foreignCa(world.time.now, { name: 'Other Root' })
    const forged = await stranger.issue({ ...ca, subject: csr.subject, publicKey })
    await expect(upload(pemEncode('CERTIFICATE', forged.der))).rejects.toMatchObject(failure('malformed', /missing/))
    const good = await sign({ publicKey })
    const prepared = await upload(good)
    expect(prepared.status).toBe('prepared')
    expect(prepared.chain.map((der) => readCertificate(der).serial)).toEqual([
      readCertificate(pemDecode(good)[0]?.der ?? Buffer.alloc(0)).serial,
      above.fields.serial,
    ])
    await expect(upload(good)).rejects.toMatchObject(failure('conflict'))
    await admin().activateRollover('taken')
    const { issuer } = await loadAuthority(world.it, 'taken')
    expect(issuer?.certificate.publicKey.spkiHash).toBe(publicKey.spkiHash)
    await world.save('taken', { authority: (await loadAuthority(world.it, 'taken')).id })
    const { id } = await to.issue('taken.example.org', 'taken')
    const leaf = await findCertificate(world.it.db, { id })
    expect(leaf && issuer && verifyIssuedBy(readCertificate(leaf.der), issuer.certificate)).toBe(true)
  })

  test('an authority that signs elsewhere: what either key signed is taken, before and after', async () => {
    const manual = await manualAuthority(world)
    const { name, ca: old } = manual
    const subject = nameOf({ CN: old.fields.subject[0]?.[0]?.value ?? '' })
    const renewed = await foreignCa(world.time.now, { name: subject[0]?.[0]?.value ?? '', more: { serial: '77' } })
    await expect(admin().prepareRollover(name, {})).rejects.toMatchObject(failure('malformed', /signs elsewhere/))
    await expect(admin().prepareRollover(name, { pem: old.certificate })).rejects.toMatchObject(
      failure('malformed', /has now/),
    )
    expect((await admin().prepareRollover(name, { pem: renewed.certificate })).status).toBe('prepared')
    const waiting = await ordered(name)
    await admin().activateRollover(name)
    const { der } = await old.issue({ publicKey: waiting.publicKey, identifiers: waiting.identifiers })
    const operator = world.core.as(system('test'))
    await operator.upload(waiting.id, [der])
    const later = await ordered(name)
    const made = await renewed.issue({ publicKey: later.publicKey, identifiers: later.identifiers })
    await operator.upload(later.id, [made.der])
    const issuers = await Promise.all(
      [waiting, later].map(async ({ id }) => (await findCertificate(world.it.db, { id }))?.authorityCertificateId),
    )
    expect(issuers[0]).not.toBe(issuers[1])
    expect(issuers[1]).toBe((await loadAuthority(world.it, name)).issuer?.id)
    // CRLs of both keys go on.
    await admin().uploadCrl(name, await old.crl({ number: 5 }))
    await admin().uploadCrl(name, await renewed.crl({ number: 2 }))
    await expect(admin().uploadCrl(name, await above.crl({ number: 9 }))).rejects.toMatchObject(failure('malformed'))
  })

  async function ordered(name: string) {
    const csr = await newCsr([`${name}.example.org`])
    const { identifiers, publicKey } = csr
    const profile = await world.profile(name)
    const draft = { profile, protocol: 'acme', action: 'issue', csr, refusal: 'throw', identifiers } as const
    const { request } = await world.core.as(acmeAccount()).sign({ ...draft, validated: identifiers })
    return { id: request.id, publicKey, identifiers }
  }

  test('a parent that cannot sign now: the key is kept, it is asked again, and signs once', async () => {
    const { organizationId } = await world.profile()
    await to.newRoot('parent')
    const draft = { name: 'child', key: 'P-256', subject: 'CN=Child', parent: 'parent', validity: 900 * day } as const
    await createAuthority(world.it, system('test'), { ...draft, organizationId, ownerId: null })
    const { local } = world.it.makers
    const out = () => Promise.reject(new Failure('unavailable', 'the token is out'))
    world.it.makers = { ...world.it.makers, local: (issuer, signer) => ({ ...local(issuer, signer), sign: out }) }
    await to.settings('parent', {})
    const view = await admin().prepareRollover('child', {})
    expect(view).toMatchObject({ status: 'requested', next: null })
    expect(view.notes.join()).toContain('the token is out')
    world.it.makers = { ...world.it.makers, local }
    await to.settings('parent', {})
    await runRollovers(world.it)
    expect((await admin().rollover('child')).status).toBe('requested')
    const start = world.time.now
    world.time.pass(700_000)
    await Promise.all([runRollovers(world.it), runRollovers(world.it)])
    const prepared = await admin().rollover('child')
    expect(prepared.status).toBe('prepared')
    const spkiHash = readCertificate(prepared.chain[0] ?? Buffer.alloc(0)).publicKey.spkiHash
    const signed = await withTables<CoreTables>(world.it.db)
      .selectFrom('certificates')
      .select('id')
      .where('spki_hash', '=', spkiHash)
      .execute()
    expect(signed).toHaveLength(1)
    world.time.now = start
  })

  test('the listeners’ certificate follows, and leads those who trust the earlier root to the next one', async () => {
    const hosts = ['localhost']
    const first = await ownTls(world.it, 'issuing', hosts)
    await admin().prepareRollover('root', {})
    await admin().activateRollover('root')
    expect(await isGood(world.it, 'issuing', first)).toBe(true)
    await admin().prepareRollover('issuing', {})
    await admin().activateRollover('issuing')
    expect(await isGood(world.it, 'issuing', first)).toBe(false)
    const second = await ownTls(world.it, 'issuing', hosts)
    expect(await isGood(world.it, 'issuing', second)).toBe(true)
    const [leaf, issuing, link] = pemDecode(second.cert).map(({ der }) => readCertificate(der))
    const roots = (await rootsOf(world.it, 'issuing')).map(readCertificate)
    const [next, before] = roots
    if (!leaf || !issuing || !link || !next || !before) throw new Error('a certificate is missing')
    expect(verifyIssuedBy(leaf, issuing)).toBe(true)
    expect(verifyIssuedBy(issuing, next)).toBe(true)
    expect(verifyIssuedBy(issuing, link)).toBe(true)
    expect(verifyIssuedBy(link, before)).toBe(true)
  })

  test('an imported root with another key identifier than ours: what it signed still fits the link certificate', async () => {
    const key = generateKey('P-256')
    const signer = signerFor(key)
    const subject = nameOf({ O: 'Old', CN: 'Own Way' })
    const now = world.time.now.getTime()
    const ski = Buffer.from('0102030405060708', 'hex')
    const der = await issueCertificate(
      {
        ...ca,
        serial: '0a',
        issuer: subject,
        subject,
        notBefore: new Date(now - day),
        notAfter: new Date(now + 900 * day),
        publicKey: signer.publicKey,
        subjectKeyIdentifier: ski,
        identifiers: [],
        extendedKeyUsage: [],
        crlUrls: [],
        ocspUrls: [],
        issuerUrls: [],
      },
      signer,
    )
    const pem = pemEncode('CERTIFICATE', der) + key.export({ format: 'pem', type: 'pkcs8' })
    await admin().importAuthority({ name: 'own-way', pem })
    await world.save('own-way', { authority: (await loadAuthority(world.it, 'own-way')).id })
    const { id } = await to.issue('own.example.org', 'own-way')
    const leaf = await findCertificate(world.it.db, { id })
    const { oldWithNew } = await admin().prepareRollover('own-way', {})
    if (!leaf || !oldWithNew) throw new Error('a certificate is missing')
    expect(verifyIssuedBy(readCertificate(leaf.der), readCertificate(oldWithNew))).toBe(true)
  })
})
