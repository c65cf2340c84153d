import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ATTRIBUTE, PKI_STATUS } from '../../protocols/scep/attributes.ts'
import { readString } from '../../src/pki/der.ts'
import { nameText } from '../../src/pki/name.ts'
import { readSignedData } from '../../src/pki/signedData.ts'
import { startCluster } from '../helpers/cluster.ts'
import type { Party } from '../helpers/cms.ts'
import { csrOf, device, issuerAndSubject, leafOf, readReply, scepMessage } from '../helpers/scepClient.ts'
import { play } from './ocspClient.ts'
import { median } from './report.ts'
import { type Asked, createFloor, floorOf } from './scepFloor.ts'
import { ISSUERS, type IssuerKey, profileOf, type ScepProfile, type ScepServer, startScepServer } from './scepServer.ts'
import { usageOf } from './usage.ts'

interface ScepCase {
  asked: Asked
  issuer: IssuerKey
  /** So many messages, made before anything is measured. */
  messages(count: number): Promise<Sent[]>
  expected: keyof typeof PKI_STATUS
}

interface Sent {
  wire: Buffer
  name: string
  by: Party
}

const DEVICES = 16
/** So that the audit chain's sealing is counted with what it seals. */
const SETTLED_AFTER = 1_200
/** One answer of so many is opened, and its certificate looked at. */
const LOOKED_AT = 50

const post = (profile: ScepProfile, body: Buffer): Buffer => {
  const head = `POST /scep/${profile}?operation=PKIOperation HTTP/1.1\r\nHost: localhost\r\n`
  const type = 'Content-Type: application/x-pki-message\r\n'
  return Buffer.concat([Buffer.from(`${head}${type}Content-Length: ${body.length}\r\n\r\n`), body])
}

let made = 0

/** The cases of an issuing key. `enrolled` and `waiting` are made with it: what polls ask for. */
async function scepCases(server: ScepServer, issuer: IssuerKey, polled = 200): Promise<ScepCase[]> {
  const devices = Array.from({ length: DEVICES }, (_, i) => device(`bench ${i}`))
  const profile = profileOf(issuer)
  const orders = (to: ScepProfile) => async (count: number) => {
    const sent: Sent[] = []
    for (let at = 0; at < count; at++) {
      const by = devices[at % DEVICES] as Party
      const name = `d${made++}.bench.test`
      const data = csrOf(by, { subject: { CN: name } })
      sent.push({
        by,
        name,
        wire: post(to, await scepMessage({ by, to: server.recipients[to], data, transactionId: name })),
      })
    }
    return sent
  }
  const polls = (to: ScepProfile, orders: Sent[]) => (count: number) =>
    Promise.all(
      Array.from({ length: count }, async (_, at) => {
        const { by, name } = orders[at % orders.length] as Sent
        const data = issuerAndSubject({ CN: 'bench' }, { CN: name })
        const poll = { type: 'CertPoll', by, to: server.recipients[to], data, transactionId: name } as const
        return { by, name, wire: post(to, await scepMessage(poll)) }
      }),
    )
  const begun = async (to: ScepProfile, expected: ScepCase['expected']) => {
    const sent = await orders(to)(polled)
    await send(server, sent, expected, 8)
    return sent
  }
  const issued = await begun(profile, 'SUCCESS')
  const waiting = await begun('waiting', 'PENDING')
  return [
    { asked: 'enrol', issuer, messages: orders(profile), expected: 'SUCCESS' },
    { asked: 'poll, issued', issuer, messages: polls(profile, issued), expected: 'SUCCESS' },
    ...(issuer === 'P-256'
      ? [{ asked: 'poll, waits', issuer, messages: polls('waiting', waiting), expected: 'PENDING' } as const]
      : []),
  ]
}

async function send(server: ScepServer, sent: Sent[], expected: ScepCase['expected'], connections: number) {
  const byWire = sent.values()
  const looked: Promise<void>[] = []
  // Answers come in the order of requests only on each connection: so each answer says itself which it is to.
  const byName = new Map(sent.map((each) => [each.name, each]))
  let answers = 0
  const check = (answer: Buffer) => {
    const body = answer.subarray(answer.indexOf('\r\n\r\n') + 4)
    if (!answer.toString('latin1', 0, 15).startsWith('HTTP/1.1 200')) throw new Error(answer.toString('latin1'))
    const { attributes } = readSignedData(body)
    const text = (oid: string) => readString(attributes.get(oid) ?? never(oid))
    if (text(ATTRIBUTE.pkiStatus) !== PKI_STATUS[expected]) throw new Error(`not ${expected}`)
    const order = byName.get(text(ATTRIBUTE.transactionId))
    if (!order) throw new Error('an answer to nothing that was asked')
    if (expected === 'SUCCESS' && answers++ % LOOKED_AT === 0) looked.push(look(body, order))
  }
  const wires = (function* () {
    for (const { wire } of byWire) yield wire
  })()
  const count = await play(server, wires, connections, check)
  await Promise.all(looked)
  return count
}

