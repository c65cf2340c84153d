import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { legoOf, requireFiles, requireSuccess } from '../helpers/acmeClients.ts'
import {
  administrator,
  type CliUser,
  cliJson,
  type ListedRequest,
  listRequests,
  newCliUser,
} from '../helpers/cliUsers.ts'
import { verifyChain } from '../helpers/openssl.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'
import { until } from '../helpers/until.ts'

const all = { issue: [{ name: 'all', auto: true }], revoke: [{ name: 'all', auto: true }] }

/** Somebody above has to approve the names of `slow`. */
const upstreamRules = {
  issue: [
    {
      name: 'slow',
      when: "identifiers.exists(i, i.value.endsWith('.slow.localhost'))",
      require: [{ users: ['alice'] }],
    },
    { name: 'all', auto: true },
  ],
  revoke: [{ name: 'all', auto: true }],
}

describe('certificates from another countersign, by an account that is bound to its names', () => {
  let above: ServerProcess
  let below: ServerProcess
  let aboveAdmin: CliUser
  let admin: CliUser
  let alice: CliUser

  beforeAll(async () => {
    below = await startServer()
    // The one above looks for its challenges where the one below has its plain listener.
    above = await startServer({ env: { COUNTERSIGN_HTTP01_PORT: new URL(below.httpUrl).port } })
    aboveAdmin = await administrator(above)
    alice = await newCliUser(above, 'alice')
    admin = await administrator(below)
    await profile(above, 'below', {
      authority: 'issuing',
      protocols: { acme: { externalAccountRequired: true } },
      rules: upstreamRules,
    })
    const args = ['eab', 'create', '--profile', 'below', '--single-use', '--identifier', '.localhost']
    const { kid, hmac } = await cliJson<{ kid: string; hmac: string }>(above, args, { token: aboveAdmin.token })
    writeFileSync(join(below.workFolder, 'mac'), `${hmac}\n`)
    copyFileSync(above.rootPem, join(below.workFolder, 'above.pem'))
    const directory = `${above.baseUrl}/acme/below/directory`
    const add = [
      'authority',
      'add-acme',
      'above',
      '--directory',
      directory,
      '--ca-file',
      'above.pem',
      '--proof',
      'http-01',
    ]
    const without = await below.cli(add, { token: admin.token })
    expect(without.stderr).toMatch(/external account/)
    requireSuccess(await below.cli([...add, '--eab-kid', kid, '--eab-key-file', 'mac'], { token: admin.token }))
    await profile(below, 'upstream', { authority: 'above', protocols: { acme: {} }, rules: all })
  })
  afterAll(async () => {
    await below?.stop()
    await above?.stop()
  })

  const profile = (server: ServerProcess, name: string, draft: object) =>
    cliJson(server, ['profile', 'set', '-f', '-'], { input: JSON.stringify({ name, ...draft }) })
  const lego = () => legoOf(below, { directory: `${below.baseUrl}/acme/upstream/directory` })
  const find = (server: ServerProcess, name: string) =>
    listRequests(server, ['--sign']).then((rows) => rows.filter(({ names }) => names.includes(name)))
  const seen = (server: ServerProcess, name: string, status: string) =>
    until(`${name} ${status}`, async () => (await find(server, name)).find((request) => request.status === status))

  it('come with the chain of the one above, and are revoked there', async () => {
    const client = lego()
    requireSuccess(await client.run('run', ['plain.localhost']))
    expect(await verifyChain(above, requireFiles(client.files('plain.localhost')), 'plain.localhost')).toContain('OK')
    await client.run('revoke', ['plain.localhost'])
    await until('the revocation above', async () =>
      (await listRequests(above, ['--revoke'])).find(({ status }) => status === 'revoked'),
    )
    await until('the revocation here', async () =>
      (await listRequests(below, ['--revoke'])).find(({ status }) => status === 'revoked'),
    )
  })

  it('wait for the people above, over SIGKILL here and a restart there, as one order; nothing is lost', async () => {
    const client = lego()
    const run = client.run('run', ['a.slow.localhost'])
    const waiting: ListedRequest = await seen(above, 'a.slow.localhost', 'requested')
    const told = () => below.output().stderr.split('an order is finalized at the upstream CA').length
    // The first was for the test before.
    await until('finalize', async () => (told() > 2 ? true : undefined))
    expect(await find(below, 'a.slow.localhost')).toMatchObject([{ status: 'signing' }])
    await below.kill('SIGKILL')
    await run
    requireSuccess(await above.cli(['request', 'approve', String(waiting.id), '--yes'], { token: alice.token }))
    await above.kill('SIGTERM')
    await above.restart()
    // It was issued above while nobody was here.
    await seen(above, 'a.slow.localhost', 'signed')
    await below.restart()
    await seen(below, 'a.slow.localhost', 'signed')
    expect(await find(above, 'a.slow.localhost')).toHaveLength(1)
    expect((await cliJson<{ problems: string[] }>(below, ['audit', 'verify'])).problems).toEqual([])
  })

  it('a name that the account is not bound to is refused in the words of the one above', async () => {
    const narrow = ['eab', 'create', '--profile', 'below', '--identifier', 'only.localhost']
    const { kid, hmac } = await cliJson<{ kid: string; hmac: string }>(above, narrow, { token: aboveAdmin.token })
    writeFileSync(join(below.workFolder, 'mac'), hmac)
    requireSuccess(
      await below.cli(['authority', 'register', 'above', '--eab-kid', kid, '--eab-key-file', 'mac'], {
        token: admin.token,
      }),
    )
    const refused = await lego().run('run', ['other.localhost'])
    expect(refused.code).not.toBe(0)
    const [request] = await find(below, 'other.localhost')
    expect(request).toMatchObject({
      status: 'failed',
      reason: expect.stringMatching(/^the upstream CA refused: .*other\.localhost/),
    })
  })
})
