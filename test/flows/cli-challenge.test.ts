import { execFileSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CliInstallation, startInstallation } from '../helpers/installation.ts'

interface Listed {
  uuid: string
  kind: string
  uses: number | null
  subject: string | null
  identifiers: unknown
}

describe('challenges on the command line', () => {
  let it: CliInstallation
  let as: { token: string }
  beforeAll(async () => {
    it = await startInstallation()
    as = { token: await it.token('maker') }
    await it.json('user grant manage maker')
  })
  afterAll(() => it?.server.stop())

  test('create shows it once; ls shows for what it is; revoke ends it', async () => {
    const words = '--profile default --subject CN=p* --dns *.Lab.example.org --uses 3 --expires 2h'
    const made = await it.json<{ challenge: string; uuid: string }>(`challenge create ${words}`, as)
    expect(made.challenge).toMatch(/^[0-9A-F]{32}$/)
    const { stdout } = await it.cli('challenge ls', as)
    expect(stdout).toContain('0 of 3')
    expect(stdout).toContain('CN=p* *.lab.example.org')
    expect(stdout).not.toContain(made.challenge)
    const [listed] = await it.json<Listed[]>('challenge ls --profile default', as)
    const identifiers = { dns: ['*.lab.example.org'], wildcards: false }
    expect(listed).toMatchObject({ uuid: made.uuid, kind: 'once', uses: 3, subject: 'CN=p*', identifiers })
    await it.json(`challenge revoke ${made.uuid}`, as)
    expect(await it.json<Listed[]>('challenge ls', as)).toEqual([])
    expect(await it.json<Listed[]>('challenge ls --all', as)).toHaveLength(1)
  })

  test('needs a person', async () => {
    const { code, stderr } = await it.cli('challenge create --profile default')
    expect(code).toBe(4)
    expect(stderr).toContain('only a person makes a challenge')
  })

  test('a static one comes from a file and is shown nowhere', async () => {
    const file = it.file('static.txt', 'one for all of them\n')
    const set = await it.cli(`challenge set-static --profile default --challenge-file ${file}`, as)
    expect(set).toMatchObject({ code: 0 })
    const { stdout } = await it.cli('challenge ls --all --json', as)
    expect(set.stdout + stdout).not.toContain('one for all of them')
    expect(stdout).toContain('"static"')
    expect(await it.cli('challenge clear-static --profile default', as)).toMatchObject({ code: 0 })
    expect((await it.cli('challenge clear-static --profile default', as)).code).toBe(3)
  })

  test('webhook-secret is 32 octets', async () => {
    const { secret } = await it.json<{ secret: string }>('challenge webhook-secret --profile default', as)
    expect(Buffer.from(secret, 'base64url')).toHaveLength(32)
  })

  test('mobileconfig writes a file that only its owner reads', async () => {
    const secret = it.file('challenge.txt', 'A1B2\n')
    const url = 'https://ca.example.org/scep/default'
    const words = `--profile default --url ${url} --challenge-file ${secret} --subject CN=phone --out phone.mobileconfig`
    expect(await it.cli(`challenge mobileconfig ${words}`)).toMatchObject({ code: 0 })
    const file = join(it.server.workFolder, 'phone.mobileconfig')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const program =
      'import sys,plistlib; print(plistlib.loads(sys.stdin.buffer.read())["PayloadContent"][0]["PayloadContent"]["Challenge"])'
    expect(execFileSync('python3', ['-c', program], { input: readFileSync(file) }).toString()).toBe('A1B2\n')
    expect((await it.cli(`challenge mobileconfig --profile default --url ${url}`)).code).toBe(2)
  })
})
