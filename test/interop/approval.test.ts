import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Certbot, certbotOf, requireSuccess } from '../helpers/acmeClients.ts'
import {
  administrator,
  type CliUser,
  cliJson,
  type ListedRequest,
  listRequests,
  newCliUser,
  saveProfile,
} from '../helpers/cliUsers.ts'
import { ocspStatus, serialOf, verifyChain } from '../helpers/openssl.ts'
import type { RunningProgram } from '../helpers/program.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'
import { until } from '../helpers/until.ts'

const rules = {
  issue: [{ name: 'two people', require: [{ users: ['alice', 'bob', 'carol'], quorum: 2 }], remember: '30d' }],
  revoke: [{ name: 'somebody else looks', require: [{ users: ['alice', 'bob'] }] }],
}

describe('approval by people, while certbot waits', () => {
  let server: ServerProcess
  let certbot: Certbot
  let alice: CliUser
  let bob: CliUser
  let carol: CliUser

  beforeAll(async () => {
    server = await startServer()
    alice = await newCliUser(server, 'alice')
    bob = await newCliUser(server, 'bob')
    carol = await newCliUser(server, 'carol')
    await saveProfile(server, 'guarded', rules)
    certbot = certbotOf(server, { directory: `${server.baseUrl}/acme/guarded/directory` })
  })
  afterAll(() => server.stop())

  const approve = (user: CliUser, id: string | number, ...more: string[]) =>
    server.cli(['request', 'approve', String(id), '--yes', ...more], { token: user.token })

  /** The request of a certbot that runs, once it waits. */
  const waiting = (name: string, client: RunningProgram) =>
    until<ListedRequest>(`a waiting request for ${name}`, async () => {
      if (client.child.exitCode !== null)
        throw new Error(`certbot did not wait:\n${JSON.stringify(await client.ended)}`)
      const rows = await listRequests(server, ['--status', 'requested', '--profile', 'guarded'])
      return rows.find(({ names }) => names.some((shown) => shown.includes(name)))
    })

  it('gets the certificate after two different users have approved', async () => {
    const client = certbot.begin(['two.localhost'])
    const { id } = await waiting('two.localhost', client)
    const first = requireSuccess(await approve(alice, id))
    expect(first.stdout).toContain('waits for more approvals')

    const again = await approve(alice, id)
    expect(again.code).not.toBe(0)
    expect(again.stderr).toContain('you have voted')
    const nobody = await server.cli(['request', 'approve', String(id), '--yes'])
    expect(nobody.code, 'access to the data folder is nobody’s approval').not.toBe(0)
    expect(nobody.stderr).toMatch(/token/)
    expect(client.child.exitCode).toBeNull()
    expect((await listRequests(server, ['--status', 'requested'])).map((row) => row.id)).toContain(id)

    requireSuccess(await approve(bob, id))
    requireSuccess(await client.ended)
    expect(await verifyChain(server, certbot.files('two.localhost'), 'two.localhost')).toContain('OK')
    const [request] = await listRequests(server, ['--status', 'signed', '--profile', 'guarded'])
    expect(request?.id).toBe(id)
  })

  it('fails with the reason when one of them denies', async () => {
    const client = certbot.begin(['denied.localhost'])
    const { id } = await waiting('denied.localhost', client)
    const reason = 'this name belongs to the payroll team'
    expect((await server.cli(['request', 'deny', String(id), '--yes'], { token: bob.token })).code).not.toBe(0)
    requireSuccess(await server.cli(['request', 'deny', String(id), '--yes', '--reason', reason], { token: bob.token }))
    const { code, stdout, stderr } = await client.ended
    expect(code).not.toBe(0)
    const told = `${stdout}${stderr}${certbot.log()}`
    expect(told).toContain(`the order was denied: ${reason}`)
    expect(`${stdout}${stderr}`).not.toContain('bob')
    const late = await approve(alice, id)
    expect(late.code).not.toBe(0)
    expect((await listRequests(server, ['--status', 'denied']))[0]).toMatchObject({ id, reason })
  })

  it('passes at once the next time where the approval was remembered', async () => {
    const client = certbot.begin(['kept.localhost'])
    const { id } = await waiting('kept.localhost', client)
    expect((await approve(alice, id, '--remember', '31d')).code, 'longer than the rule allows').not.toBe(0)
    requireSuccess(await approve(alice, id, '--remember', '30d'))
    requireSuccess(await approve(carol, id, '--remember', '30d'))
    requireSuccess(await client.ended)
    const before = await serialOf(certbot.files('kept.localhost').cert)

    // Certbot makes a new key; nobody votes.
    requireSuccess(await certbot.certonly(['kept.localhost'], ['--force-renewal']))
    expect(await serialOf(certbot.files('kept.localhost').cert)).not.toBe(before)
    expect(await listRequests(server, ['--status', 'requested'])).toEqual([])

    const wider = certbot.begin(['kept.localhost', 'more.localhost'], ['--cert-name', 'wider'])
    const asked = await waiting('more.localhost', wider)
    requireSuccess(
      await server.cli(['request', 'deny', String(asked.id), '--yes', '--reason', 'no'], { token: alice.token }),
    )
    expect((await wider.ended).code).not.toBe(0)
  })

  it('gets it by the administrator of the first start alone, who gives a reason', async () => {
    const admin = await administrator(server)
    const client = certbot.begin(['urgent.localhost'])
    const { id } = await waiting('urgent.localhost', client)
    expect((await approve(bob, id, '--override', '--reason', 'I want it')).code).not.toBe(0)
    expect((await approve(admin, id, '--override')).code, 'without a reason').not.toBe(0)
    requireSuccess(await approve(admin, id, '--override', '--reason', 'the old one expires tonight'))
    requireSuccess(await client.ended)
    expect(await verifyChain(server, certbot.files('urgent.localhost'), 'urgent.localhost')).toContain('OK')
  })

  it('does not let a user approve the revocation that he asked for', async () => {
    const files = certbot.files('two.localhost')
    const asked = await cliJson<{ id: number; status: string }>(
      server,
      ['certificate', 'revoke', await serialOf(files.cert), '--reason', 'superseded'],
      { token: alice.token },
    )
    expect(asked.status).toBe('requested')
    const own = await approve(alice, `r${asked.id}`)
    expect(own.code).not.toBe(0)
    expect(own.stderr).toMatch(/you asked|your own|behind/i)
    expect((await ocspStatus(server, files)).status).toBe('good')

    requireSuccess(await approve(bob, `r${asked.id}`))
    const { status, text } = await ocspStatus(server, files)
    expect(status, text).toBe('revoked')
  })

  it('has certbot told to ask again while a revocation waits', async () => {
    const files = certbot.files('kept.localhost')
    const revoke = () =>
      certbot.run([
        'revoke',
        '--cert-path',
        files.cert,
        '--server',
        `${server.baseUrl}/acme/guarded/directory`,
        '--no-delete-after-revoke',
      ])
    expect((await revoke()).code).not.toBe(0)
    expect(certbot.log()).toContain('waits for approval')
    expect((await ocspStatus(server, files)).status).toBe('good')
    const [request] = await listRequests(server, ['--revoke', '--status', 'requested'])
    requireSuccess(await approve(alice, `r${request?.id}`))
    expect((await revoke()).code).not.toBe(0)
    expect(certbot.log()).toContain('alreadyRevoked')
    expect((await ocspStatus(server, files)).status).toBe('revoked')
  })

  it('leaves an audit trail that proves itself', async () => {
    const report = await until('the audit chain to be sealed', async () => {
      const { stdout } = await server.cli(['audit', 'verify', '--json'])
      const read = JSON.parse(stdout) as { problems: string[]; unsealed: number; sealed: number }
      return read.unsealed === 0 ? read : undefined
    })
    expect(report.problems).toEqual([])
    expect(report.sealed).toBeGreaterThan(20)
  })
})