async function look(body: Buffer, { by, name }: Sent): Promise<void> {
  const { subject } = leafOf(await readReply(body, by))
  if (nameText(subject) !== `CN=${name}`) throw new Error(`${name} got the certificate of ${nameText(subject)}`)
}

function never(oid: string): never {
  throw new Error(`an answer without the attribute ${oid}`)
}

/** What a case cost in one round, in milliseconds of CPU for each answer. */
interface ScepCost {
  case: ScepCase
  cpu: number
  floor: number
}

export interface ScepLine {
  asked: Asked
  issuer: IssuerKey
  cpu: number
  floor: number
  ratio: number
  /** Of all rounds. */
  least: number
  most: number
}

interface Size {
  rounds: number
  /** Of each case in each round. */
  answers: number
  clients: number
}

/** A server of its own, all cases or those whose name has `only` in it. */
export async function measureScep({
  entry,
  postgres = false,
  profile,
  only = '',
  ...size
}: Size & { entry: string; postgres?: boolean; profile?: string; only?: string }): Promise<ScepLine[]> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-scep-'))
  const stops: (() => Promise<unknown>)[] = []
  try {
    const cluster = postgres ? await startCluster({ durable: true }) : undefined
    if (cluster) stops.push(() => cluster.stop())
    const profiling = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(profile)}`]
    const server = await startScepServer({
      folder,
      entry: resolve(entry),
      nodeArgs: ['--use-largepages=silent', ...profiling],
      ...(cluster ? { databaseUrl: cluster.url } : {}),
    })
    stops.push(server.stop)
    const all = (await Promise.all(ISSUERS.map((issuer) => scepCases(server, issuer)))).flat()
    const cases = all.filter(({ asked, issuer }) => `${asked} ${issuer}`.includes(only))
    return await scepRounds(server, cases, size)
  } finally {
    for (const stop of stops.reverse()) await stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Rounds of all cases, in turn; the floor is measured beside each. */
async function scepRounds(
  server: ScepServer,
  cases: readonly ScepCase[],
  { rounds, answers, clients }: Size,
): Promise<ScepLine[]> {
  const floor = createFloor()
  const costs: ScepCost[] = []
  for (let round = 0; round <= rounds; round++) {
    for (const each of round % 2 ? [...cases].reverse() : cases) {
      const sent = await each.messages(answers)
      const least = floor()
      const before = usageOf(server.pid)
      const count = await send(server, sent, each.expected, clients)
      await delay(SETTLED_AFTER)
      const after = usageOf(server.pid)
      const again = floor()
      const cpu = (after.user + after.system - before.user - before.system) / count
      const around = [least, again].map((one) => floorOf(each.asked, each.issuer, one))
      // The first round warms up.
      if (round > 0) costs.push({ case: each, cpu, floor: median(around) })
    }
  }
  return cases.map((each) => {
    const own = costs.filter((cost) => cost.case === each)
    const ratios = own.map(({ cpu, floor }) => cpu / floor)
    return {
      asked: each.asked,
      issuer: each.issuer,
      cpu: median(own.map(({ cpu }) => cpu)),
      floor: median(own.map(({ floor }) => floor)),
      ratio: median(ratios),
      least: Math.min(...ratios),
      most: Math.max(...ratios),
    }
  })
}

export function scepTable(lines: readonly ScepLine[]): string {
  const head =
    '| asked | issuing key | CPU ms | a CPU second | floor ms | ratio |\n| --- | --- | ---: | ---: | ---: | ---: |\n'
  const rows = lines.map(({ asked, issuer, cpu, floor, ratio, least, most }) => {
    const range = `${ratio.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)})`
    return `| ${asked} | ${issuer} | ${cpu.toFixed(2)} | ${(1000 / cpu).toFixed(0)} | ${floor.toFixed(2)} | ${range} |\n`
  })
  return head + rows.join('')
}
