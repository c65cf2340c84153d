import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Certificate } from '../../src/core/certificate.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { type CrlWorld, crlWorld, day } from '../helpers/crlWorld.ts'
import { openSqlite } from '../helpers/databases.ts'
import { createPeople, type People } from '../helpers/people.ts'
import { run } from '../helpers/program.ts'
import { createWorld, type World } from '../helpers/world.ts'

/** A relying party with openssl, certificates of `issuing`, and the CRL of `lists`, to which `issuing` hands over. */
describe('openssl and our indirect CRLs', () => {
  let world: World
  let crls: CrlWorld
  let people: People
  let folder: string
  let close: () => Promise<void>
  let before: Certificate
  beforeAll(async () => {
    const opened = await openSqlite()
    close = opened.close
    world = await createWorld(opened.db)
    crls = crlWorld(world)
    people = await createPeople(world)
    folder = mkdtempSync(join(tmpdir(), 'countersign-indirect-'))
    const { admin } = people.as(people.root)
    const draft = { subject: 'CN=Lists,O=Example', key: 'P-256', parent: 'root', validity: 30 * 365 * day } as const
    await admin.createAuthority({ name: 'lists', ...draft })
    before = await crls.issue('before.example.org')
    await admin.changeAuthority('issuing', { settings: { crlIssuer: 'lists' } })
    const [issuing, root] = (await admin.authority('issuing')).chain
    const [lists] = (await admin.authority('lists')).chain
    file('root.pem', 'CERTIFICATE', root)
    file('lists.pem', 'CERTIFICATE', lists)
    file('untrusted.pem', 'CERTIFICATE', issuing, lists)
    file('alone.pem', 'CERTIFICATE', issuing)
  })
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true })
    await close()
  })

  function file(name: string, label: string, ...ders: (Buffer | undefined)[]): void {
    writeFileSync(join(folder, name), ders.map((der) => pemEncode(label, der ?? Buffer.alloc(0))).join(''))
  }
  const crlFile = async (name: string, ref = {}) => file(name, 'X509 CRL', (await crls.crl(ref)).signed.der)
  const indirect = async (more: { delta?: boolean } = {}) => ({
    authority: 'lists',
    issuer: await crls.issuerId('lists'),
    indirect: true,
    ...more,
  })

  async function openssl(...args: string[]) {
    const { code, stdout, stderr } = await run('openssl', args)
    return { good: code === 0, said: stdout + stderr }
  }

  async function verify(
    { der }: Certificate,
    {
      names,
      check = '-crl_check',
      untrusted = 'untrusted.pem',
    }: { names: string[]; check?: string; untrusted?: string },
    ...more: string[]
  ) {
    file('leaf.pem', 'CERTIFICATE', der)
    const moment = ['-attime', String(Math.floor(world.time.now.getTime() / 1000) + 1)]
    const files = ['-CAfile', join(folder, 'root.pem'), '-untrusted', join(folder, untrusted)]
    const given = names.flatMap((name) => ['-CRLfile', join(folder, name)])
    return openssl('verify', check, '-extended_crl', ...moment, ...more, ...files, ...given, join(folder, 'leaf.pem'))
  }

  it('accepts the good certificate and refuses the revoked one, of another issuer than the CRL', async () => {
    const [good, bad] = [await crls.issue('good.example.org'), await crls.issue('bad.example.org')]
    await crls.revoke(bad, { reason: 'keyCompromise' })
    await crlFile('indirect.crl', await indirect())
    // As a relying party must that has the path of the CRL's issuer checked too.
    await crlFile('root.crl', { authority: 'root' })
    expect(await verify(good, { names: ['root.crl', 'indirect.crl'] })).toMatchObject({ good: true })
    expect(await verify(good, { names: ['root.crl', 'indirect.crl'], check: '-crl_check_all' })).toMatchObject({
      good: true,
    })
    for (const check of ['-crl_check', '-crl_check_all']) {
      const refused = await verify(bad, { names: ['root.crl', 'indirect.crl'], check })
      expect(refused.good).toBe(false)
      expect(refused.said).toContain('certificate revoked')
    }
  })

  it('shows what it is and whose the entries are', async () => {
    const path = join(folder, 'indirect.crl')
    const shown = await openssl('crl', '-in', path, '-noout', '-text', '-CAfile', join(folder, 'lists.pem'))
    expect(shown.said).toContain('verify OK')
    expect(shown.said).toMatch(
      /Issuing Distribution Point: critical\n\s+Full Name:\n\s+URI:http:\/\/ca\.test\/crl\/lists\/\d+\/indirect\.crl\s+Indirect CRL/,
    )
    expect(shown.said).toMatch(/Certificate Issuer: critical\n\s+DirName:.*CN ?= ?.*Issuing/i)
    expect(shown.said).toMatch(/Issuer: .*CN ?= ?Lists/)
    const leaf = await openssl('x509', '-in', join(folder, 'leaf.pem'), '-noout', '-text')
    expect(leaf.said).toMatch(/indirect\.crl\n?\s*CRL Issuer:\n\s+DirName:.*CN ?= ?Lists/)
  })

  it('needs the certificate of who signs it, and no other CRL does for it', async () => {
    const good = await crls.issue('again.example.org')
    await crlFile('own.crl')
    await crlFile('lists.crl', { authority: 'lists' })
    expect((await verify(good, { names: ['root.crl', 'indirect.crl'], untrusted: 'alone.pem' })).good).toBe(false)
    for (const name of ['own.crl', 'lists.crl']) {
      const other = await verify(good, { names: ['root.crl', name] })
      expect(other.good).toBe(false)
      expect(other.said).toMatch(/different CRL scope|unable to get certificate CRL/)
    }
  })

  it('what was issued before the hand-over is checked by the list of its issuer', async () => {
    expect(await verify(before, { names: ['root.crl', 'own.crl'] })).toMatchObject({ good: true })
    expect((await verify(before, { names: ['root.crl', 'indirect.crl'] })).good).toBe(false)
    await crls.revoke(before, { reason: 'superseded' })
    await crlFile('own.crl')
    expect((await verify(before, { names: ['root.crl', 'own.crl'] })).said).toContain('certificate revoked')
  })

  it('with deltas: what they add is revoked, what they lift is good again', async () => {
    await people.as(people.root).admin.changeAuthority('lists', { settings: { crlDelta: '1h' } })
    const [late, held] = [await crls.issue('late.example.org'), await crls.issue('held.example.org')]
    await crls.revoke(held, { reason: 'certificateHold' })
    await crls.crl(await indirect())
    world.time.pass(10 * day)
    await crlFile('root.crl', { authority: 'root' })
    await crlFile('base.crl', await indirect())
    world.time.pass(60_000)
    await crls.revoke(late, { reason: 'cessationOfOperation' })
    await people.as(people.root).unhold({ protocol: 'cli', certificate: held.id })
    await crlFile('delta.crl', await indirect({ delta: true }))
    const names = ['root.crl', 'base.crl', 'delta.crl']
    expect((await verify(late, { names: ['root.crl', 'base.crl'] })).good).toBe(true)
    expect((await verify(held, { names: ['root.crl', 'base.crl'] })).said).toContain('certificate revoked')
    expect((await verify(late, { names }, '-use_deltas')).said).toContain('certificate revoked')
    expect(await verify(held, { names }, '-use_deltas')).toMatchObject({ good: true })
  })
})
