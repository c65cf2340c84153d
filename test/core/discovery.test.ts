import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import type { DiscoveryReach } from '../../src/core/discovery/discoveryReach.ts'
import { runDiscoveries } from '../../src/core/discovery/discoveryRun.ts'
import { storeForeign } from '../../src/core/inventory/foreignCertificate.ts'
import { system } from '../../src/core/requester.ts'
import { certificateFacts } from '../../src/pki/certificateFacts.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { discoveryReach } from '../../src/reach/discoveryReach.ts'
import { databases } from '../helpers/databases.ts'
import { type ForeignCa, foreignCa } from '../helpers/foreignCa.ts'
import { createInventoryWorld, type InventoryWorld } from '../helpers/inventoryWorld.ts'
import { audited, failure } from '../helpers/people.ts'
import { plainHandshake, rawPlace, type TlsPlace, tlsPlace } from '../helpers/tlsPlaces.ts'

const hour = 3_600_000
const day = 24 * hour

describe.each(databases)('discoveries, on $name', ({ open }) => {
  let kept: InventoryWorld
  let close: () => Promise<void>
  let root: string
  let ca: ForeignCa
  let reach: DiscoveryReach
  const opened: TlsPlace[] = []
  beforeAll(async () => {
    const database = await open()
    close = database.close
    kept = await createInventoryWorld(database.db)
    root = mkdtempSync(join(tmpdir(), 'countersign-discovery-'))
    reach = discoveryReach({ networks: 'loopback', folder: root, connectTimeout: 2_000, handshakeTimeout: 2_000 })
    kept.world.it.discovery = reach
    ca = await foreignCa(kept.world.time.now)
  })
  afterEach(async () => {
    for (const place of opened.splice(0)) await place.close()
  })
  afterAll(async () => {
    await close()
    rmSync(root, { recursive: true, force: true })
  })

  const of = (user = kept.people.chief) => kept.people.as(user).discovery
  let names = 0
  const name = () => `discovery ${++names}`
  const run = () => runDiscoveries(kept.world.it, reach)
  async function serves(pem: string, key: string = pem): Promise<TlsPlace> {
    const place = await tlsPlace({ cert: pem, key })
    opened.push(place)
    return place
  }
  async function serve(bytes: Buffer): Promise<TlsPlace> {
    const place = await rawPlace((socket) => socket.once('data', () => socket.write(bytes)))
    opened.push(place)
    return place
  }

  test('a run takes in what it finds, and tells where and when it was seen', async () => {
    const { pem } = await ca.issue()
    const place = await serves(pem + ca.certificate, pem)
    const made = await of().add({ name: name(), targets: [place.text, 'localhost:1'], intervalHours: 24 })
    expect(made).toMatchObject({ owner: { name: 'chief' }, intervalHours: 24 })
    expect(made.run).toBeUndefined()
    await run()
    const { run: ran, nextAt } = await of().read(made.uuid)
    const counts = { found: 1, newCertificates: 2, unreachable: 1, refused: 0, unreadable: 0 }
    expect(ran).toEqual({
      running: false,
      startedAt: kept.world.time.now,
      endedAt: kept.world.time.now,
      looked: 2,
      places: 2,
      ...counts,
    })
    expect(nextAt).toEqual(new Date(kept.world.time.now.getTime() + day))
    const { places } = await of().places(made.uuid)
    expect(places).toMatchObject([
      { place: place.text, outcome: 'found', certificates: 2, newCertificates: 2 },
      { place: 'localhost:1', outcome: 'unreachable', detail: 'the connection is refused', certificates: 0 },
    ])
    const events = await audited(kept.world, 'certificate.discovered')
    const found = events.filter(({ details }) => details.place === place.text)
    expect(found.map(({ details }) => details.subject)).toEqual(['CN=somebody', 'CN=Foreign CA'])
    const [leafId = 0, caId = 0] = found.map(({ subject_id }) => Number(subject_id))
    const entry = await kept.of().entry(leafId)
    expect(entry).toMatchObject({
      item: { source: 'discovered', foreign: true },
      compliance: { status: 'not_checked' },
      issuer: caId,
    })
    const seenAt = kept.world.time.now
    const discoveries = [{ uuid: made.uuid, name: made.name }]
    const seen = { place: place.text, firstSeenAt: seenAt, lastSeenAt: seenAt, discoveries }
    expect(await of().sightings(leafId)).toEqual([{ ...seen, position: 0 }])
    expect(await of().sightings(caId)).toEqual([{ ...seen, position: 1 }])
    expect(await audited(kept.world, 'discovery.ran')).toMatchObject([{ details: { places: 2, new: 2, found: 1 } }])
  })

  test('nothing is new the second time, and what was replaced is told', async () => {
    const first = await ca.issue()
    const place = await serves(first.pem)
    const { uuid } = await of().add({ name: name(), targets: [place.text], intervalHours: 24 })
    await run()
    const { port } = place
    const [event] = (await audited(kept.world, 'certificate.discovered')).slice(-1)
    const begun = kept.world.time.now
    kept.world.time.pass(day)
    await run()
    expect((await of().read(uuid)).run).toMatchObject({ found: 1, newCertificates: 0 })
    const id = Number(event?.subject_id)
    expect(await of().sightings(id)).toMatchObject([{ firstSeenAt: begun, lastSeenAt: kept.world.time.now }])
    await opened.pop()?.close()
    const second = await ca.issue()
    const again = await tlsPlace({ cert: second.pem, key: second.pem }, () => {}, port)
    opened.push(again)
    kept.world.time.pass(day)
    await run()
    expect((await of().read(uuid)).run).toMatchObject({ newCertificates: 1 })
    expect(await of().sightings(id)).toMatchObject([{ goneAt: kept.world.time.now }])
  })

  test('one of ours is only marked as seen', async () => {
    const request = await kept.order()
    const der = await kept.of().download(request.id, { format: 'raw', encoding: 'der', chain: 'none' })
    const before = (await audited(kept.world, 'certificate.discovered')).length
    const place = await serve(plainHandshake([der]))
    const looking = await of().add({ name: name(), targets: [place.text] })
    const { places } = await of().look([place.text])
    expect(places).toMatchObject([
      { place: place.text, outcome: 'found', certificates: [{ id: request.id, source: 'managed', isNew: false }] },
    ])
    expect((await kept.of().entry(request.id)).item.source).toBe('managed')
    expect(await of().sightings(request.id)).toMatchObject([{ place: place.text, position: 0 }])
    const { alice } = kept.people
    await of().run(looking.uuid)
    await run()
    expect(await of().sightings(request.id)).toMatchObject([{ discoveries: [{ uuid: looking.uuid }] }])
    // Who may not read discoveries sees the place, and not who looks there.
    expect(await of(alice).sightings(request.id)).toMatchObject([{ place: place.text, discoveries: [] }])
    const sighted = await audited(kept.world, 'certificate.sighted')
    expect(sighted.at(-1)).toMatchObject({ subject_id: request.id, details: { place: place.text } })
    expect(await audited(kept.world, 'certificate.discovered')).toHaveLength(before)
  })

  test('one at many places is one certificate, also in two organizations', async () => {
    const { pem } = await ca.issue()
    const [one, other] = [await serves(pem), await serves(pem)]
    const { uuid } = await of().add({ name: name(), targets: [one.text, other.text], intervalHours: 1 })
    await run()
    expect((await of().read(uuid)).run).toMatchObject({ found: 2, newCertificates: 1 })
    const { stranger } = kept.people
    const { places } = await of(stranger).look([one.text])
    const [found] = places[0]?.certificates ?? []
    expect(found).toMatchObject({ isNew: true, source: 'discovered' })
    expect(await of(stranger).sightings(found?.id ?? 0)).toHaveLength(1)
    await expect(of().sightings(found?.id ?? 0)).rejects.toMatchObject(failure('notFound'))
  })

  test('one that will end soon raises an alert at once', async () => {
    const notAfter = new Date(kept.world.time.now.getTime() + 10 * day)
    const { pem } = await ca.issue({ notAfter })
    const place = await serves(pem)
    const { places } = await of().look([place.text])
    const [found] = places[0]?.certificates ?? []
    const alerts = (await kept.people.as(kept.people.chief).admin.alerts()).filter(
      ({ subject }) => subject === `certificate ${found?.id}`,
    )
    expect(alerts).toMatchObject([{ kind: 'certificate.expiring', detail: expect.stringContaining('ends on') }])
  })

  test('one that a key of ours has signed and that is not on record raises an alert', async () => {
    const old = await foreignCa(kept.world.time.now, { name: 'Old CA' })
    const { admin } = kept.people.as(kept.people.chief)
    await admin.importAuthority({ name: 'old', pem: old.withKey, crl: await old.crl() })
    const { der } = await old.issue()
    // Of an authority of ours there is no entry.
    const place = await serve(plainHandshake([der, old.fields.der]))
    const { places } = await of().look([place.text])
    expect(places).toMatchObject([{ outcome: 'found', certificates: [{ isNew: true }] }])
    const alerts = (await admin.alerts()).filter(({ kind }) => kind === 'certificate.unrecorded')
    expect(alerts).toMatchObject([{ detail: expect.stringContaining('the key of old has signed') }])
    expect(await admin.importCertificate('old', der)).toMatchObject({ status: 'issued', profileId: expect.any(Number) })
  })

  test('what was stored by a look that was cut off then raises its alerts at the next', async () => {
    const old = await foreignCa(kept.world.time.now, { name: 'Cut CA' })
    const { admin } = kept.people.as(kept.people.chief)
    await admin.importAuthority({ name: 'cut', pem: old.withKey, crl: await old.crl() })
    const { der } = await old.issue()
    const { organizationId } = await kept.world.profile()
    const fields = readCertificate(der)
    const storing = { organizationId, fields, facts: certificateFacts(fields), requester: system('discovery') }
    await storeForeign(kept.world.it, { ...storing, source: 'discovered', now: kept.world.time.now })
    const place = await serve(plainHandshake([der]))
    const { places } = await of().look([place.text])
    expect(places).toMatchObject([{ outcome: 'found', certificates: [{ isNew: true }] }])
    const told = (await admin.alerts()).filter(({ detail }) => detail.includes('the key of cut has signed'))
    expect(told).toMatchObject([{ kind: 'certificate.unrecorded' }])
  })

  test('rubbish, and what is too much, are outcomes and no errors', async () => {
    const { der, pem } = await ca.issue()
    const broken = Buffer.from(der)
    broken.fill(0xff, 10, 60)
    const bad = await serve(plainHandshake([Buffer.alloc(500, 0x41)]))
    const half = await serve(plainHandshake([broken, der]))
    const many = await serve(plainHandshake([...Array.from({ length: 200 }, () => der)]))
    const good = await serves(pem)
    const { uuid } = await of().add({
      name: name(),
      targets: [bad.text, half.text, many.text, good.text],
      intervalHours: 1,
    })
    await run()
    expect((await of().read(uuid)).run).toMatchObject({ running: false, found: 3, newCertificates: 1, unreadable: 1 })
    const { places } = await of().places(uuid)
    expect(places).toMatchObject([
      { place: bad.text, outcome: 'unreadable', certificates: 0 },
      { place: half.text, outcome: 'found', certificates: 1, detail: expect.stringContaining('1 of 2 cannot be read') },
      { place: many.text, outcome: 'found', certificates: 1, detail: expect.stringContaining('at most 16') },
      { place: good.text, outcome: 'found', certificates: 1 },
    ])
  })

  test('a network is looked through in batches, and keeps only what answers', async () => {
    const { pem } = await ca.issue()
    const place = await serves(pem)
    const { uuid } = await of().add({ name: name(), targets: [`127.0.0.0/25:${place.port}`], intervalHours: 1 })
    await run()
    const { run: ran } = await of().read(uuid)
    expect(ran).toMatchObject({ looked: 128, places: 128, found: 1, unreachable: 127 })
    expect((await of().places(uuid)).places.map((each) => each.place)).toEqual([place.text])
    await opened.pop()?.close()
    kept.world.time.pass(hour)
    await run()
    expect((await of().places(uuid)).places).toMatchObject([{ place: place.text, outcome: 'unreachable' }])
  })

  test('places that may not be reached are refused and counted', async () => {
    const { uuid } = await of().add({ name: name(), targets: ['192.0.2.0/30', '169.254.169.254'], intervalHours: 1 })
    await run()
    expect((await of().read(uuid)).run).toMatchObject({ refused: 5, found: 0 })
    expect((await of().places(uuid)).places).toMatchObject([
      { place: '169.254.169.254:443', outcome: 'refused', detail: expect.stringContaining('VALIDATION_NETWORKS') },
    ])
  })

  test('files are those of the organization', async () => {
    const { pem } = await ca.issue()
    mkdirSync(join(root, 'default/web'), { recursive: true })
    mkdirSync(join(root, 'elsewhere'), { recursive: true })
    writeFileSync(join(root, 'default/web/site.pem'), pem)
    writeFileSync(join(root, 'elsewhere/theirs.pem'), pemEncode('CERTIFICATE', (await ca.issue()).der))
    const { places } = await of().look(['folder:web', 'folder:theirs.pem'])
    expect(places).toMatchObject([{ place: 'folder:web/site.pem', outcome: 'found', certificates: [{ isNew: true }] }])
    const rest = await of().look(['folder:web', 'folder:theirs.pem'], { from: 1 })
    expect(rest.places).toMatchObject([{ place: 'folder:theirs.pem', outcome: 'unreachable' }])
    expect(rest.next).toBeUndefined()
    for (const target of ['folder:../elsewhere/theirs.pem', 'folder:/etc/ssl/certs'])
      await expect(of().look([target])).rejects.toMatchObject(failure('malformed'))
  })

  test('what somebody found in a file of his own is taken in under the name of a file alone', async () => {
    const { der } = await ca.issue()
    const taken = await of().take({ place: 'file:/srv/www.pem', certificates: [der] })
    expect(taken).toMatchObject({ outcome: 'found', certificates: [{ isNew: true }] })
    for (const place of ['www.example.org:443', '/srv/www.pem', 'file:\u0007'])
      await expect(of().take({ place, certificates: [der] })).rejects.toMatchObject(failure('malformed'))
    const many = Array.from({ length: 17 }, () => der)
    await expect(of().take({ place: 'file:x', certificates: many })).rejects.toMatchObject(failure('malformed'))
    const rubbish = await of().take({ place: 'file:y', certificates: [Buffer.from('rubbish')] })
    expect(rubbish).toMatchObject({ outcome: 'unreadable' })
  })

  test('a discovered certificate vouches for nobody, can be deleted, and is then found anew', async () => {
    const { pem } = await ca.issue()
    const place = await serves(pem)
    const looked = async () => (await of().look([place.text])).places[0]?.certificates[0]
    const found = await looked()
    const door = kept.people.as(kept.people.chief)
    await expect(door.successor({ id: found?.id ?? 0 }, 'renew')).rejects.toMatchObject(failure('unsupported'))
    await expect(door.revoke({ protocol: 'cli', certificate: found?.id ?? 0, grounds: 'user' })).rejects.toMatchObject({
      name: 'Failure',
    })
    await kept.of().remove([found?.id ?? 0])
    await expect(of().sightings(found?.id ?? 0)).rejects.toMatchObject(failure('notFound'))
    const again = await looked()
    expect(again).toMatchObject({ isNew: true })
    expect(again?.id).not.toBe(found?.id)
  })

  test('the chain of the audit trail holds after all of this', async () => {
    const { problems } = await verifyAudit(kept.world.it.db, kept.world.it.auditSecret)
    expect(problems).toEqual([])
  })
})
