import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type CliInstallation, startInstallation } from '../helpers/installation.ts'
import { type RemoteCli, remoteCli } from '../helpers/remoteCli.ts'

let at: CliInstallation
let admin: string
const password = 'alices very long password'
beforeAll(async () => {
  at = await startInstallation()
  admin = await at.token('admin')
  await at.token('alice')
  const { secret } = await at.json<{ secret: string }>('user setup-link alice')
  await at.json('user set-password --setup-link-file -', { input: `${secret}\n${password}\n` })
})
afterAll(() => at?.server.stop())

describe('from elsewhere', () => {
  let cli: RemoteCli
  beforeEach(() => {
    cli = remoteCli()
    writeFileSync(join(cli.home, 'token'), `${admin}\n`)
    return () => cli.remove()
  })
  const login = (...more: string[]) => ['login', at.server.baseUrl, '--ca', at.server.rootPem, ...more]
  const kept = () => JSON.parse(readFileSync(cli.configFile, 'utf8'))

  describe('login', () => {
    test('asks for name and password at a terminal, shows neither password nor token, and logout ends the token', async () => {
      const { code, shown } = await cli.terminal(login(), [
        ['User: ', 'alice\r'],
        ['Password of alice: ', `${password}\r`],
      ])
      expect(code).toBe(0)
      expect(shown).toContain(`you are alice at ${at.server.baseUrl} (profile default), until `)
      expect(shown).not.toContain(password)
      const { token, tokenUuid } = kept().profiles.default
      expect(shown).not.toContain(token)
      expect(statSync(cli.configFile).mode & 0o777).toBe(0o600)
      const tokens = await cli.json<{ uuid: string; expiresAt: string | null }[]>(['token', 'ls'])
      expect(tokens.find(({ uuid }) => uuid === tokenUuid)).toMatchObject({ expiresAt: expect.any(String) })
      expect(await cli.run(['logout'])).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('the token has ended'),
      })
      expect(kept()).toEqual({ profiles: {} })
      const env = { COUNTERSIGN_URL: at.server.baseUrl, COUNTERSIGN_CA: at.server.rootPem, COUNTERSIGN_TOKEN: token }
      expect(await cli.run(['token', 'ls'], { env })).toMatchObject({ code: 4, stdout: '' })
    })
    test('leaves no session behind', async () => {
      await cli.json(login('--user', 'alice'), { input: `${password}\n` })
      const env = { COUNTERSIGN_TOKEN: kept().profiles.default.token }
      const answer = await fetchJson('/v1/countersign/sessions', env.COUNTERSIGN_TOKEN)
      expect(answer).toEqual([])
    })
    test('with a wrong password keeps nothing', async () => {
      const ended = await cli.run(login('--user', 'alice'), { input: 'not her password\n' })
      expect(ended).toMatchObject({ code: 4, stderr: 'countersign: the name or the password is wrong\n' })
      expect(() => kept()).toThrow('ENOENT')
    })
    test('takes a token from a file, and logout leaves that to its owner', async () => {
      expect(await cli.run(login('--token-file', 'token'))).toMatchObject({ code: 0 })
      expect(kept().profiles.default).toMatchObject({ token: admin, user: 'admin' })
      expect(await cli.run(['logout'])).toMatchObject({ code: 0, stderr: expect.stringContaining('still good') })
      expect(await at.cli('token ls', { token: admin })).toMatchObject({ code: 0 })
    })
    test.each([
      ['a token that nobody has', ['--token-file', 'bad'], 4, 'does not know this token'],
      ['a token on the command line', ['--token', 'cs_x'], 2, 'lists processes'],
      ['nothing, and nobody to ask', [], 2, 'nobody can be asked'],
      ['a name that is none', ['--profile', '../x', '--token-file', 'token'], 2, '--profile'],
    ])('with %s is refused', async (_what, words, code, says) => {
      writeFileSync(join(cli.home, 'bad'), 'cs_0000000000000000000000000000000000000000000\n')
      expect(await cli.run(login(...words))).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(says) })
    })
    test('trusts nobody without the CA, and no CA but that one', async () => {
      const bare = await cli.run(['login', at.server.baseUrl, '--token-file', 'token'])
      expect(bare).toMatchObject({ code: 6, stderr: expect.stringMatching(/is not trusted .*--ca FILE/) })
      await at.openssl(
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        'other.key',
        '-out',
        'other.pem',
        '-subj',
        '/CN=other',
      )
      const other = [
        'login',
        at.server.baseUrl,
        '--ca',
        join(at.server.workFolder, 'other.pem'),
        '--token-file',
        'token',
      ]
      expect(await cli.run(other)).toMatchObject({ code: 6, stderr: expect.stringContaining('is not trusted') })
    })
    test.each([
      ['http://localhost:1', 2, 'https'],
      ['https://user:secret@localhost:1', 2, 'no name, password'],
      ['https://localhost:1', 6, 'does not answer'],
    ])('to %s ends with %i', async (url, code, says) => {
      const ended = await cli.run(['login', url, '--token-file', 'token'])
      expect(ended).toMatchObject({ code, stderr: expect.stringContaining(says) })
    })
    test('tells at a terminal what takes longer than a second, and takes that away again', async () => {
      let answer = () => {}
      const web = await listening((response) => {
        answer = () => response.end('{"username":"slow"}')
      })
      const { code, shown } = await cli.terminal(
        ['login', web.url, '--ca', web.ca, '--token-file', 'token'],
        [
          [
            'still at it, 1 s',
            () => {
              answer()
              return ''
            },
          ],
        ],
      )
      await web.close()
      expect({ code, shown }).toMatchObject({ code: 0, shown: expect.stringContaining('\r\u001b[Kyou are slow at') })
    })
    test('verifies whatever NODE_TLS_REJECT_UNAUTHORIZED says', async () => {
      const words = ['login', at.server.baseUrl, '--token-file', 'token']
      const ended = await cli.run(words, { env: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } })
      expect(ended).toMatchObject({ code: 6, stderr: expect.stringContaining('is not trusted') })
    })
    test('to what is no server of ours says so, and a redirect gets no token', async () => {
      const web = await listening((response) => response.writeHead(302, { location: '/elsewhere' }).end())
      const ended = await cli.run(['login', web.url, '--ca', web.ca, '--token-file', 'token'])
      await web.close()
      expect(ended).toMatchObject({ code: 6, stderr: expect.stringContaining('no countersign server') })
      expect(web.asked).toEqual(['/api/v1/auth/profile'])
    })
  })

  describe('the file of logins', () => {
    beforeEach(async () => {
      await cli.json(login('--token-file', 'token', '--profile', 'main'))
    })
    test('that others may read is refused, with what to do', async () => {
      chmodSync(cli.configFile, 0o640)
      const ended = await cli.run(['authority', 'ls'])
      expect(ended).toMatchObject({
        code: 4,
        stdout: '',
        stderr: expect.stringContaining(`chmod 600 ${cli.configFile}`),
      })
      chmodSync(cli.configFile, 0o600)
      expect(await cli.run(['authority', 'ls'])).toMatchObject({ code: 0 })
    })
    test('that was broken is refused', async () => {
      writeFileSync(cli.configFile, '{"profiles": 3}')
      expect(await cli.run(['authority', 'ls'])).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('config.json'),
      })
    })
    test('names servers, of which --server and "server use" choose one; the token is never shown', async () => {
      await cli.json(login('--user', 'alice', '--profile', 'second'), { input: `${password}\n` })
      const { stdout } = await cli.run(['server', 'ls'])
      expect(stdout).toMatch(/^main .*admin .*no$/m)
      expect(stdout).toMatch(/^second .*alice .*yes$/m)
      expect(stdout).not.toContain(admin)
      expect(await cli.run(['user', 'create', 'zoe'])).toMatchObject({ code: 4 })
      expect(await cli.run(['user', 'create', 'zoe', '--server', 'main'])).toMatchObject({ code: 0 })
      await cli.run(['server', 'use', 'main'])
      expect(await cli.run(['user', 'ls'])).toMatchObject({ code: 0, stdout: expect.stringContaining('zoe') })
      expect(await cli.run(['user', 'ls', '--server', 'third'])).toMatchObject({ code: 3 })
      expect(await cli.run(['user', 'ls', '--server', 'main', '--data', '.'])).toMatchObject({ code: 2 })
    })
    test('sends its token to its own server alone', async () => {
      const env = { COUNTERSIGN_URL: 'https://localhost:1' }
      expect(await cli.run(['user', 'ls'], { env })).toMatchObject({
        code: 4,
        stderr: expect.stringContaining('login'),
      })
    })
  })
})

/** Something else that speaks HTTPS on this machine. */
async function listening(answer: (response: ServerResponse) => void) {
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'web.key']
  await at.openssl('req', '-x509', ...key, '-out', 'web.pem', ...subject)
  const [keyText, cert] = ['web.key', 'web.pem'].map((file) => readFileSync(join(at.server.workFolder, file)))
  const asked: string[] = []
  const web = createServer({ key: keyText, cert }, (request, response) => {
    asked.push(request.url ?? '')
    answer(response)
  })
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve))
  return {
    url: `https://localhost:${(web.address() as AddressInfo).port}`,
    ca: join(at.server.workFolder, 'web.pem'),
    asked,
    close: () => new Promise((resolve) => web.close(resolve)),
  }
}

async function fetchJson<T>(path: string, token: string, body?: unknown): Promise<T> {
  const { callRest } = await import('../../src/cli/remote/rest.ts')
  const server = { url: at.server.baseUrl, ca: readFileSync(at.server.rootPem, 'utf8'), token }
  return callRest<T>(server, {
    method: body === undefined ? 'GET' : 'POST',
    path,
    ...(body === undefined ? {} : { body }),
  })
}
