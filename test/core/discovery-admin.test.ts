import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DiscoveryReach, Look } from '../../src/core/discovery/discoveryReach.ts'
import { runDiscoveries } from '../../src/core/discovery/discoveryRun.ts'
import { asRequester } from '../../src/core/identity/identity.ts'
import type { Installation } from '../../src/core/installation.ts'
import { databases } from '../helpers/databases.ts'
import { foreignCa } from '../helpers/foreignCa.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { createWorld, type World } from '../helpers/world.ts'

const hour = 3_600_000

/** Answers each server by a function, and remembers which were looked at. */
function scripted(answer: (text: string) => Promise<Look> | Look) {
  const asked: string[] = []
  let stopped = false
  const reach: DiscoveryReach = {
    async server(host, port) {
      asked.push(`${host}:${port}`)
      return answer(`${host}:${port}`)
    },
    files: async () => [],
    get stopped() {
      return stopped
    },
    stop: () => {
      stopped = true
    },
  }
  return { reach, asked }
}

const nobody: Look = { outcome: 'unreachable', detail: 'no answer' }

describe.each(databases)('who may have certificates looked for, and when, on $name', ({ name: dialect, open }) => {
  let world: World
  let people: People
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
  })
  afterAll(() => close())

  const of = (user = people.chief) => people.as(user).discovery
  let names = 0
  const draft = (more = {}) => ({ name: `discovery ${++names}`, targets: ['www.example.org'], ...more })
  const node = (name: string): Installation => ({ ...world.it, node: name })
  const run = (reach: DiscoveryReach, it = world.it) => runDiscoveries(it, reach)

  test('it needs manage over the organization, and another organization sees nothing of it', async () => {
    const { alice, stranger, root } = people
    const { uuid } = await of().add(draft())
    const calls = (user: People['chief']) => [
      () => of(user).read(uuid),
      () => of(user).change(uuid, { enabled: false }),
      () => of(user).run(uuid),
      () => of(user).places(uuid),
      () => of(user).remove(uuid),
    ]
    for (const call of calls(alice)) await expect(call()).rejects.toMatchObject(failure('forbidden'))
    for (const call of calls(stranger)) await expect(call()).rejects.toMatchObject(failure('notFound'))
    await expect(of(alice).list()).rejects.toMatchObject(failure('forbidden'))
    await expect(of(alice).add(draft())).rejects.toMatchObject(failure('forbidden'))
    await expect(of(alice).look(['www.example.org'])).rejects.toMatchObject({ name: 'Failure' })
    expect(await of(stranger).list()).toEqual([])
    await expect(of(stranger).list('default')).rejects.toMatchObject(failure('notFound'))
    await expect(of(stranger).add(draft(), 'default')).rejects.toMatchObject(failure('notFound'))
    expect((await of(root).list('default')).map((one) => one.uuid)).toContain(uuid)
    await people.give(alice, 'manage', { profileId: (await world.profile()).id })
    await expect(of(alice).list()).rejects.toMatchObject(failure('forbidden'))
    await people.give(alice, 'manage')
    expect((await of(alice).list()).map((one) => one.uuid)).toContain(uuid)
    await of(alice).remove(uuid)
    await expect(of().read(uuid)).rejects.toMatchObject(failure('notFound'))
  })

  test('a token that only reads connects to nobody', async () => {
    const { reach, asked } = scripted(() => nobody)
    const requester = { ...asRequester(people.chief), scope: { readOnly: true, capabilities: ['manage'] } } as const
    const it = { ...world.it, discovery: reach }
    const { createCore } = await import('../../src/core/door.ts')
    const door = createCore(it, () => {}).as(requester as never).discovery
    await expect(door.look(['www.example.org'])).rejects.toMatchObject(failure('forbidden'))
    await expect(door.add(draft())).rejects.toMatchObject(failure('forbidden'))
    expect(asked).toEqual([])
  })

  test.each([
    [{ name: '' }, /name/],
    [{ targets: [] }, /targets/],
    [{ targets: ['10.0.0.0/8'] }, /2\^16/],
    [{ targets: ['https://www.example.org'] }, /target/],
    [{ targets: Array.from({ length: 101 }, (_, at) => `h${at}.test`) }, /targets/],
    [{ intervalHours: 0 }, /intervalHours/],
    [{ intervalHours: 9000 }, /intervalHours/],
    [{ owner: 'stranger' }, /owner/],
    [{ owner: 'nobody-of-that-name' }, /owner/],
    [{ more: 1 }, /more/],
  ])('%j is refused', async (more, detail) => {
    await expect(of().add({ ...draft(), ...more } as never)).rejects.toMatchObject(failure('malformed', detail))
  })

  test('no two of a name, and not more than a hundred', async () => {
    const { uuid, name } = await of().add(draft({ owner: 'alice' }))
    expect(await of().read(uuid)).toMatchObject({ owner: { name: 'alice' } })
    await expect(of().add(draft({ name }))).rejects.toMatchObject(failure('conflict', /already/))
    const other = await of().add(draft())
    await expect(of().change(other.uuid, { name })).rejects.toMatchObject(failure('conflict', /already/))
    const { stranger } = people
    for (let count = 0; count < 100; count++) await of(stranger).add(draft())
    await expect(of(stranger).add(draft())).rejects.toMatchObject(failure('conflict', /at most 100/))
  })

  test('without an interval it runs when it is asked to, and not twice at a time', async () => {
    const { reach, asked } = scripted(() => nobody)
    const { uuid } = await of().add(draft({ targets: ['once.test'] }))
    await run(reach)
    expect(asked).toEqual([])
    expect((await of().run(uuid)).run).toMatchObject({ running: true, looked: 0, places: 1 })
    await expect(of().run(uuid)).rejects.toMatchObject(failure('conflict', /running/))
    await run(reach)
    expect(asked).toEqual(['once.test:443'])
    expect((await of().read(uuid)).run).toMatchObject({ running: false, unreachable: 1 })
    expect(await audited(world, 'discovery.run_asked')).toHaveLength(1)
  })

  test('with one it runs again and again, until it is switched off', async () => {
    const { reach, asked } = scripted(() => nobody)
    const { uuid } = await of().add(draft({ targets: ['often.test'], intervalHours: 2 }))
    await run(reach)
    world.time.pass(hour)
    await run(reach)
    expect(asked).toHaveLength(1)
    world.time.pass(hour)
    await run(reach)
    expect(asked).toHaveLength(2)
    await of().change(uuid, { enabled: false })
    world.time.pass(10 * hour)
    await run(reach)
    expect(asked).toHaveLength(2)
    expect((await of().read(uuid)).nextAt).toBeUndefined()
  })

  test('those that run take turns', async () => {
    const { reach, asked } = scripted((text) => {
      // Longer than one call goes on.
      if (text.startsWith('10.')) world.time.pass(1_000)
      return nobody
    })
    await of().add(draft({ targets: ['10.0.0.0/22'], intervalHours: 8000 }))
    const { uuid } = await of().add(draft({ targets: ['small.test'], intervalHours: 8000 }))
    await run(reach)
    await run(reach)
    expect((await of().read(uuid)).run).toMatchObject({ running: false, looked: 1 })
    expect(asked.length).toBeLessThan(200)
    for (const one of await of().list()) await of().remove(one.uuid)
  })

  test('what was cut off goes on where it was, and a node that comes late stores nothing', async () => {
    const ca = await foreignCa(world.time.now)
    const { der } = await ca.issue()
    let release = (_look: Look) => {}
    const late = new Promise<Look>((resolve) => (release = resolve))
    const slow = scripted((text) => (text === 'h40.test:443' ? late : nobody))
    const quick = scripted((text) => (text === 'h40.test:443' ? { outcome: 'found', certificates: [der] } : nobody))
    const targets = Array.from({ length: 50 }, (_, at) => `h${at}.test`)
    const { uuid } = await of().add(draft({ targets }))
    await of().run(uuid)
    const first = runDiscoveries(node('first'), slow.reach)
    await expect.poll(() => slow.asked.length).toBe(50)
    expect((await of().read(uuid)).run).toMatchObject({ running: true, looked: 32 })
    await run(quick.reach, node('second'))
    // On SQLite there is no other node: who held it is gone. Elsewhere he may be there still.
    expect(quick.asked).toHaveLength(dialect === 'sqlite' ? 18 : 0)
    world.time.pass(200_000)
    await run(quick.reach, node('second'))
    expect(quick.asked).toEqual(targets.slice(32).map((host) => `${host}:443`))
    const done = { running: false, looked: 50, found: 1, newCertificates: 1, unreachable: 49 }
    expect((await of().read(uuid)).run).toMatchObject(done)
    release({ outcome: 'found', certificates: [(await ca.issue()).der] })
    await first
    expect((await of().read(uuid)).run).toMatchObject(done)
    expect((await of().places(uuid, { limit: 200 })).places.filter(({ outcome }) => outcome === 'found')).toHaveLength(
      1,
    )
  })

  test('other targets end the run under way', async () => {
    let release = (_look: Look) => {}
    const late = new Promise<Look>((resolve) => (release = resolve))
    const slow = scripted(() => late)
    const { uuid } = await of().add(draft({ targets: ['old.test'] }))
    await of().run(uuid)
    const running = run(slow.reach)
    await expect.poll(() => slow.asked.length).toBe(1)
    expect(await of().change(uuid, { targets: ['new.test'] })).toMatchObject({ targets: ['new.test'] })
    release(nobody)
    await running
    expect((await of().read(uuid)).run).toMatchObject({ running: false, looked: 0 })
    expect((await of().places(uuid)).places).toEqual([])
    await of().run(uuid)
    const quick = scripted(() => nobody)
    await run(quick.reach)
    expect((await of().places(uuid)).places.map(({ place }) => place)).toEqual(['new.test:443'])
  })

  test('what was looked at when the process ended is looked at again', async () => {
    const { reach } = scripted((): Look => {
      reach.stop()
      return { outcome: 'unreachable', detail: 'the look was broken off' }
    })
    const { uuid } = await of().add(draft({ targets: ['again.test'] }))
    await of().run(uuid)
    await run(reach)
    expect((await of().read(uuid)).run).toMatchObject({ running: true, looked: 0 })
    await run(scripted(() => nobody).reach, node('another'))
    expect((await of().read(uuid)).run).toMatchObject({ running: false, looked: 1, unreachable: 1 })
  })

  test('places come in pages', async () => {
    const targets = Array.from({ length: 7 }, (_, at) => `p${at}.test`)
    const { uuid } = await of().add(draft({ targets }))
    await of().run(uuid)
    await run(scripted(() => nobody).reach)
    const first = await of().places(uuid, { limit: 4 })
    const second = await of().places(uuid, { limit: 4, after: first.next ?? 0 })
    expect([...first.places, ...second.places].map(({ place }) => place)).toEqual(targets.map((host) => `${host}:443`))
    expect(second.next).toBeUndefined()
  })

  test('nothing is looked for where nothing is composed that could', async () => {
    await expect(of().look(['www.example.org'])).rejects.toMatchObject(failure('unsupported'))
  })
})
