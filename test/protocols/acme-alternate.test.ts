import { X509Certificate } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { alternateChains } from '../../src/core/authority/alternateChain.ts'
import { findCertificate } from '../../src/core/certificate.ts'
import { generateKey } from '../../src/core/key.ts'
import { closeDatabase, openDatabase } from '../../src/db/open.ts'
import { fingerprint } from '../../src/pki/certificateReader.ts'
import { nameOf } from '../../src/pki/name.ts'
import { signerFor } from '../../src/pki/signer.ts'
import { useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import { certificateOf, type ForeignRoot, foreignRoot } from '../helpers/crossSigned.ts'
import { databases } from '../helpers/databases.ts'
import { type Issued, issue } from '../helpers/issued.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'

const year = 31_536_000_000
const certificates = (pem: string) =>
  pem.split(/(?<=-----END CERTIFICATE-----\n)/).map((each) => new X509Certificate(each))

describe.each(databases)('alternate chains (RFC 8555 section 7.4.2) on $name', ({ open }) => {
  let url: string
  const acme = useAcme(async () => {
    const opened = await open()
    url = opened.url
    return opened
  })
  let people: People
  let other: ForeignRoot
  beforeAll(async () => {
    people = await createPeople(acme.app.world)
    other = await foreignRoot('Other Root', acme.app.world.time.now)
  })

  const issuing = async () => certificateOf((await people.operator.admin.authority('issuing')).chain[0])
  const links = async ({ client }: Issued, url: string) => {
    const { headers } = await client.post(url)
    return [...(headers.get('link') ?? '').matchAll(/<([^>]+)>;rel="alternate"/g)].map(([, link]) => link ?? '')
  }

  it('wire 39: without further chains there is no such link', async () => {
    const issued = await issue(acme.app, ['plain.localhost'])
    expect(await links(issued, issued.url)).toEqual([])
    expectProblem(await issued.client.post(`${issued.url}/1`), 404, 'malformed')
  })

  it('each chain links to the others, begins with the same certificate and goes up its own way', async () => {
    const { admin } = people.operator
    const cross = await other.cross(await issuing())
    const [view] = await admin.addChain('issuing', cross + other.pem)
    expect(view).toMatchObject({ subjects: ['CN=countersign Issuing CA', 'CN=Other Root'], topIssuer: 'CN=Other Root' })
    const issued = await issue(acme.app, ['cross.localhost'])
    const { client, url } = issued
    expect(await links(issued, url)).toEqual([`${url}/${view?.id}`])
    expect(await links(issued, `${url}/${view?.id}`)).toEqual([url])
    const reply = await client.post(`${url}/${view?.id}`)
    expect(reply.headers.get('content-type')).toBe('application/pem-certificate-chain')
    const [leaf, own, ...rest] = certificates(reply.text)
    expect(rest).toEqual([])
    expect(leaf?.raw.equals(issued.der)).toBe(true)
    expect(own?.issuer).toBe('CN=Other Root')
    expect(own && leaf?.checkIssued(own) && leaf.verify(own.publicKey)).toBe(true)
    const root = new X509Certificate(other.pem)
    expect(own?.checkIssued(root) && own.verify(root.publicKey)).toBe(true)
    const [, usual] = certificates((await client.post(url)).text)
    expect(usual?.issuer).toBe('CN=countersign Root CA')
    const stranger = await acme.app.client()
    expectProblem(await stranger.post(`${url}/${view?.id}`), 404, 'malformed')
    for (const number of ['0', '999', 'x', `0${view?.id}`])
      expectProblem(await client.post(`${url}/${number}`), 404, 'malformed')
    expect(await admin.removeChain('issuing', view?.id ?? 0)).toEqual([])
    expect(await links(issued, url)).toEqual([])
    expect((await audited(acme.app.world, 'authority.chain_added')).length).toBe(1)
    expect((await audited(acme.app.world, 'authority.chain_removed')).length).toBe(1)
  })

  it('another node knows at once of one that was added or removed', async () => {
    const { admin } = people.operator
    const { it: here } = acme.app.world
    const { der } = await issue(acme.app, ['nodes.localhost'])
    const found = await findCertificate(here.db, { fingerprint: fingerprint(der) })
    if (found?.authorityCertificateId === undefined) throw new Error('no certificate')
    const { authorityId, authorityCertificateId } = found
    const db = openDatabase(url)
    const there = async () =>
      (await alternateChains({ ...here, db }, { authorityId, authorityCertificateId })).map(({ id }) => id)
    expect(await there()).toEqual([])
    const [view] = await admin.addChain('issuing', await other.cross(await issuing()))
    expect(await there()).toEqual([view?.id])
    await admin.removeChain('issuing', view?.id ?? 0)
    expect(await there()).toEqual([])
    await closeDatabase(db)
  })

  it('several, of which one that has ended is not offered any more', async () => {
    const { admin } = people.operator
    const notAfter = new Date(acme.app.world.time.now.getTime() + 3_600_000)
    await admin.addChain('issuing', await other.cross(await issuing(), { notAfter }))
    const views = await admin.addChain('issuing', await other.cross(await issuing()))
    const issued = await issue(acme.app, ['several.localhost'])
    const [first, second] = views.map(({ id }) => `${issued.url}/${id}`)
    expect(await links(issued, issued.url)).toEqual([first, second])
    expect(await links(issued, first ?? '')).toEqual([issued.url, second])
    acme.app.world.time.pass(2 * 3_600_000)
    await issued.client.get(issued.client.directory.newNonce ?? '')
    expect(await links(issued, issued.url)).toEqual([second])
    for (const { id } of views) await admin.removeChain('issuing', id)
  })

  describe('a chain is not added', () => {
    it('when it has another key, another subject or another key identifier', async () => {
      const { admin } = people.operator
      const own = await issuing()
      const stranger = signerFor(generateKey('P-256')).publicKey
      const wrong: [string, RegExp][] = [
        [await other.cross(own, { publicKey: stranger }), /key of the authority/],
        [await other.cross(own, { subject: nameOf({ CN: 'Somebody' }) }), /CN=Somebody/],
        [other.pem, /key of the authority/],
      ]
      for (const [pem, detail] of wrong)
        await expect(admin.addChain('issuing', pem)).rejects.toMatchObject(failure('malformed', detail))
    })

    it('when its certificates do not sign each other, are no CAs or have ended', async () => {
      const { admin } = people.operator
      const own = await issuing()
      const third = await foreignRoot('Third Root', acme.app.world.time.now)
      const impostor = await foreignRoot('Other Root', acme.app.world.time.now)
      const ended = { notBefore: new Date(0), notAfter: new Date(year) }
      const leaf = { type: 'server', keyUsage: ['digitalSignature'] } as const
      const wrong = [
        (await other.cross(own)) + third.pem,
        (await other.cross(own)) + impostor.pem,
        await other.cross(own, ended),
        await other.cross(own, leaf),
        '',
        'no PEM',
      ]
      for (const pem of wrong) await expect(admin.addChain('issuing', pem)).rejects.toMatchObject(failure('malformed'))
    })

    it('twice, or beside itself', async () => {
      const { admin } = people.operator
      const { chain } = await admin.authority('issuing')
      const pem = (await other.cross(await issuing())) + other.pem
      const [{ id } = { id: 0 }] = await admin.addChain('issuing', pem)
      await expect(admin.addChain('issuing', pem)).rejects.toMatchObject(failure('conflict'))
      const own = chain.map((der) => new X509Certificate(der).toString()).join('')
      await expect(admin.addChain('issuing', own)).rejects.toMatchObject(failure('conflict'))
      await admin.removeChain('issuing', id)
    })

    it('by who may not manage the authority; another organization does not see it', async () => {
      const pem = await other.cross(await issuing())
      const [alice, stranger] = [people.as(people.alice).admin, people.as(people.stranger).admin]
      await expect(alice.addChain('issuing', pem)).rejects.toMatchObject(failure('forbidden'))
      await expect(stranger.addChain('issuing', pem)).rejects.toMatchObject(failure('notFound'))
      await expect(stranger.chains('issuing')).rejects.toMatchObject(failure('notFound'))
      await expect(people.operator.admin.removeChain('issuing', 999)).rejects.toMatchObject(failure('notFound'))
      const [{ id } = { id: 0 }] = await people.operator.admin.addChain('issuing', pem)
      await expect(alice.removeChain('issuing', id)).rejects.toMatchObject(failure('forbidden'))
      await expect(people.operator.admin.removeChain('root', id)).rejects.toMatchObject(failure('notFound'))
    })
  })
})
