import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { requireSuccess } from './acmeClients.ts'
import { administrator, type CliUser, cliJson, type ListedRequest, listRequests, newCliUser } from './cliUsers.ts'
import { succeed } from './program.ts'
import { type ServerProcess, startServer } from './serverProcess.ts'
import { until } from './until.ts'

/** The real server with profiles that serve EST, and a folder for what its clients write. */
export interface EstServer {
  process: ServerProcess
  /** `https://localhost:PORT`, the listener that asks for client certificates. */
  url: string
  port: number
  /** Who makes challenges. */
  admin: CliUser
  /** Whom `review` asks. */
  alice: CliUser
  /** Path of a file in that folder; with text it is written. */
  file(name: string, text?: string): string
  /** Writes a profile that serves EST. */
  save(profile: { name: string; est?: object; rules?: object; authority?: string; certificate?: object }): Promise<void>
  challenge(profile: string, dns: string, ...more: string[]): Promise<string>
  /** The request for that name that waits for alice. */
  waiting(name: string): Promise<ListedRequest>
  approve(id: number): Promise<void>
  deny(id: number, reason: string): Promise<void>
  stop(): Promise<void>
}

export const auto = [{ name: 'nobody looks', auto: true }]
export const review = [{ name: 'alice looks', require: [{ users: ['alice'] }] }]
const sameNames = [{ name: 'same names', when: 'certificate.present && certificate.sameNames', auto: true }]

/** For hooks: each command is a process of its own. */
export const SETUP_WITHIN = 240_000

export async function startEstServer(env: Record<string, string> = {}): Promise<EstServer> {
  const process = await startServer({ env })
  const folder = join(process.workFolder, 'clients')
  mkdirSync(folder)
  const alice = await newCliUser(process, 'alice')
  const admin = await administrator(process)
  const decide = async (words: string[]) =>
    void requireSuccess(await process.cli(['request', ...words, '--yes'], { token: alice.token }))
  return {
    process,
    url: process.mtlsBaseUrl,
    port: Number(new URL(process.mtlsBaseUrl).port),
    admin,
    alice,
    file(name, text) {
      const path = join(folder, name)
      if (text !== undefined) writeFileSync(path, text)
      return path
    },
    async save({ est = {}, rules = {}, certificate = { type: 'dual_purpose' }, ...profile }) {
      const whole = {
        authority: 'issuing',
        settings: { certificate },
        protocols: { est: { retryAfter: '1s', ...est } },
        rules: { issue: auto, renew: sameNames, rekey: sameNames, revoke: auto, ...rules },
        ...profile,
      }
      requireSuccess(await process.cli(['profile', 'set', '-f', '-'], { input: JSON.stringify(whole) }))
    },
    async challenge(profile, dns, ...more) {
      const words = ['challenge', 'create', '--profile', profile, '--dns', dns, ...more]
      return (await cliJson<{ challenge: string }>(process, words, { token: admin.token })).challenge
    },
    waiting: (name) =>
      until(`a request for ${name}`, async () =>
        (await listRequests(process, ['--status', 'requested'])).find(({ names }) => names.includes(name)),
      ),
    approve: (id) => decide(['approve', String(id)]),
    deny: (id, reason) => decide(['deny', String(id), '--reason', reason]),
    stop: () => process.stop(),
  }
}

/** A root and an issuing authority with RSA keys beside those of the first start. Gives the issuing one's name. */
export async function createRsaAuthority({ process }: EstServer): Promise<string> {
  const subject = (name: string) => ['--subject', `CN=${name}`, '--key', 'RSA-2048']
  await cliJson(process, ['authority', 'create', 'rsa-root', ...subject('RSA Root')])
  await cliJson(process, ['authority', 'create', 'rsa-issuing', '--parent', 'rsa-root', ...subject('RSA Issuing')])
  return 'rsa-issuing'
}

/** A key by openssl; gives its file. */
export async function newKey(server: EstServer, name: string, kind: 'EC' | 'RSA' = 'EC'): Promise<string> {
  const how =
    kind === 'EC'
      ? ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']
      : ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048']
  return server.file(`${name}.key`, await succeed('openssl', ['genpkey', ...how]))
}

export interface CsrOrder {
  key: string
  /** DNS name, the common name too. */
  name: string
  challengePassword?: string
}

/** PEM of a CSR by openssl. */
export async function newCsr(server: EstServer, { key, name, challengePassword }: CsrOrder): Promise<string> {
  const attributes = challengePassword === undefined ? '' : `[a]\nchallengePassword = ${challengePassword}\n`
  const config = server.file(
    `${name}.cnf`,
    `[req]\nprompt = no\ndistinguished_name = d\nreq_extensions = e\n${attributes && 'attributes = a\n'}` +
      `[d]\nCN = ${name}\n[e]\nsubjectAltName = DNS:${name}\n${attributes}`,
  )
  return succeed('openssl', ['req', '-new', '-key', key, '-config', config])
}
