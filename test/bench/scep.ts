// npm run bench:scep: enrolments and polls by SCEP a CPU second of the server, beside the public-key operations that they cannot do without. See docs/performance.md.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from '../helpers/bundle.ts'
import { startCluster } from '../helpers/cluster.ts'
import { scepCases, scepRounds, scepTable } from './scepRounds.ts'
import { ISSUERS, startScepServer } from './scepServer.ts'

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    /** Of each case in each round. */
    answers: { type: 'string', default: '400' },
    clients: { type: 'string', default: '16' },
    entry: { type: 'string', default: join(root, 'dist/main.js') },
    postgres: { type: 'boolean', default: false },
    /** Writes a CPU profile of the server to this folder. */
    profile: { type: 'string' },
    /** A part of the case's name. */
    only: { type: 'string', default: '' },
  },
})

const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-scep-'))
const stops: (() => Promise<unknown>)[] = []
try {
  const profiling = flags.profile ? ['--cpu-prof', `--cpu-prof-dir=${resolve(flags.profile)}`] : []
  const cluster = flags.postgres ? await startCluster() : undefined
  if (cluster) stops.push(() => cluster.stop())
  const server = await startScepServer({
    folder,
    entry: resolve(flags.entry),
    nodeArgs: ['--use-largepages=silent', ...profiling],
    ...(cluster ? { databaseUrl: cluster.url } : {}),
  })
  stops.push(server.stop)
  const all = (await Promise.all(ISSUERS.map((issuer) => scepCases(server, issuer)))).flat()
  const cases = all.filter(({ asked, issuer }) => `${asked} ${issuer}`.includes(flags.only))
  const [rounds, answers, clients] = [Number(flags.rounds), Number(flags.answers), Number(flags.clients)]
  process.stdout.write(scepTable(await scepRounds(server, cases, { rounds, answers, clients })))
} finally {
  for (const stop of stops.reverse()) await stop()
  rmSync(folder, { recursive: true, force: true })
}
