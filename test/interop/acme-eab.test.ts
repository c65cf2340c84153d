import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { certbotOf, legoOf, requireFiles, requireSuccess } from '../helpers/acmeClients.ts'
import { administrator, type CliUser, cliJson, listRequests, newCliUser } from '../helpers/cliUsers.ts'
import { verifyChain } from '../helpers/openssl.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'
import { until } from '../helpers/until.ts'

interface Key {
  kid: string
  hmac: string
  uuid: string
}

const review = [{ name: 'people', require: [{ users: ['admin', 'alice'] }] }]

describe('external account binding with real clients', () => {
  let server: ServerProcess
  let admin: CliUser
  let alice: CliUser

  beforeAll(async () => {
    server = await startServer()
    admin = await administrator(server)
    alice = await newCliUser(server, 'alice')
    await profile('bound')
    await profile('guarded', { issue: review })
  })
  afterAll(() => server.stop())

  const profile = (name: string, rules?: unknown) => {
    const protocols = { acme: { externalAccountRequired: true } }
    const auto = { issue: [{ name: 'proved', when: 'validated', auto: true }] }
    const input = JSON.stringify({ name, authority: 'issuing', protocols, rules: rules ?? auto })
    return cliJson(server, ['profile', 'set', '-f', '-'], { input })
  }
  const key = (name: string, ...more: string[]) =>
    cliJson<Key>(server, ['eab', 'create', '--profile', name, ...more], { token: admin.token })
  const directory = (name: string) => ({ directory: `${server.baseUrl}/acme/${name}/directory` })
  const certbotEab = ({ kid, hmac }: Key) => ['--eab-kid', kid, '--eab-hmac-key', hmac]
  const legoEab = ({ kid, hmac }: Key) => ({
    solve: ['--eab', '--kid', kid, '--hmac', hmac, '--http', '--http.port', `127.0.0.1:${server.http01Port}`],
  })

  it('certbot gets an account and a certificate with it, renews and unregisters', async () => {
    const certbot = certbotOf(server, directory('bound'))
    const made = await key('bound', '--single-use', '--expires', '30d', '--note', 'certbot')
    requireSuccess(await certbot.certonly(['bot.localhost'], certbotEab(made)))
    expect(await verifyChain(server, requireFiles(certbot.files('bot.localhost')), 'bot.localhost')).toContain('OK')
    requireSuccess(await certbot.run(['renew', '--force-renewal', '--no-random-sleep-on-renew']))
    const [listed] = await cliJson<{ uuid: string; usedAt: string; usedBy: string }[]>(server, ['eab', 'ls'])
    expect(listed).toMatchObject({
      uuid: made.uuid,
      usedAt: expect.any(String),
      usedBy: expect.stringMatching(/^acme-account:/),
    })

    const second = await certbotOf(server, directory('bound')).certonly(['second.localhost'], certbotEab(made))
    expect(second.code).not.toBe(0)
    expect(`${second.stdout}${second.stderr}`).toContain('good once')
    requireSuccess(await certbot.run(['unregister', '--server', directory('bound').directory]))
  })

  it('certbot is told what is missing, and what is wrong', async () => {
    const certbot = certbotOf(server, directory('bound'))
    const without = await certbot.certonly(['none.localhost'])
    expect(without.code).not.toBe(0)
    expect(`${without.stdout}${without.stderr}${certbot.log()}`).toMatch(/external account/i)
    const made = await key('bound')
    const wrong = await certbot.certonly(['none.localhost'], certbotEab({ ...made, hmac: 'A'.repeat(86) }))
    expect(wrong.code).not.toBe(0)
    expect(`${wrong.stdout}${wrong.stderr}${certbot.log()}`).toContain('its MAC does not fit')
  })

  it('lego gets an account and certificates with it, for the names that the key is for', async () => {
    const lego = legoOf(server, directory('bound'))
    const made = await key('bound', '--kid', 'web-team', '--identifier', '.team.localhost', '10.0.0.0/8')
    expect(made.kid).toBe('web-team')
    requireSuccess(await lego.run('run', ['a.team.localhost'], legoEab(made)))
    expect(await verifyChain(server, requireFiles(lego.files('a.team.localhost')), 'a.team.localhost')).toContain('OK')
    const other = await lego.run('run', ['a.other.localhost'], legoEab(made))
    expect(other.code).not.toBe(0)
    expect(`${other.stdout}${other.stderr}`).toMatch(/rejectedIdentifier.*a\.other\.localhost/s)

    requireSuccess(await server.cli(['eab', 'revoke', made.uuid], { token: admin.token }))
    const after = await lego.run('run', ['b.team.localhost'], legoEab(made))
    expect(after.code).not.toBe(0)
    expect(`${after.stdout}${after.stderr}`).toContain('was revoked')
  })

  it('the approval of whoever made the key is refused', async () => {
    const certbot = certbotOf(server, directory('guarded'))
    const client = certbot.begin(['own.localhost'], certbotEab(await key('guarded')))
    const id = await until('a waiting request', async () => {
      const [waiting] = await listRequests(server, ['--status', 'requested', '--profile', 'guarded'])
      return waiting?.id
    })
    const own = await server.cli(['request', 'approve', String(id), '--yes'], { token: admin.token })
    expect(own.code).not.toBe(0)
    expect(own.stderr).toMatch(/behind this request/)
    const override = ['request', 'approve', String(id), '--yes', '--override', '--reason', 'mine']
    expect((await server.cli(override, { token: admin.token })).code).not.toBe(0)
    requireSuccess(await server.cli(['request', 'approve', String(id), '--yes'], { token: alice.token }))
    requireSuccess(await client.ended)
    expect(await verifyChain(server, certbot.files('own.localhost'), 'own.localhost')).toContain('OK')
  })

  it('a key needs a person who makes it, and manages the profile', async () => {
    const nobody = await server.cli(['eab', 'create', '--profile', 'bound'])
    expect(nobody.code).toBe(4)
    expect(nobody.stderr).toContain('only a person makes a credential')
    const unable = await server.cli(['eab', 'create', '--profile', 'bound'], { token: alice.token })
    expect(unable.code).toBe(4)
    const { stdout } = requireSuccess(await server.cli(['eab', 'create', '--profile', 'bound'], { token: admin.token }))
    expect(stdout).toMatch(/Key identifier {2}[0-9a-f-]{36}\nMAC key {9}[\w-]{86}\nProfile {9}bound\n/)
    const list = requireSuccess(await server.cli(['eab', 'ls', '--profile', 'bound'])).stdout
    expect(list).toContain('web-team')
    expect(list).not.toContain(stdout.split(/\s+/)[5] ?? '')
  })
})
