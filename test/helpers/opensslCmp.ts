import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { requireSuccess } from './acmeClients.ts'
import { root } from './bundle.ts'
import { administrator, type CliUser, cliJson, type ListedRequest, listRequests, newCliUser } from './cliUsers.ts'
import { type Ended, type RunningProgram, run, start, succeed } from './program.ts'
import { type ServerProcess, startServer } from './serverProcess.ts'
import { until } from './until.ts'

/** The real server with profiles that serve CMP, and `openssl cmp` beside it. */
export interface OpensslCmp {
  server: ServerProcess
  alice: CliUser
  /** Path of a file of the client. */
  file(name: string): string
  save(profile: { name: string; cmp?: object; rules?: object; certificate?: object }): Promise<void>
  /** Arguments that name a shared secret; with names it is for these alone. */
  secret(profile: string, ...identifiers: string[]): Promise<string[]>
  newKey(name: string, kind?: 'EC' | 'RSA'): Promise<string>
  /** `openssl cmp` with a message for a profile; what it says, on both streams, is one text. */
  cmp(profile: string, command: string, args: readonly string[]): Promise<Ended & { said: string }>
  /** The same, and it must end well. */
  done(profile: string, command: string, args: readonly string[]): Promise<string>
  /** The same, while it goes on. */
  begin(profile: string, command: string, args: readonly string[]): RunningProgram
  /** A device that has enrolled by ir; what its later messages are signed with. */
  enrolled(profile: string, name: string): Promise<{ cert: string; key: string; chain: string; signer: string[] }>
  /** The life of a device by the classes of Debian's Bouncy Castle, test/interop/java/CmpClient.java; it goes on. */
  bouncyCastle(profile: string, dns: string): Promise<RunningProgram>
  /** openssl’s judgement of a certificate. */
  verify(files: { cert: string; chain: string }): Promise<void>
  waiting(name: string, kind?: 'sign' | 'revoke'): Promise<ListedRequest>
  approve(id: number | string): Promise<void>
  deny(id: number, reason: string): Promise<void>
}

export const auto = [{ name: 'nobody looks', auto: true }]
export const review = [{ name: 'alice looks', require: [{ users: ['alice'] }] }]
const sameNames = [{ name: 'same names', when: 'certificate.present && certificate.sameNames', auto: true }]

export async function startOpensslCmp(): Promise<OpensslCmp> {
  const server = await startServer()
  const folder = join(server.workFolder, 'cmp')
  mkdirSync(folder)
  const alice = await newCliUser(server, 'alice')
  const admin = await administrator(server)
  const file = (name: string) => join(folder, name)
  const decide = async (words: string[]) =>
    void requireSuccess(await server.cli(['request', ...words, '--yes'], { token: alice.token }))
  const words = (profile: string, command: string, args: readonly string[]) => [
    'cmp',
    ...['-cmd', command, '-server', new URL(server.httpUrl).host, '-path', `cmp/${profile}`],
    ...['-recipient', '/CN=countersign', '-config', '', ...args],
  ]
  const it: OpensslCmp = {
    server,
    alice,
    file,
    async save({ cmp = {}, rules = {}, certificate = { type: 'dual_purpose' }, ...profile }) {
      const whole = {
        authority: 'issuing',
        settings: { certificate },
        protocols: { cmp: { checkAfter: '1s', ...cmp } },
        rules: { issue: auto, renew: sameNames, rekey: sameNames, revoke: auto, ...rules },
        ...profile,
      }
      requireSuccess(await server.cli(['profile', 'set', '-f', '-'], { input: JSON.stringify(whole) }))
    },
    async secret(profile, ...identifiers) {
      const names = identifiers.flatMap((name) => ['--identifier', name])
      const made = ['cmp', 'create', '--profile', profile, ...names]
      const { reference, secret } = await cliJson<{ reference: string; secret: string }>(server, made, {
        token: admin.token,
      })
      return ['-ref', reference, '-secret', `pass:${secret}`]
    },
    async newKey(name, kind = 'EC') {
      const [algorithm, option] = kind === 'EC' ? ['EC', 'ec_paramgen_curve:P-256'] : ['RSA', 'rsa_keygen_bits:2048']
      await succeed('openssl', ['genpkey', '-algorithm', algorithm, '-pkeyopt', option, '-out', file(name)])
      return file(name)
    },
    async cmp(profile, command, args) {
      const ended = await run('openssl', words(profile, command, args), { timeout: 60_000 })
      return { ...ended, said: `${ended.stdout}${ended.stderr}` }
    },
    async done(profile, command, args) {
      const { code, said } = await it.cmp(profile, command, args)
      if (code !== 0) throw new Error(said)
      return said
    },
    begin: (profile, command, args) => start('openssl', words(profile, command, args), { timeout: 120_000 }),
    async enrolled(profile, name) {
      const [key, cert, chain] = [await it.newKey(`${name}.key`), file(`${name}.pem`), file(`${name}-chain.pem`)]
      const order = ['-newkey', key, '-subject', `/CN=${name}`, '-sans', name]
      await it.done(profile, 'ir', [...(await it.secret(profile)), ...order, '-certout', cert, '-chainout', chain])
      const trust = ['-trusted', server.rootPem, '-untrusted', chain]
      return { cert, key, chain, signer: ['-cert', cert, '-key', key, ...trust] }
    },
    async bouncyCastle(profile, dns) {
      const jars = ['bcpkix', 'bcprov', 'bcutil'].map((name) => `/usr/share/java/${name}.jar`)
      const classes = file('classes')
      const source = join(root, 'test/interop/java/CmpClient.java')
      await succeed('javac', ['-cp', jars.join(':'), '-d', classes, source])
      const [, reference, , secret = ''] = await it.secret(profile)
      const settings = [`url=${server.httpUrl}/.well-known/cmp/p/${profile}`, `dns=${dns}`, `reference=${reference}`]
      const java = ['-XX:TieredStopAtLevel=1', '-cp', [...jars, classes].join(':'), 'CmpClient']
      return start('java', [...java, ...settings, `secret=${secret.replace('pass:', '')}`], { timeout: 120_000 })
    },
    async verify({ cert, chain }) {
      const trust = ['-CAfile', server.rootPem, '-untrusted', chain]
      const said = await succeed('openssl', ['verify', '-x509_strict', ...trust, cert])
      if (!said.includes('OK')) throw new Error(said)
    },
    waiting: (name, kind = 'sign') =>
      until(`a request for ${name}`, async () =>
        (await listRequests(server, ['--status', 'requested'])).find(
          (request) => request.kind === kind && request.names.includes(name),
        ),
      ),
    approve: (id) => decide(['approve', String(id)]),
    deny: (id, reason) => decide(['deny', String(id), '--reason', reason]),
  }
  return it
}
