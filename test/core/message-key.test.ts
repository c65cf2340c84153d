import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sealAudit } from '../../src/core/audit/seal.ts'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import type { Authority, AuthorityMakers } from '../../src/core/authority/authority.ts'
import { createAuthority } from '../../src/core/authority/authorityAdmin.ts'
import { Failure } from '../../src/core/failure.ts'
import type { MessageKeySource } from '../../src/core/key/messageKey.ts'
import { messageKeys } from '../../src/core/key/messageKey.ts'
import { renewMessageKeys } from '../../src/core/key/messageKeyUpkeep.ts'
import { generateKey } from '../../src/core/key.ts'
import { system } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { closeDatabase, openDatabase } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { verifyIssuedBy } from '../../src/pki/chain.ts'
import { openEnvelopedData, readEnvelopedData, writeEnvelopedData } from '../../src/pki/envelopedData.ts'
import { OID } from '../../src/pki/oid.ts'
import { readSignedData, verifySignedData } from '../../src/pki/signedData.ts'
import { writeSignedData } from '../../src/pki/signedDataWriter.ts'
import { signerFor } from '../../src/pki/signer.ts'
import { databases } from '../helpers/databases.ts'
import { manualAuthority } from '../helpers/manualAuthority.ts'
import { ocspWorld } from '../helpers/ocspWorld.ts'
import { acmeAccount, openWorld, type World } from '../helpers/world.ts'

const day = 86_400_000
const ra: MessageKeySource = { key: 'ra', size: 2048 }

