import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { explicit, nullValue, octets, oid, seq } from '../../src/pki/der.ts'
import { issuerHashes, OCSP_HASHES, type OcspHash } from '../../src/pki/ocsp.ts'
import { OID } from '../../src/pki/oid.ts'
import { encodeSerial } from '../../src/pki/serial.ts'
import { getRequest, play, postRequest } from './ocspClient.ts'
import {
  type OcspCountersign,
  type OcspServer,
  startBareHono,
  startBareNode,
  startBenchCluster,
  startOcspCountersign,
  startOpensslOcsp,
} from './ocspServers.ts'
import { usageOf } from './usage.ts'

export interface OcspBench {
  rounds: number
  /** Answers of a batch; less of what is dear. */
  answers: number
  /** Connections at a time. */
  clients: number
  /** How many certificates the large table has; 0: there is none. */
  large: number
  /** Path of the bundle's main.js. */
  entry: string
  postgres: boolean
  /** Folder for a CPU profile of the server. */
  profile?: string | undefined
  /** By server and case. */
  only?: RegExp | undefined
}

/** CPU milliseconds an answer, batch by batch. */
export interface OcspFigure {
  server: string
  name: string
  costs: number[]
}

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

/** DER of a request about one certificate. */
export function ocspRequest({ hashes, hash = 'sha1', serial, nonce }: Asked): Buffer {
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
  const wired = (form: Form) =>
    Array.from({ length: 500 }, (_, n) => wire(form, ocspRequest({ hashes, serial: serial(n * 2) })))
  let next = 0
  const kept = (form: Form): Case => {
    const requests = wired(form)
    return { name: `kept ${form}`, server, share: 1, requests: (count) => repeated(requests, count) }
  }
  let asked = 0
  const withNonce = (form: Form): Case => ({
    name: `nonce ${form}`,
    server,
    share: 0.5,
    requests: (count) => {
      // Of a large table each asks about another certificate: none is in memory.
      const of = () => ({ hashes, serial: serial((asked++ * 7919) % certificates), nonce: randomBytes(32) })
      const requests = Array.from({ length: count }, () => wire(form, ocspRequest(of())))
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
async function measure({ server, requests, share }: Case, { answers, clients }: OcspBench): Promise<number> {
  const count = Math.max(clients, Math.round(answers * share))
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

async function cases(bench: OcspBench, folder: string, stops: (() => Promise<unknown>)[]): Promise<Case[]> {
  const nodeArgs = ['--use-largepages=silent']
  const profiling = bench.profile ? ['--cpu-prof', `--cpu-prof-dir=${resolve(bench.profile)}`] : []
  const started = <S extends OcspServer>(server: S): S => {
    stops.push(server.stop)
    return server
  }
  const own = { folder, entry: resolve(bench.entry), nodeArgs }
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
  const plain = casesOf(server, small).slice(0, 2)
  for (const bare of [
    started(await startBareHono(folder, size, nodeArgs)),
    started(await startBareNode(folder, size, { signs: false, nodeArgs })),
    started(await startBareNode(folder, size, { signs: true, nodeArgs })),
  ])
    all.push(...plain.map((like) => ({ ...like, name: like.name.replace('kept', 'bare'), server: bare })))
  const openssl = started(await startOpensslOcsp(folder, small))
  const theirs = casesOf({ ...server, hashes: issuerHashes(readCertificate(openssl.ca)) }, small).filter(({ name }) =>
    name.endsWith('POST'),
  )
  all.push(...theirs.map((like) => ({ ...like, server: openssl, share: 0.1 })))
  if (bench.large > 0) {
    const certificates = bench.large
    all.push(
      ...casesOf(started(await startOcspCountersign({ ...own, name: 'SQLite, large', certificates })), certificates),
    )
  }
  if (bench.postgres) {
    const cluster = await startBenchCluster()
    stops.unshift(() => cluster.stop())
    const options = { ...own, name: 'PostgreSQL, 10^3', certificates: small, databaseUrl: cluster.url }
    all.push(...casesOf(started(await startOcspCountersign(options)), small))
    if (bench.large > 0) {
      const other = await startBenchCluster()
      stops.unshift(() => other.stop())
      const large = { ...options, name: 'PostgreSQL, large', certificates: bench.large, databaseUrl: other.url }
      all.push(...casesOf(started(await startOcspCountersign(large)), bench.large))
    }
  }
  const { only } = bench
  return only ? all.filter(({ name, server }) => only.test(`${server.name} ${name}`)) : all
}

/** Every case in turn, round by round; whoever is first in one round is last in the next. */
export async function measureOcsp(bench: OcspBench): Promise<OcspFigure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-ocsp-'))
  const stops: (() => Promise<unknown>)[] = []
  try {
    const playing = await cases(bench, folder, stops)
    // JavaScript gets faster for tens of thousands of answers.
    for (let warmUp = 0; warmUp < 3; warmUp++) for (const each of playing) await measure(each, bench)
    const found = new Map<Case, number[]>(playing.map((each) => [each, []]))
    for (let round = 0; round < bench.rounds; round++)
      for (const each of round % 2 ? [...playing].reverse() : playing) found.get(each)?.push(await measure(each, bench))
    return [...found].map(([{ name, server }, costs]) => ({ server: server.name, name, costs }))
  } finally {
    for (const stop of stops.reverse()) await stop()
    rmSync(folder, { recursive: true, force: true })
  }
}
