import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { databases } from '../helpers/databases.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'
import { until } from '../helpers/until.ts'
import { acmeClient } from './crowd/acmeClient.ts'
import { examine, examineStatus, underWay } from './crowd/check.ts'
import type { Client, Crowd } from './crowd/crowd.ts'
import { estClient, scepClient } from './crowd/deviceClients.ts'
import { openLedger } from './crowd/ledger.ts'
import { type Line, Over, openLine } from './crowd/line.ts'
import { long, seeded } from './crowd/random.ts'
import { alpaconClient, fastpkiClient, notaryClient, restClient } from './crowd/restClients.ts'
import { consoleVoter } from './crowd/voter.ts'
import { startCrowdWorld } from './crowd/world.ts'

/** For so long one node after the other is killed, and so often at least. */
const DURATION = long ? 600_000 : 10_000
const LEAST = 3

let crowd: Crowd
let nodes: ServerProcess[] = []
let web: Server
let thumbprint = ''
let close = async () => {}

beforeAll(async () => {
  const opened = await databases.find(({ name }) => name === 'postgres')?.openEmpty()
  if (!opened) throw new Error('no PostgreSQL')
  close = opened.close
  const world = await startCrowdWorld(opened.url)
  const { server } = world
  // The others are the same as the first to whoever asks.
  const env = {
    COUNTERSIGN_LOG_LEVEL: 'error',
    COUNTERSIGN_KEY_SECRET: readFileSync(join(server.dataFolder, 'key.secret'), 'utf8').trim(),
    COUNTERSIGN_BASE_URL: server.baseUrl,
    COUNTERSIGN_MTLS_BASE_URL: server.mtlsBaseUrl,
    COUNTERSIGN_HTTP_BASE_URL: server.httpUrl,
    COUNTERSIGN_HTTP01_PORT: String(server.http01Port),
  }
  const another = () => startServer({ databaseUrl: opened.url, env })
  nodes = [server, ...(await Promise.all([another(), another()]))]
  crowd = { world, line: lineTo(nodes, world.ca), ledger: openLedger(), random: seeded() }
  web = createServer((request, response) => response.end(`${request.url?.split('/').at(-1)}.${thumbprint}`))
  await new Promise<void>((resolve) => web.listen(server.http01Port, '127.0.0.1', resolve))
}, 120_000)
afterAll(async () => {
  crowd?.line.end()
  web?.close()
  await Promise.all(nodes.map((node) => node.stop()))
  await close()
})

/** Each request goes to the next node, whoever sends it: nothing is sticky. What was cut off is sent again, and so to another. */
function lineTo(nodes: readonly ServerProcess[], ca: Buffer): Line {
  const line = openLine(ca)
  const portsOf = ({ baseUrl, mtlsBaseUrl, httpUrl }: ServerProcess) =>
    [baseUrl, mtlsBaseUrl, httpUrl].map((url) => new URL(url).port)
  const ports = nodes.map(portsOf)
  let turn = 0
  const ask: Line['ask'] = (url, asked) => {
    const to = new URL(url)
    const kind = ports[0]?.indexOf(to.port) ?? -1
    turn = (turn + 1) % nodes.length
    to.port = ports[turn]?.[kind] ?? to.port
    return line.ask(to.href, asked)
  }
  return { ...line, ask, insist: (url, asked) => line.again(() => ask(url, asked)) }
}

async function keepOn(client: Client): Promise<void> {
  try {
    for (let number = 0; ; number++) await client(number)
  } catch (error) {
    if (!(error instanceof Over)) throw error
  }
}

async function answers({ line: { counts } }: Crowd, more: number): Promise<void> {
  const enough = counts.answered + more
  await until('answers', async () => (counts.answered >= enough ? true : undefined), { every: 2 })
}

/** Kills one after the other, each amidst the work of all, and starts it again while the others serve. */
async function killInTurn({ random }: Crowd): Promise<number> {
  const end = performance.now() + DURATION
  let kills = 0
  while (performance.now() < end || kills < LEAST) {
    await answers(crowd, random.between(1, 40))
    const victim = nodes[random.between(0, nodes.length - 1)]
    await victim?.kill('SIGKILL')
    kills++
    await answers(crowd, random.between(5, 20))
    await victim?.restart()
  }
  return kills
}

it('three nodes, one killed after the other: clients see retries, and nothing else', {
  timeout: 120_000 + DURATION * 2,
}, async () => {
  const { line, ledger, random } = crowd
  const seed = `COUNTERSIGN_FAULTS_SEED=${random.seed}`
  process.stdout.write(`${seed}\n`)
  const acme = acmeClient(crowd, (mine) => {
    thumbprint = mine
  })
  const others = [restClient, estClient, scepClient, notaryClient, fastpkiClient, alpaconClient, consoleVoter]
  const work = Promise.all([acme, ...others.map((make) => make(crowd))].map(keepOn))
  // Whoever waits below hears of it; nobody else has to.
  work.catch(() => {})
  const kills = await Promise.race([killInTurn(crowd), work])
  // A request whose node died is taken up when its lease has run out.
  if (long)
    await until('every order that was allowed has gone on by itself', async () =>
      (await underWay(crowd)) === 0 ? true : undefined,
    )
  await line.hold()
  line.end()
  await work
  expect(await examine(crowd, { audit: true }), seed).toEqual([])
  for (const server of nodes) {
    const asked = { ...crowd, world: { ...crowd.world, server } }
    expect(await examineStatus(asked, [...ledger.serials.keys()].slice(long ? 0 : -40)), seed).toEqual([])
  }
  const spoken = new Set(ledger.requests.values())
  expect([...spoken].sort()).toEqual(['acme', 'alpacon', 'est', 'fastpki', 'notary', 'rest', 'scep'])
  expect(line.counts.cut).toBeGreaterThan(0)
  const { answered, cut } = line.counts
  process.stdout.write(`${kills} kills; ${ledger.requests.size} orders; ${answered} answered, ${cut} cut off\n`)
})
