import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below those that the system gives to outgoing connections, so that nobody takes one meanwhile by chance. */
const LOWEST = 18_000
const HIGHEST = 32_000

/** Each worker has ports of its own: to look whether one is free takes it for a moment, maybe from a server of another that is about to listen there. */
const WORKERS = 4
const SHARE = Math.floor((HIGHEST - LOWEST) / WORKERS)
const first = LOWEST + (Number(process.env.VITEST_POOL_ID ?? 0) % WORKERS) * SHARE

/** Who was given one may not listen there yet. */
const given = new Set<number>()

/** Ports of this machine on which nobody listens, all different, and none twice. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>()
  for (let tries = 0; ports.size < count; tries++) {
    if (tries > 1000) throw new Error('no free ports')
    const port = randomInt(first, first + SHARE)
    if (given.has(port)) continue
    given.add(port)
    if (await isFree(port)) ports.add(port)
  }
  return [...ports]
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  server.listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}
