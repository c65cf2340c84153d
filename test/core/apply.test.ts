import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import type { ApplyReport } from '../../src/core/apply/apply.ts'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import { system } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { databases } from '../helpers/databases.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, type World } from '../helpers/world.ts'

const whole = `
users:
  - name: Bob
    grants: [{ capability: read, profile: web }]
  - { name: carol, admin: true }
roles:
  - name: approvers
    members: [bob, alice]
    grants:
      - { capability: approve, profile: web }
      - { capability: approve, authority: issuing }
groups:
  - { name: ops, description: who is called, members: [bob] }
authorities:
  - name: issuing
    owner: carol
profiles:
  - name: web
    authority: issuing
    settings: { certificate: { validity: { default: 30d, max: 90d } } }
    protocols: { acme: {} }
    rules:
      issue: [{ name: looked at, require: [{ roles: [approvers] }] }]
attributes:
  - { name: cost centre, label: Cost centre, contentType: string, constraints: { regExp: "[0-9]+" } }
locations:
  - { name: proxy, kind: folder, description: the proxies, settings: { path: proxies/one } }
`

describe.each(databases)('a file that is applied, on $name', ({ open }) => {
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

  const door = (user = people.chief) => people.as(user).configuration
  const done = ({ changes }: ApplyReport) => changes.filter(({ change }) => change !== 'same')
  const names = (report: ApplyReport) => done(report).map(({ kind, name, change }) => `${change} ${kind} ${name}`)
  const count = async (
    table: 'audit_events' | 'users' | 'groups' | 'ra_profiles' | 'authorities' | 'organizations',
  ) => {
    const query = withTables<CoreTables>(world.it.db).selectFrom(table)
    return Number((await query.select((eb) => eb.fn.countAll().as('rows')).executeTakeFirstOrThrow()).rows)
  }
  const state = async () =>
    Promise.all(
      (['audit_events', 'users', 'groups', 'ra_profiles', 'authorities', 'organizations'] as const).map(count),
    )

  test('is shown first, then done at once, and done again changes nothing', async () => {
    const before = await state()
    const shown = await door().apply(whole, { dryRun: true })
    expect(shown.applied).toBe(false)
    expect(await state()).toEqual(before)
    expect(names(shown)).toEqual([
      'create users bob',
      'create users carol',
      'create roles approvers',
      'create groups ops',
      'change authorities issuing',
      'create profiles web',
      'create attributes cost centre',
      'create locations proxy',
    ])
    expect(shown.changes.find(({ kind }) => kind === 'authorities')?.fields).toEqual([
      { field: 'owner', from: 'admin', to: 'carol' },
    ])
    const report = await door().apply(whole, { plan: shown.plan })
    expect(report).toMatchObject({ applied: true, changes: shown.changes, warnings: [] })
    const roles = await people.as(people.chief).identities.roles()
    expect(roles.find(({ name }) => name === 'approvers')).toMatchObject({
      members: ['alice', 'bob'],
      capabilities: { length: 2 },
    })
    expect((await world.profile('web')).settings.certificate.validity.max).toBe(90 * 86_400_000)
    const after = await state()
    const again = await door().apply(whole)
    expect(done(again)).toEqual([])
    expect(again.changes).toHaveLength(8)
    expect(await state()).toEqual(after)
    expect(await audited(world, 'configuration.applied')).toMatchObject([
      { details: { created: 7, changed: 1, deleted: 0 } },
    ])
    await expect(door().apply(whole, { plan: shown.plan })).rejects.toMatchObject(
      failure('conflict', /look at it again/),
    )
  })

  test('tells of each field that changes, and leaves alone what it does not name', async () => {
    const report = await door().apply(`
users: [{ name: bob, enabled: false, grants: [] }]
roles: [{ name: approvers, members: [alice], grants: [{ capability: approve, profile: web }] }]
groups: [{ name: ops, email: ops@example.org }]
profiles:
  - name: web
    authority: issuing
    settings: { certificate: { validity: { default: 30d, max: 60d } } }
attributes: [{ name: cost centre, label: Cost centre, contentType: string, required: true, resources: [groups] }]
locations: [{ name: proxy, kind: folder, description: null, settings: { path: proxies/two } }]
`)
    expect(Object.fromEntries(done(report).map(({ name, fields }) => [name, fields]))).toEqual({
      bob: [
        { field: 'enabled', from: true, to: false },
        { field: 'grants', from: [{ capability: 'read', profile: 'web' }], to: [] },
      ],
      approvers: [
        { field: 'members', from: ['alice', 'bob'], to: ['alice'] },
        {
          field: 'grants',
          from: [
            { capability: 'approve', authority: 'issuing' },
            { capability: 'approve', profile: 'web' },
          ],
          to: [{ capability: 'approve', profile: 'web' }],
        },
      ],
      ops: [{ field: 'email', to: 'ops@example.org' }],
      web: [{ field: 'settings.certificate.validity.max', from: '90d', to: '60d' }],
      'cost centre': [
        { field: 'required', from: false, to: true },
        { field: 'resources', from: ['certificates'], to: ['groups'] },
      ],
      proxy: [
        { field: 'settings.path', from: 'proxies/one', to: 'proxies/two' },
        { field: 'description', from: 'the proxies' },
      ],
    })
    const chief = people.as(people.chief)
    expect((await chief.groups.list()).find(({ name }) => name === 'ops')).toMatchObject({
      description: 'who is called',
      members: ['bob'],
    })
    expect((await chief.identities.roles())[0]?.capabilities).toEqual([
      { capability: 'approve', authority: null, profile: 'web' },
    ])
    expect((await chief.admin.profile('web')).rules.issue).toHaveLength(1)
    expect((await chief.inventory.attributes.list())[0]).toMatchObject({
      required: true,
      constraints: { regExp: '[0-9]+' },
    })
  })

  test('needs an administrator, and each part what it needs alone', async () => {
    for (const user of [people.alice, people.stranger])
      await expect(door(user).apply(`organization: default\n${whole}`)).rejects.toMatchObject({
        code: user === people.alice ? 'forbidden' : 'notFound',
      })
    await expect(world.core.as(acmeAccount()).configuration.apply('users: []')).rejects.toMatchObject(
      failure('forbidden'),
    )
    await expect(door().apply('users: [{ name: mighty, superuser: true }]')).rejects.toMatchObject(
      failure('forbidden', /superuser/),
    )
    await expect(door().apply('organizations: [{ name: mine }]')).rejects.toMatchObject(
      failure('forbidden', /superuser/),
    )
    await expect(door(people.alice).export()).rejects.toMatchObject(failure('forbidden'))
    await expect(door(people.stranger).export('default')).rejects.toMatchObject(failure('notFound'))
  })

  test('deletes what it leaves out only of kinds that it names', async () => {
    await door().apply('groups: [{ name: extra }]\nroles: [{ name: idle }]')
    expect(names(await door().apply('groups: [{ name: ops }]'))).toEqual([])
    const text = 'groups: [{ name: ops }]\nprune: { groups: true }'
    expect(names(await door().apply(text, { dryRun: true }))).toEqual(['delete groups extra'])
    expect(names(await door().apply(text))).toEqual(['delete groups extra'])
    const chief = people.as(people.chief)
    expect((await chief.groups.list()).map(({ name }) => name)).toEqual(['ops'])
    expect((await chief.identities.roles()).map(({ name }) => name)).toContain('idle')
    expect(await audited(world, 'group.deleted')).toHaveLength(1)
  })

  test('at once with another is as if one came after the other', async () => {
    const text = 'groups: [{ name: raced, members: [alice] }]\nusers: [{ name: racer }]'
    const reports = await Promise.all([1, 2, 3].map(() => door().apply(text)))
    expect(reports.map((report) => done(report).length).sort()).toEqual([0, 0, 2])
    expect(await audited(world, 'configuration.applied')).toHaveLength(5)
  })

  test('makes organizations and authorities, when all else has been found good', async () => {
    const root = people.as(people.root).configuration
    const text = `
organization: tenant
organizations: [{ name: tenant }]
users: [{ name: tess, admin: true }]
authorities:
  - { name: tenant-root, owner: tess, create: { subject: "CN=Tenant Root", validity: 10y } }
  - { name: tenant-ca, create: { subject: "CN=Tenant CA", validity: 5y, parent: tenant-root, pathLength: 0 } }
profiles: [{ name: tenant-web, authority: tenant-ca }]
`
    const before = await state()
    await expect(root.apply(`${text}groups: [{ name: bad, members: [none] }]`)).rejects.toMatchObject(
      failure('malformed', /^line 9: groups, bad: there is no user none/),
    )
    const shown = await root.apply(text, { dryRun: true })
    expect(await state()).toEqual(before)
    const report = await root.apply(text, { plan: shown.plan })
    expect(report).toMatchObject({ applied: true, changes: shown.changes })
    const ca = await people.as(await people.named('tess')).admin.authority('tenant-ca')
    expect(ca).toMatchObject({ organization: 'tenant', kind: 'local', chain: { length: 2 } })
    expect((await people.as(people.root).admin.authority('tenant-root')).owner).toBe('tess')
    expect(names(await root.apply(text))).toEqual([])
  })

  test('shows the secret of a webhook once, and not before it is made', async () => {
    const text = 'locations: [{ name: hook, kind: webhook, settings: { url: "https://hook.test/" } }]'
    expect((await door().apply(text, { dryRun: true })).secrets).toEqual([])
    expect((await door().apply(text)).secrets).toMatchObject([{ name: 'hook', secret: expect.any(String) }])
    expect((await door().apply(text)).secrets).toEqual([])
  })

  test('makes webhooks, and changes what they are told', async () => {
    const text = 'webhooks: [{ name: told, url: "https://told.test/", events: [issued, revoked], profiles: [web] }]'
    const made = await door().apply(text)
    expect(made.secrets).toMatchObject([{ kind: 'webhooks', name: 'told', secret: expect.any(String) }])
    expect(names(await door().apply(text.replace('issued, revoked', 'revoked, issued')))).toEqual([])
    const changed = await door().apply('webhooks: [{ name: told, events: [issued], enabled: false }]')
    expect(done(changed)[0]?.fields).toEqual([
      { field: 'events', from: ['issued', 'revoked'], to: ['issued'] },
      { field: 'enabled', from: true, to: false },
    ])
    expect((await people.as(people.chief).webhooks.list())[0]).toMatchObject({
      url: 'https://told.test/',
      events: ['issued'],
    })
    const refused = door().apply('webhooks: [{ name: told, decidesAs: robot }]')
    await expect(refused).rejects.toMatchObject(failure('malformed', /does not change/))
  })

  test('is what an export makes, and then changes nothing', async () => {
    for (const configuration of [door(), world.core.as(system('cli')).configuration]) {
      const document = await configuration.export()
      expect(document).toMatchObject({ organization: 'default', users: { length: 6 }, profiles: expect.any(Array) })
      for (const text of [stringify(document), JSON.stringify(document)])
        expect(names(await configuration.apply(text))).toEqual([])
    }
  })

  test('leaves a trail that can be verified', async () => {
    expect((await verifyAudit(world.it.db, world.it.auditSecret)).problems).toEqual([])
  })
})
