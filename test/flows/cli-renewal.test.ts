import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CliInstallation, startInstallation } from '../helpers/installation.ts'

interface Window {
  id: number
  profile: string | null
  serial: string | null
  start: string
  end: string
  explanationUrl: string | null
}

describe('renewal windows and chains on the command line', () => {
  let at: CliInstallation
  let admin: { token: string }
  beforeAll(async () => {
    at = await startInstallation()
    admin = { token: await at.token('admin') }
  })
  afterAll(() => at?.server.stop())

  test('a window is set from now on, or around now, is listed and removed', async () => {
    const page = 'https://status.test/7'
    const before = Date.now()
    const words = `certificate renew-window --profile default --start -1h --end +24h --explanation ${page}`
    const [made] = await at.json<Window[]>(words, admin)
    expect(made).toMatchObject({ profile: 'default', serial: null, explanationUrl: page })
    expect(Math.abs(Date.parse(made?.start ?? '') - before + 3_600_000)).toBeLessThan(30_000)
    expect(Math.abs(Date.parse(made?.end ?? '') - before - 86_400_000)).toBeLessThan(30_000)
    const day = '--start 2026-01-31T12:00:00Z --end 2026-01-31T13:00:00+00:00'
    await at.json(`certificate renew-window --all ${day} --issued-before 2026-01-31T12:00:00Z`, admin)
    const shown = await at.cli('certificate renew-windows')
    expect(shown.stdout.split('\n').filter((line) => /^\d/.test(line))).toHaveLength(2)
    expect(shown.stdout).toContain('2026-01-31 13:00:00Z')
    expect(await at.cli(`certificate remove-renew-window ${made?.id}`, admin)).toMatchObject({ code: 0 })
    expect(await at.json<Window[]>('certificate renew-windows')).toHaveLength(1)
  })

  test.each([
    ['--profile none --start now --end +1h', 3],
    ['--serial 0123456789abcdef --start now --end +1h', 3],
    ['--start now --end +1h', 2],
    ['--all --start now --end now', 2],
    ['--all --profile default --start now --end +1h', 2],
    ['--all --start yesterday --end now', 2],
    ['--all --start now', 2],
    ['--all --start now --end +1h --explanation ftp://x', 2],
  ])('certificate renew-window %s ends with %i', async (options, code) => {
    expect(await at.cli(`certificate renew-window ${options}`, admin)).toMatchObject({ code, stdout: '' })
  })

  test('a chain that does not fit is refused, and there is none to remove', async () => {
    at.file('root.pem', (await at.json<{ pem: string }>('authority show root')).pem)
    expect(await at.cli('authority add-chain issuing --pem root.pem', admin)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('does not have the key of the authority'),
    })
    expect(await at.cli('authority remove-chain issuing 1', admin)).toMatchObject({ code: 3 })
    expect((await at.cli('authority chains issuing')).stdout).toBe('none\n')
  })
})
