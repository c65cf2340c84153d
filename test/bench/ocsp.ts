// npm run bench:ocsp: OCSP answers a CPU second of the server, beside a bare Hono answer and `openssl ocsp`. See docs/performance.md.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { explicit, nullValue, octets, oid, seq } from '../../src/pki/der.ts'
import { issuerHashes, OCSP_HASHES, type OcspHash } from '../../src/pki/ocsp.ts'
import { OID } from '../../src/pki/oid.ts'
import { encodeSerial } from '../../src/pki/serial.ts'
import { root } from '../helpers/bundle.ts'
import { startCluster } from '../helpers/cluster.ts'
import { getRequest, play, postRequest } from './ocspClient.ts'
import {
  type OcspCountersign,
  type OcspServer,
  startBareHono,
  startOcspCountersign,
  startOpensslOcsp,
} from './ocspServers.ts'
import { median } from './report.ts'
import { usageOf } from './usage.ts'

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    answers: { type: 'string', default: '20000' },
    clients: { type: 'string', default: '32' },
    large: { type: 'string', default: '1000000' },
    entry: { type: 'string', default: join(root, 'dist/main.js') },
    postgres: { type: 'boolean', default: false },
    profile: { type: 'string' },
    only: { type: 'string' },
  },
})
const clients = Number(flags.clients)
const small = 1_000

/** What is measured: who answers, and what he is asked. */
interface Case {
  name: string
  server: OcspServer
  requests(count: number): Iterator<Buffer>
  /** Less for what is dear. */
  share: number
}

type Asked = { hashes: ReturnType<typeof issuerHashes>; hash?: OcspHash; serial: string; nonce?: Buffer }

function ocspRequest({ hashes, hash = 'sha1', serial, nonce }: Asked): Buffer {
  const { name, key } = hashes[hash]
  const certId = seq(seq(oid(OCSP_HASHES[hash]), nullValue()), octets(name), octets(key), encodeSerial(serial))
  const extensions = nonce ? [explicit(2, seq(seq(oid(OID.ocspNonce), octets(octets(nonce)))))] : []
  return seq(seq(seq(seq(certId)), ...extensions))
}

type Form = 'GET' | 'POST'

function wire(form: Form, der: Buffer): Buffer {
  if (form === 'POST') return postRequest('/ocsp/issuing', der)
  return getRequest(`/ocsp/issuing/${encodeURIComponent(der.toString('base64'))}`)
}

function* repeated(requests: readonly Buffer[], count: number): Generator<Buffer> {
  for (let n = 0; n < count; n++) yield requests[n % requests.length] as Buffer
}

function casesOf(server: OcspCountersign, certificates: number): Case[] {
  const { hashes, serial } = server
  const asked = (form: Form) =>
    Array.from({ length: 500 }, (_, n) => wire(form, ocspRequest({ hashes, serial: serial(n * 2) })))
  let next = 0
  const kept = (form: Form): Case => {
    const requests = asked(form)
    return { name: `kept ${form}`, server, share: 1, requests: (count) => repeated(requests, count) }
  }
  const withNonce = (form: Form): Case => ({
    name: `nonce ${form}`,
    server,
    share: 0.5,
    requests: (count) => {
      const of = (n: number) => ({ hashes, serial: serial((n * 7919) % certificates), nonce: randomBytes(32) })
      const requests = Array.from({ length: count }, (_, n) => wire(form, ocspRequest(of(n))))
      return requests.values()
    },
  })
  const firstTime: Case = {
    name: 'first time GET',
    server,
    share: 0.25,
    requests: (count) => {
      const hashNames = ['sha256', 'sha384', 'sha512'] as const
      const of = () => {
        const hash = hashNames[Math.floor(next / certificates) % 3] ?? 'sha256'
        return { hashes, hash, serial: serial((next++ * 7919) % certificates) }
      }
      return Array.from({ length: count }, () => wire('GET', ocspRequest(of()))).values()
    },
  }
  return [kept('GET'), kept('POST'), withNonce('GET'), withNonce('POST'), ...(certificates > small ? [firstTime] : [])]
}

/** CPU milliseconds an answer. */
async function measure({ server, requests, share }: Case): Promise<number> {
  const count = Math.max(clients, Math.round(Number(flags.answers) * share))
  const from = requests(count)
  const before = usageOf(server.pid)
  const answered = await play(server, from, server.closes ? 2 : clients, (answer) => {
    const head = answer.toString('latin1', 0, 15)
    if (!/^HTTP\/1\.\d 200/.test(head) || answer.length < 300)
      throw new Error(`${server.name}: ${answer.toString('latin1')}`)
  })
  const after = usageOf(server.pid)
  return (after.user + after.system - before.user - before.system) / answered
}

async function cases(folder: string, stops: (() => Promise<unknown>)[]): Promise<Case[]> {
  const nodeArgs = ['--use-largepages=silent']
  const profiling = flags.profile ? ['--cpu-prof', `--cpu-prof-dir=${resolve(flags.profile)}`] : []
  const started = <S extends OcspServer>(server: S): S => {
    stops.push(server.stop)
    return server
  }
  const own = { folder, entry: resolve(flags.entry), nodeArgs }
  const server = started(
    await startOcspCountersign({
      ...own,
      name: 'SQLite, 10^3',
      certificates: small,
      nodeArgs: [...nodeArgs, ...profiling],
    }),
  )
  const all = casesOf(server, small)
  const size = 900
  const hono = started(await startBareHono(folder, size, nodeArgs))
  const plain = casesOf(server, small).slice(0, 2)
  all.push(...plain.map((like) => ({ ...like, name: like.name.replace('kept', 'bare'), server: hono })))
  const openssl = started(await startOpensslOcsp(folder, small))
  const theirs = casesOf({ ...server, hashes: issuerHashes(readCertificate(openssl.ca)) }, small).filter(({ name }) =>
    name.endsWith('POST'),
  )
  all.push(...theirs.map((like) => ({ ...like, server: openssl, share: 0.1 })))
  if (Number(flags.large) > 0) {
    const certificates = Number(flags.large)
    all.push(
      ...casesOf(started(await startOcspCountersign({ ...own, name: 'SQLite, large', certificates })), certificates),
    )
  }
  if (flags.postgres) {
    const cluster = await startCluster()
    stops.unshift(() => cluster.stop())
    const options = { ...own, name: 'PostgreSQL, 10^3', certificates: small, databaseUrl: cluster.url }
    all.push(...casesOf(started(await startOcspCountersign(options)), small))
  }
  return flags.only
    ? all.filter(({ name, server }) => new RegExp(flags.only ?? '').test(`${server.name} ${name}`))
    : all
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-ocsp-'))
  const stops: (() => Promise<unknown>)[] = []
  try {
    const playing = await cases(folder, stops)
    for (const each of playing) await measure(each)
    const found = new Map<Case, number[]>(playing.map((each) => [each, []]))
    for (let round = 0; round < Number(flags.rounds); round++)
      for (const each of round % 2 ? [...playing].reverse() : playing) found.get(each)?.push(await measure(each))
    for (const [{ name, server }, costs] of found) {
      const cost = median(costs)
      const text = `${(cost * 1000).toFixed(1)} µs (${(Math.min(...costs) * 1000).toFixed(1)} to ${(Math.max(...costs) * 1000).toFixed(1)})`
      process.stdout.write(
        `${server.name.padEnd(18)} ${name.padEnd(16)} ${text}, ${(1000 / cost).toFixed(0)} a CPU second\n`,
      )
    }
  } finally {
    for (const stop of stops.reverse()) await stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

await main()
