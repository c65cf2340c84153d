import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { databases } from '../helpers/databases.ts'
import { bundleNextVersion, type NextVersion } from '../helpers/nextVersion.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'
import { until } from '../helpers/until.ts'
import { examine } from './crowd/check.ts'
import type { Crowd } from './crowd/crowd.ts'
import { estClient } from './crowd/deviceClients.ts'
import { openLedger } from './crowd/ledger.ts'
import { Over, openLine } from './crowd/line.ts'
import { seeded } from './crowd/random.ts'
import { restClient } from './crowd/restClients.ts'
import { startCrowdWorld } from './crowd/world.ts'

/** Tables that every order reads whole and writes, of which this version knows nothing more. */
const next = {
  '9998-later': `async (db) => {
    await sql\`alter table sign_requests add column later bigint\`.execute(db)
    await sql\`alter table certificates add column later text not null default 'x'\`.execute(db)
  }`,
  '9999-narrower': `contracting(async (db) => {
    await sql\`alter table sign_requests drop column later\`.execute(db)
  })`,
}

let crowd: Crowd
let newer: NextVersion
let upgraded: ServerProcess | undefined
let close = async () => {}
let databaseUrl = ''

beforeAll(async () => {
  const opened = await databases.find(({ name }) => name === 'postgres')?.openEmpty()
  if (!opened) throw new Error('no PostgreSQL')
  close = opened.close
  databaseUrl = opened.url
  newer = await bundleNextVersion(next)
  const world = await startCrowdWorld(databaseUrl)
  crowd = { world, line: openLine(world.ca), ledger: openLedger(), random: seeded() }
}, 120_000)
afterAll(async () => {
  crowd?.line.end()
  await upgraded?.stop()
  await crowd?.world.server.stop()
  newer?.remove()
  await close()
})

it('a newer version migrates beside one that serves, which serves on, and may start again until what it needs is taken away', async () => {
  const { world, line, ledger } = crowd
  const { server } = world
  const keepOn = async (client: (number: number) => Promise<void>) => {
    try {
      for (let number = 0; ; number++) await client(number)
    } catch (error) {
      if (!(error instanceof Over)) throw error
    }
  }
  const work = Promise.all([restClient, estClient].map((make) => keepOn(make(crowd))))
  work.catch(() => {})
  const more = async (count: number) => {
    const enough = ledger.certificates.size + count
    await Promise.race([until('certificates', async () => ledger.certificates.size >= enough || undefined), work])
  }
  await more(5)
  const env = {
    COUNTERSIGN_LOG_LEVEL: 'warn',
    COUNTERSIGN_KEY_SECRET: readFileSync(join(server.dataFolder, 'key.secret'), 'utf8').trim(),
    COUNTERSIGN_BASE_URL: server.baseUrl,
    COUNTERSIGN_HTTP_BASE_URL: server.httpUrl,
  }
  upgraded = await startServer({ databaseUrl, env, bundle: newer.folder })
  await more(5)
  await line.hold()
  await server.kill('SIGKILL')
  await server.restart({ COUNTERSIGN_LOG_LEVEL: 'warn' })
  await until('the log says it', async () => server.output().stderr.includes('9998-later') || undefined)
  line.go()
  await more(5)
  await line.hold()
  line.end()
  await work
  expect(await examine(crowd, { audit: true })).toEqual([])
  expect((await upgraded.cli(['migrate'])).stdout).toContain('left until no older version runs: 9999-narrower')
  await server.kill('SIGTERM')
  expect((await upgraded.cli(['migrate', '--contract'])).stdout).toContain('applied 9999-narrower')
  await expect(server.restart()).rejects.toThrow(/newer than this program.*9999-narrower/)
}, 180_000)
