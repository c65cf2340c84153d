import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LimitView } from '../../src/core/admin.ts'
import { AcmeClient } from '../helpers/acmeClient.ts'
import { httpsTransport } from '../helpers/acmeHttps.ts'
import { type CliInstallation, startInstallation } from '../helpers/installation.ts'
import { until } from '../helpers/until.ts'

let at: CliInstallation
let admin: { token: string }

beforeAll(async () => {
  at = await startInstallation()
  admin = { token: await at.token('admin') }
  const acme = { limits: { ordersByAccount: '1/1d' }, chaos: { shuffle: true } }
  await at.json('profile set -f -', {
    input: JSON.stringify({ name: 'tight', authority: 'issuing', protocols: { acme }, rules: {} }),
  })
})
afterAll(() => at?.server.stop())

describe('countersign limit', () => {
  test('shows who has used what, overrides it, takes that back and resets it; the server follows', async () => {
    const client = new AcmeClient(
      `${at.server.baseUrl}/acme/tight/directory`,
      httpsTransport({ ca: readFileSync(at.server.rootPem) }),
    )
    await (await client.load()).register()
    const key = client.kid?.split('/').pop() ?? ''
    const orders = async () => {
      const identifiers = [{ type: 'dns', value: 'cli.localhost' }]
      return (await client.post(client.directory.newOrder ?? '', { identifiers })).status
    }
    expect([await orders(), await orders()]).toEqual([201, 429])

    const list = await at.cli(`limit ls --profile tight --key ${key}`)
    expect(list.stdout).toMatch(new RegExp(`tight +acme\\.ordersByAccount +${key} +1 +1/1d `))
    const over = await at.cli(
      `limit override set acme.ordersByAccount ${key} --profile tight --rate 2/1d --for 30d --note agreed`,
      admin,
    )
    expect(over).toMatchObject({ code: 0, stdout: expect.stringMatching(/is 2\/1d until \d{4}-/) })
    expect([await orders(), await orders(), await orders()]).toEqual([201, 201, 429])
    expect(await at.json<LimitView[]>('limit ls --limit acme.ordersByAccount')).toEqual([
      expect.objectContaining({ profile: 'tight', key, rate: '2/1d', used: 2, overridden: true, note: 'agreed' }),
    ])
    expect((await at.cli(`limit reset ${key} --profile tight`)).stdout).toBe(`nothing is used of 1 limit of ${key}\n`)
    expect(await orders()).toBe(201)
    expect((await at.cli(`limit override rm acme.ordersByAccount ${key} --profile tight`)).code).toBe(0)
    expect([await orders(), await orders()]).toEqual([201, 429])
  })

  test.each([
    ['limit override set acme.ordersByAccount somebody --rate often', 2],
    ['limit override set orders somebody --rate 5/1d', 2],
    ['limit override rm acme.ordersByAccount nobody', 3],
    ['limit reset nobody', 3],
    ['limit reset nobody --profile nowhere', 3],
  ])('refuses: %s', async (line, code) => {
    expect(await at.cli(line)).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(/^countersign: /) })
  })

  test('a token without a right may not', async () => {
    const alice = { token: await at.token('alice') }
    expect((await at.cli('limit override set acme.ordersByAccount x --rate 5/1d', alice)).code).toBe(4)
    expect(await at.json('limit ls', alice)).toEqual([])
  })
})

describe('a profile with chaos', () => {
  test('is in the log of the start, and doctor warns', async () => {
    const doctor = await at.cli('doctor')
    expect(doctor.stdout).toMatch(/^warn {2}profile tight: acme: chaos is on \(shuffle\)/m)
    expect(doctor.stdout).not.toMatch(/profile default: acme/)
    await at.server.kill('SIGTERM')
    await at.server.restart()
    const told = () => {
      const { stdout, stderr } = at.server.output()
      return `${stdout}${stderr}`.split('\n').filter((line) => line.includes('chaos is on'))
    }
    await until('the log says it', async () => told().length > 0 || undefined)
    expect(told()).toHaveLength(1)
  })
})
