import type { TestProject } from 'vitest/node'
import { type Cluster, startCluster } from './cluster.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Of the private PostgreSQL; empty in projects that need none. */
    postgresUrl: string
  }
}

/** Vitest sets up each project by itself, with modules of its own: what they share hangs on the process. */
interface Shared {
  cluster: Promise<Cluster>
  users: number
}

const key = Symbol.for('countersign.test.postgres')
const place = globalThis as { [key]?: Shared }
const needless = new Set(['unit', ''])

/** Starts one PostgreSQL for all projects of a run. */
export async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  if (needless.has(project.name)) {
    project.provide('postgresUrl', '')
    return undefined
  }
  const shared = place[key] ?? { cluster: startCluster(), users: 0 }
  place[key] = shared
  shared.users++
  project.provide('postgresUrl', (await shared.cluster).url)
  return async () => {
    if (--shared.users > 0) return
    delete place[key]
    await (await shared.cluster).stop()
  }
}
