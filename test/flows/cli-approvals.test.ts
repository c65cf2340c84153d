import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CliInstallation, startInstallation } from '../helpers/installation.ts'

const rules = { issue: [{ name: 'two', require: [{ groups: ['eyes'], quorum: 2 }] }] }

let at: CliInstallation
const tokens: Record<string, { token: string }> = {}

beforeAll(async () => {
  at = await startInstallation()
  for (const name of ['admin', 'alice', 'bob', 'carol']) tokens[name] = { token: await at.token(name) }
  const profile = { name: 'grouped', authority: 'issuing', protocols: { acme: {} }, rules }
  const saved = await at.cli('profile set -f -', { ...tokens.admin, input: JSON.stringify(profile) })
  expect(saved).toMatchObject({ code: 0, stderr: expect.stringContaining('nobody is in a group eyes') })
})
afterAll(() => at?.server.stop())

interface Shown {
  status: string
  review: { hash: string; outcome: string; mayApprove: string[] }
}

const show = (id: number) => at.json<Shown>(`request show ${id}`, tokens.admin)
const approve = async (id: number, who: string) =>
  at.cli(`request approve ${id} --hash ${(await show(id)).review.hash}`, tokens[who] ?? {})

describe('groups, delegations and standing approvals, by command', () => {
  test('a group is made, named, listed and changed by an administrator only', async () => {
    expect(await at.cli('group create eyes --email eyes@example.org', tokens.alice)).toMatchObject({ code: 4 })
    expect(await at.cli('group create eyes --email eyes@example.org', tokens.admin)).toMatchObject({ code: 0 })
    for (const name of ['alice', 'bob', 'carol'])
      expect(await at.cli(`group add eyes ${name}`, tokens.admin)).toMatchObject({ code: 0 })
    expect(await at.cli('group remove eyes carol', tokens.admin)).toMatchObject({ code: 0 })
    expect((await at.cli('group ls', tokens.admin)).stdout).toMatch(/eyes .*eyes@example.org +alice, bob/)
    expect(await at.cli('group rm none', tokens.admin)).toMatchObject({
      stderr: expect.stringContaining('no such group'),
    })
  })

  test('a delegate votes for who delegated, and the request says so', async () => {
    const until = new Date(Date.now() + 86_400_000).toISOString()
    const made = `delegation create carol --until ${until} --profile grouped`
    expect(await at.cli(made)).toMatchObject({ stderr: expect.stringContaining('only a person delegates votes') })
    const { uuid } = await at.json<{ uuid: string }>(made, tokens.bob)
    const id = await at.order('grouped', 'delegated.test')
    expect((await show(id)).review.mayApprove).toEqual(['alice', 'bob', 'carol'])
    expect(await approve(id, 'carol')).toMatchObject({ code: 0 })
    expect((await at.cli(`request show ${id}`, tokens.admin)).stdout).toContain('carol for bob: approve')
    expect(await approve(id, 'bob')).toMatchObject({ stderr: expect.stringContaining('this voice was given') })
    expect(await approve(id, 'alice')).toMatchObject({ code: 0 })
    expect(await show(id)).toMatchObject({ status: 'signed' })
    expect((await at.cli('delegation list', tokens.carol)).stdout).toContain(uuid)
    expect(await at.cli(`delegation end ${uuid}`, tokens.carol)).toMatchObject({ code: 4 })
    expect(await at.cli(`delegation end ${uuid}`, tokens.bob)).toMatchObject({ code: 0 })
  })

  test('a standing approval lets orders pass when enough have confirmed it', async () => {
    const until = new Date(Date.now() + 86_400_000).toISOString()
    const create = `standing-approval create --profile grouped --dns .moved.test --uses 1 --until ${until} --reason moving`
    expect(await at.cli(create)).toMatchObject({ stderr: expect.stringContaining('only a person approves') })
    const made = await at.cli(create, tokens.alice)
    expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/: waits, it waits for 1 more to confirm it/) })
    const [uuid] = /[0-9a-f-]{36}/.exec(made.stdout) ?? []
    expect(await at.cli(`standing-approval confirm ${uuid}`, tokens.carol)).toMatchObject({ code: 4 })
    expect(await at.cli(`standing-approval confirm ${uuid}`, tokens.bob)).toMatchObject({ code: 0 })
    const id = await at.order('grouped', 'a.moved.test')
    expect(await show(id)).toMatchObject({ status: 'signed', review: { outcome: 'granted' } })
    expect((await at.cli(`request show ${id}`, tokens.admin)).stdout).toContain(
      `by the standing approval ${uuid}: alice, bob`,
    )
    expect((await at.cli('standing-approval ls', tokens.bob)).stdout).toMatch(/used .*0 of 1/)
    expect(await show(await at.order('grouped', 'b.moved.test'))).toMatchObject({ status: 'requested' })
    expect(await at.cli(`standing-approval end ${uuid}`, tokens.alice)).toMatchObject({ code: 0 })
    expect(await at.cli('audit verify', tokens.admin)).toMatchObject({ code: 0 })
  })
})
