import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { thrownAway } from '../../src/console/newOrder.ts'
import { readYaml } from '../../src/console/yaml.ts'
import { useConsoleApp } from '../helpers/consoleApp.ts'
import { everywhere, ordered } from '../helpers/consoleRequests.ts'

const world = useConsoleApp()

describe('an order for a thousand names', () => {
  it('makes no list long, and shows all of them on its own page', async () => {
    const { app } = world
    await app.save('decided', { rules: everywhere([{ name: 'people', require: [{ users: ['approver'] }] }]) })
    const names = Array.from({ length: 1000 }, (_, n) => `host-${n}.long.test`)
    const { at } = await ordered(app, 'long.test', { names })
    const list = await app.get('/console/requests/sign')
    expect(list.text).toMatch(/and 99\d more/)
    expect(list.html.replaceAll('<wbr/>', '')).not.toContain('host-500')
    expect(list.html.length).toBeLessThan(100_000)
    expect((await app.get(at)).html.replaceAll('<wbr/>', '')).toContain('host-999')
  })
})

describe('what an alert is about', () => {
  it.each(['x', '1e400', '-', '%F0%9F'])('is not found by %s', async (id) => {
    for (const kind of ['certificate', 'sign_request', 'authority', 'user', 'x'])
      expect((await world.app.get(`/console/alerts/about/${kind}/${id}`)).status, kind).toBe(404)
  })

  it('is the page of a user, where it is one', async () => {
    const { app } = world
    const { location } = await app.get(`/console/alerts/about/user/${app.operator.id}`)
    expect(location).toBe('/console/people/user/operator')
    expect((await app.get(location ?? '')).status).toBe(200)
  })
})

describe('a page that asks for a part of itself', () => {
  it('is not given the sign-in page instead, when the session has ended', async () => {
    const headers = { 'hx-request': 'true' }
    const { status, location } = await world.app.get('/console/requests/sign', { by: null, headers })
    expect([status, location]).toEqual([401, null])
  })
})

describe('trying an order', () => {
  it.each([
    { algorithm: 'RSA', size: 4096 },
    { algorithm: 'EC', curve: 'P-384' },
  ] as const)('makes a key of $algorithm once, however often it is tried', async (kind) => {
    const order = { subject: [], names: [{ type: 'dns', value: 'a.test' }], kind } as const
    const [one, another] = [
      await thrownAway({ ...order, names: [...order.names], subject: [] }),
      await thrownAway({ ...order, names: [], subject: [] }),
    ]
    expect(one.publicKey.spki.equals(another.publicKey.spki)).toBe(true)
  })
})

describe('YAML with a directive that nobody knows', () => {
  it('writes nothing of it where the server writes', async () => {
    const warnings: Error[] = []
    const take = (warning: Error) => warnings.push(warning)
    process.on('warning', take)
    expect(readYaml('%FORGED line of a log\n---\nrules: {}')).toEqual({ rules: {} })
    await setImmediate()
    process.off('warning', take)
    expect(warnings).toEqual([])
  })
})
