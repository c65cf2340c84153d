import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Door } from '../../src/core/core.ts'
import { asRequester } from '../../src/core/identity/identity.ts'
import { databases } from '../helpers/databases.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, type World } from '../helpers/world.ts'

describe.each(databases)('saved views on $name', ({ open }) => {
  let world: World
  let people: People
  let chief: Door
  let alice: Door
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    ;[chief, alice] = [people.as(people.chief), people.as(people.alice)]
  })
  afterAll(() => close())

  const soon = { where: [{ field: 'notAfter', condition: 'inNext', value: 86_400_000 }] }

  it('are kept by name for each list, are their user’s alone, and go', async () => {
    const made = await chief.views.create({ list: 'certificate', name: ' ends soon ', filter: soon })
    expect(made).toMatchObject({ list: 'certificate', name: 'ends soon', filter: soon })
    const failed = { where: [{ field: 'status', condition: 'equals', value: ['failed', 'denied'] }], archived: true }
    await chief.views.create({ list: 'sign', name: 'ends soon', filter: failed })
    expect(await chief.views.list('certificate')).toEqual([made])
    expect((await chief.views.list()).map(({ list }) => list)).toEqual(['certificate', 'sign'])
    expect((await chief.views.list('sign'))[0]?.filter).toEqual(failed)
    await chief.list.searchCertificates({ ...made.filter, page: 1, size: 1 })
    expect(await alice.views.list()).toEqual([])
    await expect(alice.views.remove(made.uuid)).rejects.toMatchObject(failure('notFound'))
    await chief.views.remove(made.uuid)
    await expect(chief.views.remove(made.uuid)).rejects.toMatchObject(failure('notFound'))
    expect(await chief.views.list('certificate')).toEqual([])
    expect(await audited(world, 'view.removed')).toMatchObject([
      { details: { list: 'certificate', name: 'ends soon' } },
    ])
  })

  it('of one name at once there is one', async () => {
    const answers = await Promise.allSettled(
      Array.from({ length: 4 }, () => alice.views.create({ list: 'revoke', name: 'mine', filter: {} })),
    )
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const [refused] = answers.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
    expect(refused).toMatchObject(failure('conflict', /there is a view mine/))
  })

  it.each([
    ['a field of another list', 'sign', { where: [{ field: 'serial', condition: 'equals', value: 'aa' }] }],
    ['a condition that is none', 'sign', { where: [{ field: 'status', condition: 'like', value: 'a' }] }],
    ['a member that is none', 'sign', { where: [], page: 2 }],
    ['a bad expression', 'sign', { where: [{ field: 'subject', condition: 'matches', value: '(' }] }],
    ['no object', 'sign', 'status=issued'],
    ['another list', 'users', {}],
    [
      'too much',
      'sign',
      { where: [{ field: 'subject', condition: 'equals', value: Array(50).fill('x'.repeat(900)) }] },
    ],
  ])('refuse %s', async (_what, list, filter) => {
    await expect(alice.views.create({ list: list as 'sign', name: 'x', filter })).rejects.toMatchObject(
      failure('malformed'),
    )
  })

  it('are taken just where a search by them is', async () => {
    const some = fc.oneof(
      fc.string({ maxLength: 5 }),
      fc.integer(),
      fc.array(fc.string({ maxLength: 3 }), { maxLength: 3 }),
    )
    const filter = fc.record(
      {
        field: fc.constantFrom('status', 'subject', 'notAfter', 'duration', 'no field'),
        condition: fc.constantFrom('equals', 'inNext', 'empty', 'greater', 'matches', 'contains'),
        value: some,
      },
      { requiredKeys: ['field', 'condition'] },
    )
    let taken = 0
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.jsonValue({ maxDepth: 4 }), fc.array(filter, { maxLength: 2 })), async (where) => {
        const draft = { list: 'certificate', name: 'any', filter: { where } } as const
        const made = await alice.views.create(draft).catch((error: unknown) => error)
        const searched = Array.isArray(where)
          ? await chief.list.searchCertificates({ where: where as never, page: 1, size: 1 }).catch(() => undefined)
          : undefined
        if (made instanceof Error) {
          expect(made).toMatchObject(failure('malformed'))
          expect(searched).toBeUndefined()
          return
        }
        taken += 1
        expect(searched).toBeDefined()
        await alice.views.remove((made as { uuid: string }).uuid)
      }),
      { numRuns: 60 },
    )
    expect(taken).toBeGreaterThan(0)
  })

  it.each(['', ' ', 'a\u0000b', 'x'.repeat(101)])('refuse the name %j', async (name) => {
    await expect(alice.views.create({ list: 'sign', name, filter: {} })).rejects.toMatchObject(failure('malformed'))
  })

  it('are at most a hundred', async () => {
    const { views } = people.as(people.root)
    for (let n = 0; n < 100; n++) await views.create({ list: 'sign', name: `view ${n}`, filter: {} })
    await expect(views.create({ list: 'sign', name: 'more', filter: {} })).rejects.toMatchObject(
      failure('malformed', /100/),
    )
  })

  it('are for people, and no token that only reads saves one', async () => {
    await expect(world.core.as(acmeAccount()).views.list()).rejects.toMatchObject(failure('forbidden'))
    const reader = world.core.as({ ...asRequester(people.chief), scope: { capabilities: ['read'], readOnly: true } })
    await expect(reader.views.create({ list: 'sign', name: 'r', filter: {} })).rejects.toMatchObject(
      failure('forbidden'),
    )
    expect((await people.as(people.root).admin.verifyAudit()).problems).toEqual([])
  })
})
