import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ensureBundle, root } from '../helpers/bundle.ts'
import { runAlone } from '../helpers/installation.ts'

const program = join(root, 'dist/cli.js')

describe('without an installation', () => {
  let folder: string
  beforeAll(async () => {
    await ensureBundle()
    folder = mkdtempSync(join(tmpdir(), 'countersign-cli-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))
  const alone = (args: string[], env?: Record<string, string>) => runAlone([program, ...args], folder, env)

  test('help lists the commands, and each command its own', async () => {
    const { code, stdout } = await alone(['--help'])
    expect(code).toBe(0)
    const nouns = [
      'serve',
      'migrate',
      'authority',
      'profile',
      'request',
      'certificate',
      'user',
      'token',
      'audit',
      'alert',
      'doctor',
    ]
    for (const noun of nouns) expect(stdout).toMatch(new RegExp(`^  ${noun} `, 'm'))
    expect((await alone(['request', '--help'])).stdout).toMatch(/approve .*<id>/)
    expect((await alone(['help', 'profile'])).stdout).toMatch(/export/)
  })
  test.each([[['fly']], [['request']], [['request', 'ls', '--colour']], [['authority', 'create', 'x']]])(
    '%j is no command: exit 2, and how it is written',
    async (args) => {
      const { code, stderr } = await alone(args)
      expect(code).toBe(2)
      expect(stderr).toMatch(/Usage|error/)
      expect(stderr).not.toMatch(/^\s+at /m)
    },
  )
  test('nothing is made by asking: exit 3, one line', async () => {
    const { code, stderr } = await alone(['user', 'ls'])
    expect(code).toBe(3)
    expect(stderr).toMatch(/^countersign: there is no installation in .*countersign serve.*\n$/)
    expect(existsSync(join(folder, 'data'))).toBe(false)
  })
  test('with --json the failure is JSON', async () => {
    const { stderr, stdout } = await alone(['user', 'ls', '--json'])
    expect(JSON.parse(stderr)).toEqual({
      error: { code: 'notFound', detail: expect.stringContaining('no installation') },
    })
    expect(stdout).toBe('')
  })
  test('a setting that is wrong is said in one line: exit 2', async () => {
    const { code, stderr } = await alone(['user', 'ls'], { COUNTERSIGN_HTTPS_PORT: 'many' })
    expect(code).toBe(2)
    expect(stderr).toMatch(/^countersign: COUNTERSIGN_HTTPS_PORT.*\n$/)
  })
  test('a database that is not reachable: exit 6, a line and why', async () => {
    const { code, stderr } = await alone(['user', 'ls'], { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' })
    expect(code).toBe(6)
    expect(stderr.trim().split('\n')).toEqual([
      expect.anything(),
      expect.stringMatching(/^ {2}because: .*ECONNREFUSED/),
    ])
  })
  test('migrate makes the database, once', async () => {
    const fresh = join(folder, 'fresh')
    expect((await alone(['migrate', '--data', fresh])).stdout).toMatch(/^applied 0001-core/)
    expect((await alone(['migrate', '--data', fresh, '--json'])).stdout).toBe('{\n  "applied": []\n}\n')
    expect(statSync(fresh).mode & 0o777).toBe(0o700)
  })
  test('doctor says what is missing: exit 1', async () => {
    const { code, stdout } = await alone(['doctor'])
    expect(code).toBe(1)
    expect(stdout).toMatch(/^fail {2}database: .*countersign serve/m)
  })
})
