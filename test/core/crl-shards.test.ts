import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadAuthority } from '../../src/core/authority/authority.ts'
import { renewCrls } from '../../src/core/crl/crlUpkeep.ts'
import { generateKey } from '../../src/core/key.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { issueCertificate } from '../../src/pki/certificate.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { readCrl } from '../../src/pki/crlReader.ts'
import { children, readTlv } from '../../src/pki/der.ts'
import { readExtensions } from '../../src/pki/extensions.ts'
import { OID } from '../../src/pki/oid.ts'
import { signerFor } from '../../src/pki/signer.ts'
import { type CrlWorld, crlWorld, day } from '../helpers/crlWorld.ts'
import { databases } from '../helpers/databases.ts'
import { failure } from '../helpers/people.ts'
import { createWorld, type World } from '../helpers/world.ts'

describe.each(databases)('CRLs in shards, on $name', ({ open }) => {
  let world: World
  let it: CrlWorld
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    it = crlWorld(world)
  })
  afterAll(() => close())

  const url = (der: Buffer) => readCertificate(der).crlUrls[0] ?? ''
  const shardOf = (der: Buffer) => Number(/\/(\d+)\.crl$/.exec(url(der))?.[1])

  test('one CRL needs no issuingDistributionPoint; with more each names itself as its certificates do', async () => {
    const old = await it.issue('old.example.org')
    await it.revoke(old)
    expect((await it.crl()).idp).toBe(undefined)
    await it.settings({ crlShards: 4 })
    const named = new Map<number, string[]>()
    for (let n = 0; n < 24; n++) {
      const certificate = await it.issue(`shard-${n}.example.org`)
      await it.revoke(certificate)
      const shard = shardOf(certificate.der)
      named.set(shard, [...(named.get(shard) ?? []), certificate.serial])
    }
    expect([...named.keys()].sort()).toEqual([0, 1, 2, 3])
    for (const [shard, serials] of named) {
      const crl = await it.crl({ shard })
      const expected = shard === 0 ? [old.serial, ...serials] : serials
      expect(crl.entries.map(({ serial }) => serial).sort()).toEqual(expected.sort())
      expect(crl.idp).toEqual({ urls: [`http://ca.test/crl/issuing/${await it.issuerId()}/${shard}.crl`] })
    }
    // The old certificate names what is shard 0 now.
    expect((await it.crl({ shard: 0 })).idp?.urls).toEqual([url(old.der)])
    await expect(it.crl({ shard: 4 })).rejects.toMatchObject(failure('notFound'))
  })

  test('the name is encoded as in the certificate, and critical (RFC 5280 section 5.2.5)', async () => {
    const certificate = await it.issue('encoded.example.org')
    const { der } = (await it.crl({ shard: shardOf(certificate.der) })).signed
    const [tbs] = children(readTlv(der), 3)
    const last = tbs && children(tbs, 7).at(-1)
    const idp = last && readExtensions(readTlv(last.value)).find(({ oid }) => oid === OID.issuingDistributionPoint)
    const cdp = readCertificate(certificate.der).extensions.find(({ oid }) => oid === OID.cRLDistributionPoints)
    const [point] = cdp ? children(readTlv(cdp.value)) : []
    expect(idp?.critical).toBe(true)
    expect(idp && children(readTlv(idp.value))[0]?.der).toEqual(point && children(point)[0]?.der)
    expect(idp && children(readTlv(idp.value))).toHaveLength(1)
  })

  test('a revocation makes a new CRL of its shard, and leaves the others', async () => {
    const certificate = await it.issue('one.example.org')
    const shard = shardOf(certificate.der)
    const before = await Promise.all([0, 1, 2, 3].map((shard) => it.crl({ shard })))
    await it.revoke(certificate)
    for (const [n, crl] of before.entries()) {
      const { number } = await it.crl({ shard: n })
      if (n === shard) expect(number).toBeGreaterThan(crl.number ?? 0n)
      else expect(number).toBe(crl.number)
    }
  })

  test('fewer later: all that certificates name are served and renewed', async () => {
    await it.settings({ crlShards: 2 })
    for (let n = 0; n < 12; n++) expect(shardOf((await it.issue(`fewer-${n}.example.org`)).der)).toBeLessThan(2)
    const before = await Promise.all([0, 1, 2, 3].map((shard) => it.crl({ shard })))
    world.time.pass(6 * day)
    await renewCrls(world.it)
    const rows = await withTables<CoreTables>(world.it.db)
      .selectFrom('crls')
      .select(['shard', 'number', 'der'])
      .where('authority_certificate_id', '=', await it.issuerId())
      .orderBy('number')
      .execute()
    for (const [shard, crl] of before.entries()) {
      const newest = rows.filter((row) => row.shard === shard).at(-1)
      expect(newest?.number).toBeGreaterThan(Number(crl.number))
      expect(readCrl(newest?.der ?? Buffer.alloc(0)).entries).toEqual(crl.entries)
    }
  })

  describe('after a renewal', () => {
    async function renewedWith(key: ReturnType<typeof generateKey>, signing: ReturnType<typeof generateKey>) {
      const { issuer } = await loadAuthority(world.it, 'issuing')
      if (!issuer) throw new Error('no issuer')
      return issueCertificate(
        {
          serial: '0a'.repeat(16),
          issuer: issuer.certificate.issuerDer,
          subject: issuer.certificate.subject,
          notBefore: world.time.now,
          notAfter: new Date(world.time.now.getTime() + 2000 * day),
          publicKey: signerFor(key).publicKey,
          type: 'ca',
          identifiers: [],
          keyUsage: ['keyCertSign', 'cRLSign'],
          extendedKeyUsage: [],
          crlUrls: [],
          ocspUrls: [],
          issuerUrls: [],
        },
        signerFor(signing),
      )
    }

    test('the CRLs of the earlier key go on until its certificate has ended', async () => {
      const earlier = await it.issuerId()
      const old = await it.issue('under-old.example.org')
      const shard = shardOf(old.der)
      const key = generateKey('P-256')
      const id = await it.renew({ certificate: await renewedWith(key, key), key })
      const fresh = await it.issue('under-new.example.org')
      await it.revoke(old)
      await it.revoke(fresh)
      expect(url(fresh.der)).toContain(`/crl/issuing/${id}/`)
      expect(await it.serials({ issuer: earlier, shard })).toContain(old.serial)
      expect(await it.serials({ issuer: id, shard: shardOf(fresh.der) })).toEqual([fresh.serial])
      const before = await it.crl({ issuer: earlier, shard })
      world.time.pass(6 * day)
      await renewCrls(world.it)
      const rows = await withTables<CoreTables>(world.it.db)
        .selectFrom('crls')
        .select('this_update')
        .where('authority_certificate_id', '=', earlier)
        .where('shard', '=', shard)
        .orderBy('number', 'desc')
        .execute()
      expect(rows[0]?.this_update).toBe(world.time.now.getTime())
      expect((await it.crl({ issuer: earlier, shard })).number).toBeGreaterThan(before.number ?? 0n)
    })

    test('with the same key each names itself: neither speaks of what the other lists', async () => {
      await it.settings({})
      const key = generateKey('P-256')
      const before = await it.renew({ certificate: await renewedWith(key, key), key })
      expect((await it.crl({ issuer: before })).idp).toBe(undefined)
      const id = await it.renew({ certificate: await renewedWith(key, key) })
      for (const issuer of [before, id])
        expect((await it.crl({ issuer })).idp?.urls).toEqual([`http://ca.test/crl/issuing/${issuer}/0.crl`])
    })

    test('what has ended signs nothing: its last CRL stands', async () => {
      const [first] = await withTables<CoreTables>(world.it.db)
        .selectFrom('authority_certificates')
        .select(['authority_certificates.id', 'not_after'])
        .innerJoin('authorities', 'authorities.id', 'authority_id')
        .where('authorities.name', '=', 'issuing')
        .orderBy('authority_certificates.id')
        .execute()
      const issuer = first?.id ?? 0
      const last = await it.crl({ issuer })
      world.time.now = new Date((first?.not_after ?? 0) - day)
      const near = await it.crl({ issuer })
      expect(near.nextUpdate?.getTime()).toBe(first?.not_after)
      expect(near.number).toBeGreaterThan(last.number ?? 0n)
      // Its end is the end: it is not made again and again.
      world.time.pass(day - 5_000)
      expect((await it.crl({ issuer })).number).toBe(near.number)
      world.time.pass(day)
      await renewCrls(world.it)
      expect((await it.crl({ issuer })).number).toBe(near.number)
    })
  })
})
