import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { databases } from '../helpers/databases.ts'
import { createPeople, failure, type People } from '../helpers/people.ts'
import { createWorld, type World } from '../helpers/world.ts'

describe.each(databases)('a file that cannot be applied, on $name', ({ open }) => {
  let world: World
  let people: People
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    await door().apply(`
attributes: [{ name: cost centre, label: Cost centre, contentType: string }]
locations: [{ name: proxy, kind: folder, settings: { path: proxies/one } }]
`)
  })
  afterAll(() => close())

  const door = () => people.as(people.chief).configuration
  /** Whatever is stored leaves a trail. */
  const state = async () => {
    const query = withTables<CoreTables>(world.it.db).selectFrom('audit_events').select('id').orderBy('id', 'desc')
    return (await query.limit(1).executeTakeFirst())?.id
  }

  test('of which one part is refused is refused, with the line of every part, and leaves nothing', async () => {
    const before = await state()
    const bad = `users:
  - name: dave
groups:
  - name: fine
    members: [dave]
  - name: broken
    members: [nobody]
profiles:
  - name: bad
    authority: issuing
    rules:
      issue:
        - name: first
          auto: true
        - name: second
          when: "identifiers.size( > 3"
          auto: true
  - name: bad2
    authority: none
`
    for (const dryRun of [true, false]) {
      const refused = await door()
        .apply(bad, { dryRun })
        .then(
          () => expect.fail('it was taken'),
          (error) => error,
        )
      expect(refused).toMatchObject({ name: 'Failure', code: 'malformed' })
      expect(refused.problems.map(({ detail }: { detail: string }) => detail)).toEqual([
        'line 6: groups, broken: there is no user nobody in the organization default',
        expect.stringMatching(/^line 16: profiles, bad: issue\[1\]\.when: /),
        'line 18: profiles, bad2: there is no authority none',
      ])
    }
    expect(await state()).toEqual(before)
  })

  test.each([
    ['nothing known', 'things: []', /line 1: .*[Uu]nrecognized/],
    ['a password', 'users: [{ name: x, password: secret }]', /password/],
    ['a list where a map is', '- users', /expected object/],
    ['a name twice', 'users: [{ name: x }, { name: X }]', /users\.1\.name: X stands here twice/],
    ['a key twice', 'users: []\nusers: []', /line 2: Map keys must be unique/],
    ['broken YAML', 'users: [', /line 1: /],
    ['two documents', 'users: []\n---\nusers: []', /one YAML document/],
    ['deep lists', `users: ${'['.repeat(5000)}${']'.repeat(5000)}`, /deeper/],
    ['deep lists in one line', `${'- '.repeat(5000)}x`, /deeper/],
    ['deep JSON', `{"users":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, /deeper/],
    ['a bomb of aliases', bomb(), /aliases|deeper/],
    ['profiles that are pruned', 'prune: { profiles: true }', /prune/],
    [
      'another type of an attribute',
      'attributes: [{ name: cost centre, label: x, contentType: integer }]',
      /remove it first/,
    ],
    [
      'another kind of a location',
      'locations: [{ name: proxy, kind: webhook, settings: { url: "https://a.test/" } }]',
      /which stays/,
    ],
    ['a bad authority', 'authorities: [{ name: new, create: { subject: "CN", validity: 1y } }]', /new/],
    ['an authority without its making', 'authorities: [{ name: new }]', /with `create`/],
    ['another organization’s profile', 'organization: elsewhere', /no organization elsewhere/],
  ])('refuses %s', async (_what, text, said) => {
    const before = await state()
    await expect(door().apply(text)).rejects.toMatchObject({ name: 'Failure', detail: expect.stringMatching(said) })
    expect(await state()).toEqual(before)
  })

  test('refuses what is too long to read', async () => {
    await expect(door().apply(`# ${'x'.repeat(2 ** 23)}`)).rejects.toMatchObject(failure('tooLarge', /8 MiB/))
    await expect(door().apply('- \n'.repeat(200_000))).rejects.toMatchObject(failure('tooLarge', /as JSON/))
    const wide = Array.from({ length: 6_000 }, (_, index) => `k${index}: x`).join('\n')
    await expect(door().apply(wide)).rejects.toMatchObject(failure('tooLarge', /2000 keys/))
  })
})

function bomb(): string {
  const lines = ['a: &a0 [x, x, x, x, x, x, x, x, x, x]']
  for (let level = 1; level < 9; level++)
    lines.push(
      `b${level}: &a${level} [${Array(10)
        .fill(`*a${level - 1}`)
        .join(', ')}]`,
    )
  return lines.join('\n')
}
