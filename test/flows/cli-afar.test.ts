import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { rendered } from '../../src/cli/output.ts'
import { callRest } from '../../src/cli/remote/rest.ts'
import { isVisible } from '../../src/cli/visible.ts'
import { type CliInstallation, startInstallation } from '../helpers/installation.ts'
import { type RemoteCli, remoteCli } from '../helpers/remoteCli.ts'

let at: CliInstallation
let cli: RemoteCli
let admin: string
beforeAll(async () => {
  at = await startInstallation()
  admin = await at.token('admin')
  cli = remoteCli()
})
afterAll(async () => {
  cli?.remove()
  await at?.server.stop()
})

describe('verbs against a server', () => {
  const env = () => ({
    COUNTERSIGN_URL: at.server.baseUrl,
    COUNTERSIGN_CA: at.server.rootPem,
    COUNTERSIGN_TOKEN: admin,
  })
  test.each([
    ['authority ls', /^issuing /m],
    ['authority show issuing', /BEGIN CERTIFICATE/],
    ['profile ls', /^default /m],
    ['profile export default', /^name: default$/m],
    ['request ls', /./],
    ['certificate ls', /./],
    ['user ls', /^admin /m],
    ['group ls', /./],
    ['token ls', /test/],
    ['eab ls --profile default', /./],
    ['challenge ls --profile default', /./],
    ['approval ls', /./],
    ['delegation list', /./],
    ['discovery ls', /./],
    ['organization ls', /^default /m],
    ['alert ls', /./],
    ['audit verify', /the chain and the records agree/],
    ['export', /^organization: default$/m],
  ])('%s is answered by the server', async (line, says) => {
    const ended = await cli.run(line.split(' '), { env: env() })
    expect(ended).toMatchObject({ code: 0, stdout: expect.stringMatching(says) })
  })
  test('say that they did not come over the data folder: nobody is the local operator', async () => {
    const { COUNTERSIGN_TOKEN: _, ...nobody } = env()
    expect(await cli.run(['user', 'ls'], { env: nobody })).toMatchObject({ code: 4, stdout: '' })
    const answer = await post('user.ls', '{}', {})
    expect(answer.status).toBe(401)
  })
  test.each([['doctor'], ['migrate']])('%s is for the data folder alone', async (verb) => {
    expect(await cli.run([verb], { env: env() })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--data'),
    })
  })
  test.each([
    ['--token x user ls', 'lists processes'],
    ['--user admin user ls', 'countersign login'],
  ])('with %s is refused', async (line, says) => {
    expect(await cli.run(line.split(' '), { env: env() })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(says),
    })
  })
  test('apply shows what would change and does it', async () => {
    const file = join(cli.home, 'organization.yaml')
    writeFileSync(file, 'organization: default\ngroups:\n  - name: night shift\n')
    const shown = await cli.run(['apply', '-f', file, '--dry-run'], { env: env() })
    expect(shown).toMatchObject({ code: 0, stdout: expect.stringContaining('+ groups night shift (default)') })
    expect(await cli.run(['apply', '-f', file, '--yes'], { env: env() })).toMatchObject({ code: 0 })
    expect((await cli.run(['group', 'ls'], { env: env() })).stdout).toContain('night shift')
  })
})

