import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Issuer } from '../../src/core/authority/authority.ts'
import { loadAuthority } from '../../src/core/authority/authority.ts'
import { createAuthority } from '../../src/core/authority/authorityAdmin.ts'
import { system } from '../../src/core/requester.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { seq } from '../../src/pki/der.ts'
import { parseOcspRequest } from '../../src/pki/ocsp.ts'
import { ocspError } from '../../src/pki/ocspResponse.ts'
import { OID } from '../../src/pki/oid.ts'
import { databases } from '../helpers/databases.ts'
import { askOcsp, readOcsp, statusOf } from '../helpers/ocspAnswer.ts'
import { ocspWorld } from '../helpers/ocspWorld.ts'
import { ocspRequest } from '../helpers/statusServer.ts'
import { createWorld, type World } from '../helpers/world.ts'

const unauthorized = ocspError('unauthorized')

describe.each(databases)('what OCSP says on $name', ({ open }) => {
  let world: World
  let issuer: Issuer
  let to: ReturnType<typeof ocspWorld>
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    to = ocspWorld(world)
    issuer = await to.issuerOf('issuing')
  })
  afterAll(() => close())

  const ask = async (by: Issuer, ...serials: string[]) => (await askOcsp(world, ocspRequest(by, serials))).der
  const nobodys = () => `4${randomBytes(12).toString('hex').slice(1)}`

  it('CertIDs come back byte for byte, by each hash', async () => {
    const { serial } = await to.issue('hashes.example.org')
    for (const hash of ['sha1', 'sha256', 'sha384', 'sha512'] as const) {
      const request = ocspRequest(issuer, [serial], { hash })
      const answer = readOcsp((await askOcsp(world, request)).der)
      expect(answer.certIds).toEqual(parseOcspRequest(request).certIds.map(({ der }) => der))
      expect(answer.statuses).toEqual(['good'])
    }
  })

  it('what a CRL of another certificate of the same key and name lists is revoked', async () => {
    const twin = await to.newRoot('twin')
    const { serial } = await to.issue('a.twin.example.org', 'twin')
    await to.change(async (tables) => {
      const own = tables.selectFrom('authority_certificates').selectAll().where('id', '=', twin.id)
      const { id: _, ...row } = await own.executeTakeFirstOrThrow()
      const { id } = await tables
        .insertInto('authority_certificates')
        .values({ ...row, active: 0 })
        .returning('id')
        .executeTakeFirstOrThrow()
      const listed = { serial, shard: 0, revoked_at: 1_000, reason: null, invalidity_at: null }
      await tables
        .insertInto('imported_revocations')
        .values({ ...listed, authority_certificate_id: id })
        .execute()
    })
    expect(readOcsp(await ask(twin, serial)).statuses).toEqual(['revoked 1970-01-01T00:00:01.000Z -'])
  })

  it('a serial of an abandoned attempt was never issued', async () => {
    const { id, serial } = await to.issue('abandoned.example.org')
    const abandoned = nobodys()
    await to.change(async (tables) => {
      const attempt = await tables
        .selectFrom('sign_attempts')
        .selectAll()
        .where('sign_request_id', '=', id)
        .executeTakeFirstOrThrow()
      const { id: _, ...row } = attempt
      await tables
        .insertInto('sign_attempts')
        .values({ ...row, number: 7, serial: abandoned })
        .execute()
    })
    expect(await statusOf(world, issuer, abandoned)).toBe('unknown')
    expect(await statusOf(world, issuer, serial)).toBe('good')
  })

  describe('of what was never issued (RFC 6960 section 2.2)', () => {
    it('unknown, unless the authority has it otherwise', async () => {
      expect(readOcsp(await ask(issuer, nobodys()))).toMatchObject({ statuses: ['unknown'], extensions: [] })
    })

    it('revoked: on hold since 1970, with extended-revoke, non-critical and NULL, and no reference to a CRL', async () => {
      await to.settings('issuing', { ocspNeverIssued: 'revoked' })
      const { serial } = await to.issue('beside.example.org')
      const answer = readOcsp(await ask(issuer, nobodys(), serial))
      expect(answer.statuses).toEqual(['revoked 1970-01-01T00:00:00.000Z 6', 'good'])
      expect(answer.extensions).toEqual([[OID.ocspExtendedRevoke, false, Buffer.from([5, 0])]])
      expect(answer.archiveCutoff).toEqual([])
      expect(readOcsp(await ask(issuer, serial)).extensions).toEqual([])
      await to.settings('issuing', {})
    })

    it('unauthorized, for all that was asked with it', async () => {
      await to.settings('issuing', { ocspNeverIssued: 'unauthorized' })
      const { serial } = await to.issue('together.example.org')
      expect(await ask(issuer, nobodys())).toEqual(unauthorized)
      expect(await ask(issuer, serial, nobodys())).toEqual(unauthorized)
      expect(readOcsp(await ask(issuer, serial)).statuses).toEqual(['good'])
      await to.settings('issuing', {})
    })
  })

  it('archiveCutoff is the retention before producedAt (section 4.4.4)', async () => {
    const { serial } = await to.issue('archive.example.org')
    expect(readOcsp(await ask(issuer, serial)).archiveCutoff).toEqual([])
    await to.settings('issuing', { ocspArchiveCutoff: '365d' })
    const { archiveCutoff, producedAt } = readOcsp(await ask(issuer, serial))
    expect(archiveCutoff).toEqual([new Date(producedAt.getTime() - 365 * 86_400_000)])
    await to.settings('issuing', {})
  })

  it('certificates of subordinate authorities resolve, and a root’s own', async () => {
    const root = await to.issuerOf('root')
    expect(await statusOf(world, root, issuer.certificate.serial)).toBe('good')
    expect(await statusOf(world, root, root.certificate.serial)).toBe('good')
    // Under another issuer the same number means another certificate.
    expect(await statusOf(world, issuer, issuer.certificate.serial)).toBe('unknown')
    const { organizationId } = await world.profile()
    const draft = { name: 'below', key: 'P-256', subject: 'CN=below', parent: 'root', validity: 86_400_000 } as const
    await createAuthority(world.it, system('test'), { ...draft, organizationId, ownerId: null })
    const below = (await to.issuerOf('below')).certificate.serial
    expect(await statusOf(world, root, below)).toBe('good')
  })

  it('what an imported authority had revoked before is revoked', async () => {
    const imported = await to.newRoot('imported')
    const serial = 'a1'.repeat(20)
    const other = nobodys()
    const revoked_at = Date.UTC(2020, 1, 3)
    await to.change(async (tables) => {
      const row = { authority_certificate_id: imported.id, shard: 0, revoked_at }
      await tables
        .insertInto('imported_revocations')
        .values([
          { ...row, serial, reason: 'keyCompromise' },
          { ...row, serial: other, reason: null },
        ])
        .execute()
    })
    expect(await statusOf(world, imported, serial)).toBe('revoked 2020-02-03T00:00:00.000Z 1')
    expect(await statusOf(world, imported, other)).toBe('revoked 2020-02-03T00:00:00.000Z -')
    expect(await statusOf(world, issuer, other)).toBe('unknown')
  })

  it('unspecified is left out, as RFC 5280 section 5.3.1 wants it', async () => {
    const certificate = await to.issue('unspecified.example.org')
    await to.revoke(certificate, 'unspecified')
    expect(await statusOf(world, issuer, certificate.serial)).toMatch(/ -$/)
  })

  describe('never for another issuer', () => {
    it('a name with another key, a key with another name, an issuer that is not ours, two issuers at once', async () => {
      const { serial, der } = await to.issue('wrong.example.org')
      const root = await to.issuerOf('root')
      const { certificate } = issuer
      const forged = (change: object) => ({ ...issuer, certificate: { ...certificate, ...change } })
      const stranger = readCertificate(der)
      expect(await ask(forged({ spki: root.certificate.spki }), serial)).toEqual(unauthorized)
      expect(await ask(forged({ subjectDer: root.certificate.subjectDer }), serial)).toEqual(unauthorized)
      expect(await ask(forged({ spki: stranger.spki, subjectDer: stranger.subjectDer }), serial)).toEqual(unauthorized)
      expect(await askMixed([issuer, root], serial)).toEqual(unauthorized)
      expect(await askMixed([root, issuer], serial)).toEqual(unauthorized)
      expect(readOcsp(await askMixed([issuer, issuer], serial)).statuses).toEqual(['good', 'good'])
    })

    async function askMixed(issuers: Issuer[], serial: string): Promise<Buffer> {
      const ids = issuers.flatMap((by) => parseOcspRequest(ocspRequest(by, [serial])).certIds.map(({ der }) => der))
      return (await askOcsp(world, seq(seq(seq(...ids.map((id) => seq(id))))))).der
    }
  })

  it('a nonce of 1 to 128 octets comes back, and each answer with one is made for it', async () => {
    const { serial } = await to.issue('nonce.example.org')
    for (const length of [1, 32, 128]) {
      const nonce = randomBytes(length)
      const request = ocspRequest(issuer, [serial], { nonce })
      const first = await askOcsp(world, request)
      expect(readOcsp(first.der).nonce).toEqual(nonce)
      expect((await askOcsp(world, request)).der).not.toEqual(first.der)
    }
    for (const length of [0, 129]) {
      const request = ocspRequest(issuer, [serial], { nonce: Buffer.alloc(length) })
      expect((await askOcsp(world, request)).der).toEqual(ocspError('malformedRequest'))
    }
  })

  it('serials and CertIDs of any shape get an answer of OCSP’s own', async () => {
    const { authorityId } = await to.issue('any.example.org')
    expect((await loadAuthority(world.it, authorityId)).name).toBe('issuing')
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ minLength: 1, maxLength: 22 }), { maxLength: 4 }), async (serials) => {
        const texts = serials.map((serial) => Buffer.from(serial).toString('hex'))
        const { der, signed } = await askOcsp(world, ocspRequest(issuer, texts))
        if (signed) expect(readOcsp(der).statuses).toEqual(texts.map(() => 'unknown'))
        else expect(der).toEqual(ocspError('malformedRequest'))
      }),
      { numRuns: 60 },
    )
  })
})
