import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pemEncode } from '../../src/pki/pem.ts'
import { type CrlWorld, crlWorld, day } from '../helpers/crlWorld.ts'
import { openSqlite } from '../helpers/databases.ts'
import { createPeople, type People } from '../helpers/people.ts'
import { run } from '../helpers/program.ts'
import { createWorld, type World } from '../helpers/world.ts'

/** By the URL that it names. */
const shardOf = (der: Buffer) => Number(/\/(\d)\.crl/.exec(der.toString('latin1'))?.[1])

/** openssl reads, verifies and uses the CRLs that the core makes. */
describe('openssl and our CRLs', () => {
  let world: World
  let crls: CrlWorld
  let people: People
  let folder: string
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await openSqlite()
    close = opened.close
    world = await createWorld(opened.db)
    crls = crlWorld(world)
    people = await createPeople(world)
    folder = mkdtempSync(join(tmpdir(), 'countersign-crl-'))
    const [issuing, root] = (await people.operator.admin.authority('issuing')).chain
    file('issuing.pem', 'CERTIFICATE', issuing)
    file('root.pem', 'CERTIFICATE', root)
  })
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true })
    await close()
  })

  function file(name: string, label: string, ...ders: (Buffer | undefined)[]): string {
    const path = join(folder, name)
    writeFileSync(path, ders.map((der) => pemEncode(label, der ?? Buffer.alloc(0))).join(''))
    return path
  }
  const path = (name: string) => join(folder, name)
  const crlFile = async (name: string, ref = {}) => file(name, 'X509 CRL', (await crls.crl(ref)).signed.der)

  async function text(name: string, by = 'issuing.pem'): Promise<string> {
    const { code, stdout, stderr } = await run('openssl', [
      'crl',
      '-in',
      path(name),
      '-noout',
      '-text',
      '-CAfile',
      path(by),
    ])
    expect([code, stderr]).toEqual([0, expect.stringContaining('verify OK')])
    return stdout
  }

  /** As a relying party with all CRLs of the chain; the moment is the world's. */
  async function verify(certificate: Buffer, crlNames: string[], ...more: string[]) {
    file('leaf.pem', 'CERTIFICATE', certificate)
    const files = ['-CAfile', path('root.pem'), '-untrusted', path('issuing.pem')]
    const named = ['root.crl', ...crlNames].flatMap((name) => ['-CRLfile', path(name)])
    const moment = ['-attime', String(Math.floor(world.time.now.getTime() / 1000) + 1)]
    const args = ['verify', '-crl_check_all', '-extended_crl', ...moment, ...more, ...files, ...named, path('leaf.pem')]
    const { code, stdout, stderr } = await run('openssl', args)
    return { good: code === 0, said: stdout + stderr }
  }

  it('a full CRL: the reason, the date of compromise, and a chain that is checked all the way', async () => {
    const good = await crls.issue('good.example.org')
    const bad = await crls.issue('bad.example.org')
    const invalidityDate = new Date('2026-01-02T03:04:05Z')
    world.time.now = new Date(Math.max(world.time.now.getTime(), invalidityDate.getTime() + day))
    await crls.revoke(bad, { reason: 'keyCompromise', invalidityDate })
    await crlFile('root.crl', { authority: 'root' })
    await crlFile('full.crl')
    const shown = await text('full.crl')
    expect(shown).toMatch(/Key Compromise[\s\S]*Invalidity Date[\s\S]*Jan {2}2 03:04:05 2026 GMT/)
    expect(shown).not.toContain('Issuing Distribution Point')
    expect(await text('root.crl', 'root.pem')).toContain('No Revoked Certificates')
    expect(await verify(good.der, ['full.crl'])).toMatchObject({ good: true })
    const refused = await verify(bad.der, ['full.crl'])
    expect(refused.good).toBe(false)
    expect(refused.said).toContain('certificate revoked')
  })

  it('shards: each certificate is checked by the CRL that it names, and by no other', async () => {
    await crls.settings({ crlShards: 3 })
    const byShard = new Map<number, { good: Buffer; bad: Buffer }>()
    for (let n = 0; byShard.size < 3 && n < 200; n++) {
      const [good, bad] = [await crls.issue(`good-${n}.example.org`), await crls.issue(`bad-${n}.example.org`)]
      if (shardOf(good.der) !== shardOf(bad.der) || byShard.has(shardOf(good.der))) continue
      await crls.revoke(bad, { reason: 'superseded' })
      byShard.set(shardOf(good.der), { good: good.der, bad: bad.der })
    }
    for (const shard of byShard.keys()) await crlFile(`${shard}.crl`, { shard })
    for (const [shard, { good, bad }] of byShard) {
      expect(await text(`${shard}.crl`)).toMatch(
        new RegExp(
          `Issuing Distribution Point: critical\\n\\s+Full Name:\\n\\s+URI:http://ca.test/crl/issuing/\\d+/${shard}.crl`,
        ),
      )
      expect(await verify(good, [`${shard}.crl`])).toMatchObject({ good: true })
      expect((await verify(bad, [`${shard}.crl`])).said).toContain('certificate revoked')
      // Another shard says nothing of it.
      const other = await verify(good, [`${(shard + 1) % 3}.crl`])
      expect(other.good).toBe(false)
      expect(other.said).toMatch(/different CRL scope|unable to get certificate CRL/)
    }
  })

  it('a delta: what it adds is revoked, what it lifts is good again', async () => {
    await crls.settings({ crlDelta: '1h', crlShards: 3 })
    const late = await crls.issue('late.example.org')
    const held = await crls.issue('held.example.org')
    await crls.revoke(held, { reason: 'certificateHold' })
    // So that the hold is in a base, and the base is no older than the certificates.
    for (const n of [0, 1, 2]) await crls.crl({ shard: n })
    world.time.pass(10 * day)
    await crlFile('root.crl', { authority: 'root' })
    for (const n of [0, 1, 2]) await crlFile(`base-${n}.crl`, { shard: n })
    expect((await verify(late.der, [`base-${shardOf(late.der)}.crl`])).good).toBe(true)
    expect((await verify(held.der, [`base-${shardOf(held.der)}.crl`])).said).toContain('certificate revoked')
    world.time.pass(60_000)
    await crls.revoke(late, { reason: 'cessationOfOperation' })
    await people.as(people.root).unhold({ protocol: 'cli', certificate: held.id })
    for (const n of [0, 1, 2]) await crlFile(`delta-${n}.crl`, { shard: n, delta: true })
    expect(await text(`delta-${shardOf(held.der)}.crl`)).toMatch(/Delta CRL Indicator: critical[\s\S]*Remove From CRL/)
    const using = (der: Buffer) => verify(der, [`base-${shardOf(der)}.crl`, `delta-${shardOf(der)}.crl`], '-use_deltas')
    expect((await using(late.der)).said).toContain('certificate revoked')
    expect(await using(held.der)).toMatchObject({ good: true })
    // Who does not ask for deltas goes on with the base.
    expect((await verify(late.der, [`base-${shardOf(late.der)}.crl`, `delta-${shardOf(late.der)}.crl`])).good).toBe(
      true,
    )
  })
})
