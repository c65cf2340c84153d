import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { certbotOf, legoOf, requireFiles, requireSuccess } from '../helpers/acmeClients.ts'
import { type Balanced, startBalanced } from '../helpers/balancer.ts'
import { administrator, cliJson } from '../helpers/cliUsers.ts'
import { serialOf, verifyChain } from '../helpers/openssl.ts'
import { type Ended, run, succeed } from '../helpers/program.ts'
import { until } from '../helpers/until.ts'
import { newCsr } from '../helpers/world.ts'

const SETUP_WITHIN = 240_000
const kinds = ['nginx', 'haproxy'] as const

/** How many requests below a path a node has answered since it was started. */
function answered({ nodes }: Balanced, node: 0 | 1, path: string): number {
  const { stdout, stderr } = nodes[node].output()
  return `${stdout}${stderr}`.split('\n').filter((line) => line.includes(path)).length
}

describe.each(kinds)('two nodes behind %s', (kind) => {
  let balanced: Balanced
  beforeAll(async () => {
    balanced = await startBalanced(kind)
  }, SETUP_WITHIN)
  afterAll(() => balanced?.close())

  const seen = [0, 0] as [number, number]

  /** Kills a node as soon as the client has begun, and starts it again when the client has ended: until the balancer has seen that there would be nobody if the other died. */
  async function whileOneDies(victim: 0 | 1, client: () => Promise<Ended>): Promise<Ended> {
    const count = () => answered(balanced, 0, '/acme/') + answered(balanced, 1, '/acme/')
    const before = count()
    let over = false
    const running = client().finally(() => {
      over = true
    })
    await until('the first requests', async () => over || count() > before || undefined, { every: 5 })
    seen[victim] += answered(balanced, victim, '/acme/')
    await balanced.nodes[victim].kill('SIGKILL')
    const ended = await running
    await balanced.nodes[victim].restart()
    const known = answered(balanced, victim, '/acme/')
    await until('the balancer asks it again', async () => {
      await directory()
      return answered(balanced, victim, '/acme/') > known || undefined
    })
    return ended
  }

  const directory = () =>
    succeed('curl', ['-sS', '--cacert', balanced.front.rootPem, `${balanced.front.baseUrl}/acme/default/directory`])

  it('both made one installation of the empty database', async () => {
    const roots = await Promise.all(balanced.nodes.map(({ rootPem }) => succeed('cat', [rootPem])))
    expect(roots[0]).toBe(roots[1])
    expect(balanced.nodes.filter(({ setupSecret }) => setupSecret !== '')).toHaveLength(1)
  })

  it('certbot and lego get their certificates while one node dies and comes back, then the other', async () => {
    const certbot = certbotOf(balanced.front)
    const lego = legoOf(balanced.front)
    const serials = new Set<string>()
    for (const victim of [0, 1] as const) {
      const name = `certbot-${victim}.localhost`
      requireSuccess(await whileOneDies(victim, () => certbot.certonly([name])))
      const files = requireFiles(certbot.files(name))
      expect(await verifyChain(balanced.front, files, name)).toContain('OK')
      serials.add(await serialOf(files.cert))
      const other = `lego-${victim}.localhost`
      requireSuccess(await whileOneDies(victim, () => lego.run('run', [other])))
      serials.add(await serialOf(lego.files(other).cert))
    }
    expect(serials.size).toBe(4)
    for (const node of [0, 1] as const) expect(seen[node] + answered(balanced, node, '/acme/')).toBeGreaterThan(0)
  }, 280_000)

  it('a node that stops is asked no more, and OCSP and CRLs go on', async () => {
    const stopped = balanced.nodes[1].kill('SIGTERM')
    const statuses = new Set<number>()
    for (let asked = 0; asked < 40; asked++)
      statuses.add((await fetch(`${balanced.front.httpUrl}/crl/issuing.crl`)).status)
    await stopped
    await balanced.nodes[1].restart()
    expect([...statuses]).toEqual([200])
  })

  if (kind === 'haproxy')
    it('EST: TLS goes through to whichever node lives, and its certificate is the same on both', async () => {
      const { nodes, front } = balanced
      const admin = await administrator(nodes.find(({ setupSecret }) => setupSecret !== '') ?? nodes[0])
      const enrol = async (name: string) => {
        const words = ['challenge', 'create', '--profile', 'default', '--dns', name]
        const { challenge } = await cliJson<{ challenge: string }>(nodes[0], words, { token: admin.token })
        const body = (await newCsr([name])).der.toString('base64')
        const url = `${front.mtlsBaseUrl}/.well-known/est/simpleenroll`
        const sent = ['-u', `device:${challenge}`, '-H', 'Content-Type: application/pkcs10', '--data-binary', '@-']
        const input = { input: body, timeout: 30_000 }
        return run('curl', ['-sS', '--cacert', nodes[0].rootPem, '-w', '\n%{http_code}', ...sent, url], input)
      }
      for (const name of ['both-1.localhost', 'both-2.localhost'])
        expect(await enrol(name)).toMatchObject({ code: 0, stdout: expect.stringMatching(/\n200$/) })
      await nodes[1].kill('SIGKILL')
      expect(await enrol('alone.localhost')).toMatchObject({ code: 0, stdout: expect.stringMatching(/\n200$/) })
      await nodes[1].restart()
    })
})