describe.each(databases)('message keys on $name', ({ open }) => {
  let world: World
  /** Another node: a handle and a memory of its own, under the same clock. */
  let other: World
  let to: ReturnType<typeof ocspWorld>
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    const secret = randomBytes(32)
    world = await openWorld(opened.db, secret)
    const db = openDatabase(opened.url)
    other = await openWorld(db, secret)
    other.it.clock = world.it.clock
    to = ocspWorld(world)
    close = async () => {
      await closeDatabase(db)
      await opened.close()
    }
  })
  afterAll(() => close())

  const keysOf = async (name: string, source: MessageKeySource = ra, at = world) =>
    messageKeys(at.it, await at.profile(name), source)
  const certificates = async (name: string, source: MessageKeySource = ra, at = world) =>
    (await keysOf(name, source, at)).map(({ certificate }) => certificate.toString('hex'))
  const tables = () => withTables<CoreTables>(world.it.db)
  const rowsOf = async (name: string) =>
    tables()
      .selectFrom('message_keys')
      .selectAll()
      .where('profile_id', '=', (await world.profile(name)).id)
      .execute()
  const content = Buffer.from('3003020105', 'hex')
  const enveloped = async (certificate: Buffer) =>
    readEnvelopedData(await writeEnvelopedData(content, { certificate, transport: 'rsaes-pkcs1' }, 'aes-128-cbc'))

  it('is an RSA key under an EC authority, for digitalSignature and keyEncipherment and no extended purpose', async () => {
    const issuer = await to.newRoot('first')
    const [key, ...more] = await world.core.as(acmeAccount()).messageKeys(await world.profile('first'), ra)
    expect(more).toEqual([])
    const certificate = readCertificate(key.certificate)
    expect(certificate.publicKey).toMatchObject({ algorithm: 'RSA', size: 2048 })
    expect(certificate.keyUsage).toEqual(['digitalSignature', 'keyEncipherment'])
    expect(certificate.extensions.find(({ oid }) => oid === OID.keyUsage)?.critical).toBe(true)
    expect(certificate.extendedKeyUsage).toBeUndefined()
    expect(certificate.isCa).toBe(false)
    expect(certificate.crlUrls).toHaveLength(1)
    expect(verifyIssuedBy(certificate, issuer.certificate)).toBe(true)
    expect(key.issuers).toEqual([issuer.certificate.der])
    expect(key.notAfter).toEqual(certificate.notAfter)
    expect(await certificates('first')).toEqual([key.certificate.toString('hex')])
  })

  it('upkeep makes the next one before anybody asks', async () => {
    await to.newRoot('kept-up')
    const start = world.time.now
    await keysOf('kept-up')
    await renewMessageKeys(world.it)
    expect(await rowsOf('kept-up')).toHaveLength(1)
    world.time.pass(250 * day)
    await renewMessageKeys(world.it)
    expect(await rowsOf('kept-up')).toHaveLength(2)
    await renewMessageKeys(other.it)
    expect(await rowsOf('kept-up')).toHaveLength(2)
    world.time.now = start
  })

  it('where none can be made the one that is there serves until it ends, and a minute passes between tries', async () => {
    await to.newRoot('stuck')
    const start = world.time.now
    const [first] = await keysOf('stuck')
    const { local } = world.it.makers
    const out: Authority = {
      algorithm: signerFor(generateKey('P-256')).algorithm,
      sign: () => Promise.reject(new Failure('unavailable', 'the token is out')),
    }
    const signsBy = (maker: AuthorityMakers['local']) => {
      world.it.makers = { ...world.it.makers, local: maker }
      return to.change((tables) =>
        tables
          .updateTable('authorities')
          .set((eb) => ({ version: eb('version', '+', 1) }))
          .where('name', '=', 'stuck')
          .execute(),
      )
    }
    await signsBy(() => out)
    world.time.pass(300 * day)
    const orders = async () =>
      Number(
        (
          await tables()
            .selectFrom('sign_requests')
            .select((eb) => eb.fn.countAll().as('n'))
            .executeTakeFirstOrThrow()
        ).n,
      )
    expect(await certificates('stuck')).toEqual([first.certificate.toString('hex')])
    const before = await orders()
    expect(await certificates('stuck')).toEqual([first.certificate.toString('hex')])
    expect(await orders()).toBe(before)
    await renewMessageKeys(world.it)
    const alerts = await tables().selectFrom('alerts').select('detail').where('kind', '=', 'message_key').execute()
    expect(alerts.map(({ detail }) => detail)).toContain(
      'the message key of the profile stuck could not be renewed; the log says why',
    )
    world.time.pass(90 * day)
    await expect(keysOf('stuck')).rejects.toMatchObject({ code: 'unavailable' })
    await signsBy(local)
    world.time.pass(2 * 60_000)
    expect(await certificates('stuck')).toHaveLength(2)
    world.time.now = start
  })

  it('opens what was closed to it and signs what it says, without giving the key away', async () => {
    await to.newRoot('used')
    const [key] = await keysOf('used')
    const opened = await openEnvelopedData(await enveloped(key.certificate), { keys: [key], ciphers: ['aes-128-cbc'] })
    expect(opened.content).toEqual(content)
    const signed = await writeSignedData({ content, digest: 'sha256', attributes: [] }, key)
    const read = verifySignedData(readSignedData(signed), { digests: ['sha256'] })
    expect(read.signer.der).toEqual(key.certificate)
    const readable = JSON.stringify(Object.values(key).filter((value) => typeof value !== 'function'))
    expect(readable).not.toContain('PrivateKey')
    const [row] = await rowsOf('used')
    const sealed = await tables()
      .selectFrom('sealed_keys')
      .select(['purpose', 'spki_hash'])
      .where('id', '=', row?.key_id ?? 0)
      .executeTakeFirst()
    expect(sealed).toEqual({ purpose: 'message', spki_hash: readCertificate(key.certificate).publicKey.spkiHash })
  })

  it('twenty at once, on two nodes, have one and the same', async () => {
    await to.newRoot('rush')
    const asked = Array.from({ length: 20 }, (_, n) => certificates('rush', ra, n % 2 ? other : world))
    const all = (await Promise.all(asked)).map(([first]) => first)
    expect(new Set(all).size).toBe(1)
    expect(await rowsOf('rush')).toHaveLength(1)
    expect(await certificates('rush', ra, other)).toEqual(await certificates('rush'))
  })

  it('profiles of one authority have a key each', async () => {
    await to.newRoot('shared')
    const { authorityId } = await world.profile('shared')
    await world.save('shared-too', { authority: authorityId })
    const [a, b] = await Promise.all([certificates('shared'), certificates('shared-too')])
    expect(a).not.toEqual(b)
  })

  it('is made anew when a third of its life is left; the earlier one opens until thirty days after its end', async () => {
    await to.newRoot('rolled')
    const start = world.time.now
    const [first] = await keysOf('rolled')
    world.time.pass(240 * day)
    expect(await certificates('rolled')).toEqual([first.certificate.toString('hex')])
    world.time.pass(10 * day)
    const [second, ...earlier] = await keysOf('rolled', ra, other)
    expect(second.certificate).not.toEqual(first.certificate)
    expect(earlier.map(({ certificate }) => certificate)).toEqual([first.certificate])
    expect(await certificates('rolled')).toEqual(await certificates('rolled', ra, other))
    const opener = { keys: await keysOf('rolled'), ciphers: ['aes-128-cbc'] } as const
    expect(await openEnvelopedData(await enveloped(first.certificate), opener)).toMatchObject({ content })
    world.time.now = new Date(first.notAfter.getTime() + 29 * day)
    expect(await certificates('rolled')).toContain(first.certificate.toString('hex'))
    world.time.pass(2 * day)
    expect(await certificates('rolled')).not.toContain(first.certificate.toString('hex'))
    world.time.now = start
  })

  it('is made anew when the authority signs with another certificate, and when another size is asked for', async () => {
    await to.newRoot('rekeyed')
    const [first] = await certificates('rekeyed')
    const next = await to.rekey('rekeyed')
    const [key, ...earlier] = await keysOf('rekeyed')
    expect(verifyIssuedBy(readCertificate(key.certificate), next.certificate)).toBe(true)
    expect(earlier.map(({ certificate }) => certificate.toString('hex'))).toEqual([first])
    const [larger] = await keysOf('rekeyed', { key: 'ra', size: 3072 })
    expect(readCertificate(larger.certificate).publicKey.size).toBe(3072)
    expect(await certificates('rekeyed')).toHaveLength(3)
  })

  it('one that was revoked is used no more, for nothing, on no node', async () => {
    await to.newRoot('revoked')
    const [first] = await certificates('revoked')
    expect(await certificates('revoked', ra, other)).toEqual([first])
    const [row] = await rowsOf('revoked')
    const end = { status: 'revoked', revoked_at: world.time.now.getTime(), revocation_reason: 'keyCompromise' }
    await to.change((tables) =>
      tables
        .updateTable('certificates')
        .set(end)
        .where('id', '=', row?.certificate_id ?? 0)
        .execute(),
    )
    const [second, ...rest] = await certificates('revoked', ra, other)
    expect(second).not.toBe(first)
    expect(rest).toEqual([])
    expect(await certificates('revoked')).toEqual([second])
  })

  it('does not outlive the certificate of its authority', async () => {
    const issuer = await to.newRoot('brief', { validity: 100 * day })
    const [key] = await keysOf('brief')
    expect(key.notAfter).toEqual(issuer.certificate.notAfter)
  })

  it('the authority’s own key, where that is RSA', async () => {
    const { organizationId } = await world.profile()
    const draft = { key: 'RSA-2048', subject: 'CN=rsa', validity: 3_650 * day, organizationId, ownerId: null } as const
    const id = await createAuthority(world.it, system('test'), { name: 'rsa', ...draft })
    await world.save('rsa', { authority: id })
    const issuer = await to.issuerOf('rsa')
    const [key, ...earlier] = await keysOf('rsa', { key: 'ca' })
    expect(key.certificate).toEqual(issuer.certificate.der)
    expect(key.issuers).toEqual([])
    expect(earlier).toEqual([])
    const opener = { keys: [key], ciphers: ['aes-128-cbc'] } as const
    expect(await openEnvelopedData(await enveloped(key.certificate), opener)).toMatchObject({ content })
    expect(await rowsOf('rsa')).toEqual([])
    await expect(keysOf('default', { key: 'ca' })).rejects.toMatchObject({ code: 'unsupported' })
    const nextId = await createAuthority(world.it, system('test'), { name: 'rsa-other', ...draft })
    await to.change(async (tables) => {
      const certificates = tables.updateTable('authority_certificates')
      await certificates.set({ active: 0 }).where('authority_id', '=', id).execute()
      await certificates.set({ authority_id: id }).where('authority_id', '=', nextId).execute()
      const version = tables.updateTable('authorities').set((eb) => ({ version: eb('version', '+', 1) }))
      await version.where('id', '=', id).execute()
    })
    const next = await to.issuerOf('rsa')
    expect((await keysOf('rsa', { key: 'ca' }, other)).map(({ certificate }) => certificate)).toEqual([
      next.certificate.der,
      issuer.certificate.der,
    ])
    await to.rekey('rsa')
    await expect(keysOf('rsa', { key: 'ca' })).rejects.toMatchObject({ code: 'unsupported' })
  })

  it('an authority that does not sign here: unavailable, and no request is made', async () => {
    const manual = await manualAuthority(world)
    const before = await tables().selectFrom('sign_requests').select('id').execute()
    const { id } = await tables()
      .selectFrom('authorities')
      .select('id')
      .where('name', '=', manual.name)
      .executeTakeFirstOrThrow()
    await world.save('elsewhere', { authority: id })
    await expect(keysOf('elsewhere')).rejects.toMatchObject({ code: 'unavailable' })
    await expect(keysOf('elsewhere', { key: 'ca' })).rejects.toMatchObject({ code: 'unsupported' })
    expect(await tables().selectFrom('sign_requests').select('id').execute()).toHaveLength(before.length)
  })

  it('no profile but the installation’s own may be of type message', async () => {
    const settings = { certificate: { type: 'message' } }
    await expect(world.save('mine', { settings })).rejects.toMatchObject({ code: 'malformed' })
  })

  it('leaves an audit chain that proves itself', async () => {
    while ((await sealAudit(world.it.db, world.it.auditSecret)) > 0);
    const { problems } = await verifyAudit(world.it.db, world.it.auditSecret)
    // The test itself revoked one behind the back of the core.
    expect(problems.filter((problem) => !JSON.stringify(problem).includes('revoked'))).toEqual([])
  })
})
