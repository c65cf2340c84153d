import { createServer, type Server } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databases } from '../helpers/databases.ts'
import { until } from '../helpers/until.ts'
import { acmeClient } from './crowd/acmeClient.ts'
import { examine, examineStatus, underWay } from './crowd/check.ts'
import type { Client, Crowd } from './crowd/crowd.ts'
import { estClient, scepClient } from './crowd/deviceClients.ts'
import { openLedger } from './crowd/ledger.ts'
import { Over, openLine } from './crowd/line.ts'
import { rounds, seeded } from './crowd/random.ts'
import { alpaconClient, fastpkiClient, notaryClient, restClient } from './crowd/restClients.ts'
import { consoleVoter } from './crowd/voter.ts'
import { startCrowdWorld } from './crowd/world.ts'

const kills = rounds(5, 200)
/** On a machine that is busy with much else; a round and its check take some seconds where it is not. */
const time = 60_000 + kills * 60_000

const contracts = ['acme', 'alpacon', 'est', 'fastpki', 'notary', 'rest', 'scep']

describe.each(databases)('SIGKILL at random while a crowd works over every contract, on $name', (database) => {
  let crowd: Crowd
  let web: Server
  let thumbprint = ''
  let close = async () => {}

  beforeAll(async () => {
    const opened = database.name === 'postgres' ? await database.openEmpty() : undefined
    close = opened?.close ?? close
    const world = await startCrowdWorld(opened?.url)
    crowd = { world, line: openLine(world.ca), ledger: openLedger(), random: seeded() }
    web = createServer((request, response) => response.end(`${request.url?.split('/').at(-1)}.${thumbprint}`))
    await new Promise<void>((resolve) => web.listen(world.server.http01Port, '127.0.0.1', resolve))
  }, 120_000)
  afterAll(async () => {
    crowd.line.end()
    web.close()
    await crowd.world.server.stop()
    await close()
  })

  it(`${kills} times: nothing acknowledged is lost, nothing is there twice`, { timeout: time }, async () => {
    const { world, line, ledger, random } = crowd
    const { server } = world
    const seed = `COUNTERSIGN_FAULTS_SEED=${random.seed}`
    process.stdout.write(`${database.name}: ${seed}\n`)
    const clients = [
      acmeClient(crowd, (mine) => {
        thumbprint = mine
      }),
      ...[restClient, estClient, scepClient, notaryClient, fastpkiClient, alpaconClient, consoleVoter].map((make) =>
        make(crowd),
      ),
    ]
    const work = Promise.all(clients.map(keepOn))
    // Whoever waits below hears of it; nobody else has to.
    work.catch(() => {})
    await Promise.race([everyContract(crowd), work])
    for (let round = 1; round <= kills; round++) {
      const before = ledger.revoked.size
      await Promise.race([answers(crowd, random.between(1, 60)), work])
      await delay(random.between(0, 20))
      await server.kill('SIGKILL')
      await line.hold()
      await server.restart()
      const told = `${seed}, after kill ${round} of ${kills}`
      const last = round === kills
      expect(await examine(crowd, { audit: round % 10 === 0 || last }), told).toEqual([])
      const fresh = [...ledger.revoked].slice(before)
      const others = [...ledger.serials.keys()].slice(-5)
      expect(await examineStatus(crowd, [...fresh, ...others]), told).toEqual([])
      line.go()
      if (round % 20 === 0) process.stdout.write(`${database.name}: ${round} kills, ${ledger.requests.size} orders\n`)
    }
    await until('every order that was allowed has gone on by itself', async () =>
      (await underWay(crowd)) === 0 ? true : undefined,
    )
    await line.hold()
    line.end()
    await work
    expect(await examine(crowd, { audit: true }), seed).toEqual([])
    expect(await examineStatus(crowd, [...ledger.serials.keys()]), seed).toEqual([])
    const audit = await server.cli(['audit', 'verify', '--json'])
    expect(JSON.parse(audit.stdout).problems).toEqual([])
    const { requests, certificates, revoked, votes } = ledger
    const sizes = `${requests.size} orders, ${certificates.size} certificates, ${revoked.size} revocations, ${votes.size} votes`
    const { answered, cut } = line.counts
    process.stdout.write(`${database.name}: ${kills} kills; ${sizes}; ${answered} requests answered, ${cut} cut off\n`)
  })

  /** Until each contract has an order on record, and somebody has voted. */
  const everyContract = ({ ledger }: Crowd) =>
    until('something by every contract', async () => {
      const spoken = new Set(ledger.requests.values())
      return contracts.every((one) => spoken.has(one)) && ledger.votes.size * ledger.revoked.size > 0 ? true : undefined
    })

  /** So many more: what a machine is busy with beside this changes when, and not amidst what, the server is killed. */
  async function answers({ line: { counts } }: Crowd, more: number): Promise<void> {
    const enough = counts.answered + more
    await until('answers', async () => (counts.answered >= enough ? true : undefined), { every: 2 })
  }

  async function keepOn(client: Client): Promise<void> {
    try {
      for (let number = 0; ; number++) await client(number)
    } catch (error) {
      if (!(error instanceof Over)) throw error
    }
  }
})