describe('answers', () => {
  const env = () => ({
    COUNTERSIGN_URL: at.server.baseUrl,
    COUNTERSIGN_CA: at.server.rootPem,
    COUNTERSIGN_TOKEN: admin,
  })
  test('and failures are tables, JSON or YAML', async () => {
    const all = await cli.json<{ name: string }[]>(['authority', 'ls'], { env: env() })
    const yaml = await cli.run(['authority', 'ls', '--output', 'yaml'], { env: env() })
    expect(parse(yaml.stdout)).toEqual(all)
    const failed = await cli.run(['authority', 'show', 'none', '--output', 'yaml'], { env: env() })
    expect({ ...failed, stderr: parse(failed.stderr) }).toMatchObject({
      code: 3,
      stderr: { error: { code: 'notFound' } },
    })
    expect(await cli.run(['authority', 'ls', '--output', 'xml'], { env: env() })).toMatchObject({ code: 2 })
  })
  test('in YAML hide nothing', async () => {
    const hidden = 'tab\there, back\u202ewards \u001b[31m'
    const values = [hidden, 'plain', 'two\nlines', '\u0007: x', '- y']
    const text = rendered('yaml', values, '')
    expect(text.replace(/[\n\t]/g, '')).toSatisfy(isVisible)
    expect(parse(text)).toEqual(values)
  })
  test('have colours at a terminal alone, and none with NO_COLOR', async () => {
    const id = await at.order('default', 'coloured.test')
    expect(id).toBeGreaterThan(0)
    const words = ['certificate', 'ls', '--search', 'coloured.test']
    const issued = '\u001b[32missued'
    expect((await cli.terminal(words, [], env())).shown).toContain(issued)
    expect((await cli.terminal(words, [], { ...env(), NO_COLOR: '1' })).shown).not.toContain('\u001b[')
    expect((await cli.run(words, { env: env() })).stdout).not.toContain('\u001b')
  })
  test('of the audit trail are found by who and what', async () => {
    await cli.json(['group', 'create', 'auditors'], { env: env() })
    const { stdout } = await cli.run(['audit', 'ls', '--actor', 'admin', '--since', '-1h'], { env: env() })
    expect(stdout).toMatch(/^\d+ +20\S+ \S+Z +group\.\w+ +group \d+ .*admin/m)
    expect(await cli.run(['audit', 'ls', '--action', 'nothing.'], { env: env() })).toMatchObject({ stdout: 'none\n' })
  })
  test('of webhooks show the secret once', async () => {
    writeFileSync(
      join(cli.home, 'hook.yaml'),
      'name: tickets\nurl: https://hooks.example.org/x\nevents: []\nenabled: false\n',
    )
    const made = await cli.json<{ uuid: string; secret: string }>(['webhook', 'add', '-f', 'hook.yaml'], { env: env() })
    const shown = await cli.run(['webhook', 'show', made.uuid], { env: env() })
    expect(shown.stdout).toContain('tickets')
    expect(shown.stdout).not.toContain(made.secret)
    expect((await cli.run(['webhook', 'ls'], { env: env() })).stdout).toMatch(/^tickets +https/m)
    expect(await cli.run(['webhook', 'deliveries', made.uuid], { env: env() })).toMatchObject({ stdout: 'none\n' })
    expect(await cli.run(['webhook', 'ping', made.uuid], { env: env() })).toMatchObject({ code: 5 })
    expect(await cli.run(['webhook', 'rm', made.uuid], { env: env() })).toMatchObject({ code: 0 })
    expect(await cli.run(['webhook', 'show', made.uuid], { env: env() })).toMatchObject({ code: 3 })
  })
  test('of a simulation say who would decide', async () => {
    const simulated = await cli.run(['profile', 'simulate', 'default', '-d', 'would.test'], { env: env() })
    expect(simulated).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^Names +dns would.test$[\s\S]*^Rule +/m),
    })
    expect(await cli.run(['profile', 'simulate', 'none', '-d', 'a.test'], { env: env() })).toMatchObject({ code: 3 })
  })
})

describe('the operations over HTTPS', () => {
  test.each([
    ['an operation that there is not', 'nothing.ls', '{}', 404],
    ['one for the data folder alone', 'user.set-password', '{"input":{"user":"a","password":"b","next":"c"}}', 400],
    ['another one', 'doctor.core', '{"input":{}}', 400],
    ['no JSON', 'user.ls', '{', 400],
    ['another shape', 'user.ls', '[]', 400],
    ['what nobody knows', 'user.ls', '{"input":{"x":1}}', 400],
    ['NUL', 'user.create', '{"input":{"name":"a\\u0000"}}', 400],
    ['half a pair', 'user.grant', '{"input":{"user":"admin","capability":"\\ud800"}}', 400],
    [
      'a tower',
      'profile.set',
      `{"input":{"name":"x","authority":"issuing","settings":${'['.repeat(9000)}${']'.repeat(9000)}}}`,
      400,
    ],
  ])('refuse %s', async (_what, name, body, status) => {
    const answer = await post(name, body, { authorization: `Bearer ${admin}` })
    expect(answer).toMatchObject({ status, body: { error: { detail: expect.any(String) } } })
  })
  test.each([
    ['nobody', {}],
    ['a name and a password', { authorization: `Basic ${Buffer.from(`alice:a password`).toString('base64')}` }],
    ['a session', { cookie: '__Host-session-id=x; session-id=x' }],
    ['another token', { authorization: 'Bearer cs_0000000000000000000000000000000000000000000' }],
  ])('do not know %s, before the body is looked at', async (_who, headers) => {
    const answer = await post('user.ls', 'no JSON, which is not looked at', headers as Record<string, string>)
    expect(answer).toMatchObject({ status: 401, body: { error: { code: 'unauthenticated' } } })
  })
  test('keep a token to its scope', async () => {
    const scope = { capabilities: ['read'], readOnly: true }
    const { text } = await fetchJson<{ text: string }>('/v1/countersign/tokens', admin, { name: 'reads', scope })
    expect(await post('group.create', '{"input":{"name":"x"}}', { authorization: `Bearer ${text}` })).toMatchObject({
      status: 403,
    })
    expect(await post('authority.ls', '{"input":{}}', { authorization: `Bearer ${text}` })).toMatchObject({
      status: 200,
    })
  })
})

async function post(name: string, body: string, headers: Record<string, string>) {
  const ca = readFileSync(at.server.rootPem)
  const url = `${at.server.baseUrl}/api/v1/countersign/operations/${name}`
  return new Promise<{ status: number; body: unknown }>((resolve, reject) => {
    const asked = request(url, { method: 'POST', ca, agent: false, headers }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }))
    })
    asked.on('error', reject)
    asked.end(body)
  })
}

async function fetchJson<T>(path: string, token: string, body?: unknown): Promise<T> {
  const server = { url: at.server.baseUrl, ca: readFileSync(at.server.rootPem, 'utf8'), token }
  return callRest<T>(server, {
    method: body === undefined ? 'GET' : 'POST',
    path,
    ...(body === undefined ? {} : { body }),
  })
}
