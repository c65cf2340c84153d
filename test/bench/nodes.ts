import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Contestant, Surroundings } from './contestant.ts'
import { type Countersign, startCountersign } from './countersign.ts'
import { startBenchCluster } from './ocspServers.ts'
import { usageWithChildren } from './usage.ts'

interface Options {
  name: string
  /** Path of the bundle's main.js. */
  entry: string
  nodeArgs: string[]
  /** How many processes share the database. */
  count: number
}

/** Countersign on a durable PostgreSQL that nobody else uses, as one node or as several equal ones. */
export async function startOnPostgres({ count, ...options }: Options, around: Surroundings): Promise<Contestant> {
  const cluster = await startBenchCluster()
  const started: Countersign[] = []
  const stop = async () => {
    for (const node of started) await node.stop()
    await cluster.stop()
  }
  const shared = { DATABASE_URL: cluster.url, COUNTERSIGN_KEY_SECRET: 'the same on all nodes, and long enough' }
  try {
    const first = await startCountersign({ ...options, env: shared }, around)
    started.push(first)
    const env = { ...shared, ...first.addresses }
    for (let n = 2; n <= count; n++)
      started.push(await startCountersign({ ...options, name: `${options.name}, node ${n}`, env }, around))
    const postmaster = postmasterOf(cluster.url)
    return {
      name: options.name,
      nodes: started.flatMap(({ nodes }) => nodes),
      directory: first.directory,
      ca: first.ca,
      async database() {
        const all = await Promise.all(started.map((node) => node.database()))
        const sum = (of: 'statements' | 'commits') => all.reduce((total, one) => total + (one?.[of] ?? 0), 0)
        return { statements: sum('statements'), commits: sum('commits') }
      },
      postgres: () => usageWithChildren(postmaster),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The process that all others of a private cluster are children of. */
function postmasterOf(url: string): number {
  const folder = new URL(url).searchParams.get('host') ?? ''
  return Number.parseInt(readFileSync(join(folder, 'data/postmaster.pid'), 'latin1'), 10)
}
