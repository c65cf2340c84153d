import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Issuer, loadAuthority } from '../../src/core/authority/authority.ts'
import { createAuthority, importAuthority } from '../../src/core/authority/authorityAdmin.ts'
import { findCertificate } from '../../src/core/certificate.ts'
import { currentCrl } from '../../src/core/crl/crl.ts'
import { sign } from '../../src/core/issuance/sign.ts'
import type { SignDraft } from '../../src/core/request/request.ts'
import { system } from '../../src/core/requester.ts'
import { revoke } from '../../src/core/revocation/revoke.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { firstStart } from '../../src/core/upkeep/firstStart.ts'
import { canIssue } from '../../src/core/upkeep/ready.ts'
import { resumeSigning } from '../../src/core/upkeep/resume.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { issueCertificate } from '../../src/pki/certificate.ts'
import { readCrl } from '../../src/pki/crlReader.ts'
import { ocspError } from '../../src/pki/ocspResponse.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { signerFor } from '../../src/pki/signer.ts'
import { databases } from '../helpers/databases.ts'
import { ocspRequest } from '../helpers/statusServer.ts'
import { acmeAccount, createWorld, newCsr, openWorld, type World } from '../helpers/world.ts'

describe.each(databases)('what a review found, on $name', ({ open }) => {
  let world: World
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
  })
  afterAll(() => close())

  const tables = () => withTables<CoreTables>(world.it.db)

  async function order(name: string, more: Partial<SignDraft> = {}) {
    const csr = await newCsr([name])
    const { identifiers } = csr
    const profile = await world.profile()
    const draft = { profile, protocol: 'acme', action: 'issue', csr, identifiers, validated: identifiers } as const
    return sign(world.it, acmeAccount(), { ...draft, refusal: 'throw', ...more })
  }

  async function newRoot(name: string): Promise<number> {
    const { organizationId } = await world.profile()
    const draft = {
      name,
      key: 'P-256',
      subject: `CN=${name}`,
      validity: 86_400_000,
      organizationId,
      ownerId: null,
    } as const
    return createAuthority(world.it, system('test'), draft)
  }

  /** Asks OCSP about a serial that nobody has: the answer still has to be signed. */
  async function askOcsp(issuer: Issuer): Promise<Buffer> {
    const asked = ocspRequest(issuer, ['01'])
    return (await world.core.as(acmeAccount()).ocsp({ text: asked.toString('latin1'), der: () => asked })).der
  }

  async function issuerOf(authority: string): Promise<Issuer> {
    const { issuer } = await loadAuthority(world.it, authority)
    if (!issuer) throw new Error(`${authority} has no certificate`)
    return issuer
  }

  it('an authority that is switched off keeps its responder, and signs nothing else', async () => {
    const id = await newRoot('off')
    await transaction(world.it.db, (db) =>
      withTables<CoreTables>(db)
        .updateTable('authorities')
        .set({ enabled: 0, version: 2 })
        .where('id', '=', id)
        .execute(),
    )
    const answer = await askOcsp(await issuerOf('off'))
    expect(answer.length).toBeGreaterThan(100)
    const profile = await world.save('off', { authority: id })
    const { request } = await order('off.example.org', { profile })
    expect(request).toMatchObject({ status: 'signing', lastError: expect.stringContaining('switched off') })
  })

  it('questions to an authority that has ended store nothing', async () => {
    await newRoot('ended')
    const issuer = await issuerOf('ended')
    const now = world.time.now
    world.time.pass(2 * 86_400_000)
    const before = await tables().selectFrom('sign_requests').select('id').execute()
    for (let i = 0; i < 5; i++) expect(await askOcsp(issuer)).toEqual(ocspError('unauthorized'))
    expect(await tables().selectFrom('sign_requests').select('id').execute()).toHaveLength(before.length)
    await expect(currentCrl(world.it, { authority: 'ended' })).rejects.toMatchObject({ code: 'notFound' })
    world.time.now = now
  })

  it('nothing is issued under a CA certificate that was revoked', async () => {
    const { organizationId } = await world.profile()
    const draft = { name: 'sub', key: 'P-256', subject: 'CN=sub', parent: 'root', validity: 86_400_000 } as const
    const id = await createAuthority(world.it, system('test'), { ...draft, organizationId, ownerId: null })
    const profile = await world.save('sub', { authority: id })
    expect((await order('before.example.org', { profile })).request.status).toBe('signed')
    const { issuer } = await loadAuthority(world.it, id)
    const own = await findCertificate(world.it.db, { serial: issuer?.certificate.serial ?? '', authority: 'root' })
    const rules = { revoke: [{ name: 'anybody', auto: true }] }
    const anybody = await world.save('anybody', { rules })
    await revoke(world.it, acmeAccount(), {
      protocol: 'acme',
      certificate: own?.id ?? 0,
      profile: anybody,
      grounds: 'user',
    })
    await expect(order('after.example.org', { profile })).rejects.toMatchObject({ code: 'unavailable' })
    const alerts = await tables().selectFrom('alerts').select('kind').where('kind', '=', 'authority_revoked').execute()
    expect(alerts).toHaveLength(1)
    expect(await canIssue(world.it)).toBe(true)
  })

  it('a higher CRL number never lists less', async () => {
    const serials: string[] = []
    const crls: { number: bigint; serials: Set<string> }[] = []
    const ids = await Promise.all(
      Array.from({ length: 12 }, async (_, i) => (await order(`crl-${i}.example.org`)).request.id),
    )
    const look = async () => {
      const { der, number } = await currentCrl(world.it, { authority: 'issuing' })
      crls.push({ number, serials: new Set(readCrl(der).entries.map(({ serial }) => serial)) })
    }
    await Promise.all(
      ids.flatMap((id) => [
        look(),
        revoke(world.it, acmeAccount(), { protocol: 'acme', certificate: id, grounds: 'account' }).then(async () => {
          serials.push((await findCertificate(world.it.db, { id }))?.serial ?? '')
          await look()
        }),
      ]),
    )
    await look()
    crls.sort((a, b) => Number(a.number - b.number))
    for (const [i, crl] of crls.entries())
      for (const earlier of crls.slice(0, i))
        for (const serial of earlier.serials) expect(crl.serials).toContain(serial)
    for (const serial of serials) expect(crls.at(-1)?.serials).toContain(serial)
  })

  it.each([
    ['a control character in a rule', { rules: { issue: [{ name: 'a\0b', auto: true }] } }],
    ['a control character in a message', { rules: { issue: [{ name: 'a', deny: 'a\nb' }] } }],
    ['an attribute that there is not', { settings: { certificate: { subject: { FOO: 'x' } } } }],
    ['a country of three letters', { settings: { certificate: { subject: { C: 'ABC' } } } }],
    ['a control character in the subject', { settings: { certificate: { subject: { CN: 'a\0b' } } } }],
  ])('%s is refused when the profile is saved', async (_, change) => {
    await expect(world.save('broken', change)).rejects.toMatchObject({ code: 'malformed' })
  })

  it('a subject that no certificate could carry is badCsr, before anybody is asked', async () => {
    const profile = await world.save('organization', { settings: { certificate: { subject: { O: '{csr.O}' } } } })
    const csr = await newCsr(['o.example.org'], { subject: { O: 'x'.repeat(70) } })
    await expect(order('o.example.org', { profile, csr })).rejects.toMatchObject({ code: 'badCsr' })
  })

  it('trouble that nobody foresaw does not go on for ever, and the failed order is an alert', async () => {
    const id = await newRoot('broken')
    const authority = await loadAuthority(world.it, id)
    // What a fault of a library would look like from here.
    authority.signs.sign = async () => {
      throw new TypeError('a fault')
    }
    const profile = await world.save('faulty', { authority: id })
    const { request } = await order('fault.example.org', { profile })
    for (let i = 0; i < 12; i++) {
      world.time.pass(700_000)
      await resumeSigning(world.it)
    }
    const row = await tables()
      .selectFrom('sign_requests')
      .select('status')
      .where('id', '=', request.id)
      .executeTakeFirst()
    expect(row?.status).toBe('failed')
    const alerts = await tables()
      .selectFrom('alerts')
      .select(['subject_id', 'closed_at'])
      .where('kind', '=', 'order_failed')
      .execute()
    expect(alerts).toEqual([{ subject_id: request.id, closed_at: null }])
  })

  it('a CA with a weak key is not imported', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const signer = signerFor(privateKey)
    const certificate = await issueCertificate(
      {
        type: 'ca',
        identifiers: [],
        subject: [[{ type: 'CN', value: 'weak' }]],
        serial: '0badcafe0badcafe',
        issuer: [[{ type: 'CN', value: 'weak' }]],
        notBefore: new Date(world.time.now.getTime() - 1000),
        notAfter: new Date(world.time.now.getTime() + 86_400_000),
        publicKey: signer.publicKey,
        keyUsage: ['keyCertSign'],
        extendedKeyUsage: [],
        crlUrls: [],
        ocspUrls: [],
        issuerUrls: [],
      },
      signer,
    )
    const pem = pemEncode('CERTIFICATE', certificate) + privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
    const { organizationId } = await world.profile()
    const imported = importAuthority(world.it, system('test'), { name: 'weak', pem, organizationId, ownerId: null })
    await expect(imported).rejects.toMatchObject({ code: 'badKey' })
  })

  it('refusals of one client by one policy are one alert', async () => {
    const profile = await world.save('narrow', { settings: { certificate: { names: { dns: ['.example.net'] } } } })
    for (let i = 0; i < 5; i++) await order(`n${i}.example.org`, { profile }).catch(() => {})
    const alerts = await tables().selectFrom('alerts').select('id').where('kind', '=', 'policy_refusal').execute()
    expect(alerts).toHaveLength(1)
  })

  it('a graver report takes over an open revocation, another wish is told of it', async () => {
    const { request } = await order('grave.example.org')
    const rules = { revoke: [{ name: 'people', require: [{ owner: true }] }] }
    const profile = await world.save('people', { rules })
    const ask = (requester: string, reason: string, grounds: 'account' | 'user') =>
      revoke(world.it, acmeAccount(requester), { protocol: 'x', certificate: request.id, profile, reason, grounds })
    const first = await ask('one', 'certificateHold', 'user')
    await expect(ask('two', 'superseded', 'user')).rejects.toMatchObject({ code: 'conflict' })
    const graver = await ask('two', 'keyCompromise', 'user')
    expect(graver.id).not.toBe(first.id)
    expect(graver).toMatchObject({ status: 'requested', code: 'keyCompromise' })
  })
})

describe.each(databases)('two nodes that start at once on an empty $name', ({ name, open }) => {
  it('make one installation', async () => {
    const { db, close } = await open()
    const secret = Buffer.alloc(32, 7)
    const worlds = await Promise.all([openWorld(db, secret), openWorld(db, secret), openWorld(db, secret)])
    expect(
      worlds.filter(({ setupSecret }) => setupSecret !== ''),
      name,
    ).toHaveLength(1)
    const authorities = await withTables<CoreTables>(db).selectFrom('authorities').select('name').execute()
    expect(authorities.map((row) => row.name).sort()).toEqual(['issuing', 'root'])
    expect(await firstStart(worlds[0].it, { protocols: ['acme'] })).toBeUndefined()
    await close()
  })
})
