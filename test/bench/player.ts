import { LockedUp } from './connection.ts'
import type { Contestant } from './contestant.ts'
import { type Cost, measure, openAccount } from './measure.ts'
import type { Responder } from './responder.ts'
import { peakMemory } from './usage.ts'

/** A server that takes part, batch by batch. */
export interface Player {
  name: string
  /** undefined when it could not be brought to do so. */
  batch(concurrency: number, certificates: number): Promise<Cost | undefined>
  /** MiB, of all its nodes. */
  peak(): number
  /** How often a batch had to be made again, because the server no longer answered. */
  lockUps(): number
  stop(): Promise<void>
}

/** The same process, or processes, for the whole run; each is warmed up with as many before the first batch. */
export async function kept(contestant: Contestant, responder: Responder, warmUp: number): Promise<Player> {
  const account = await openAccount(contestant, responder)
  await measure(account, 8, warmUp * contestant.nodes.length)
  return {
    name: contestant.name,
    batch: (concurrency, certificates) => measure(account, concurrency, certificates),
    peak: () => peakOf(contestant),
    lockUps: () => 0,
    stop: contestant.stop,
  }
}

const peakOf = ({ nodes }: Contestant) => nodes.reduce((sum, { pid }) => sum + peakMemory(pid), 0)

const MAX_TRIES = 10
/** More in one process would only make it more likely to lock up; less could not be measured in steps of 10 ms. */
const MAX_CERTIFICATES = 200

/**
 * A new process for each batch. Pebble looks through all authorizations that it has ever made at each order, so that an old one costs more; and
 * with many orders at once it locks up now and then (newOrder and the reading of an authorization take two locks in opposite order).
 */
export function renewed(start: () => Promise<Contestant>, responder: Responder, warmUp: number): Player {
  let peak = 0
  let lockUps = 0
  const attempt = async (concurrency: number, certificates: number) => {
    const contestant = await start()
    try {
      const account = await openAccount(contestant, responder)
      await measure(account, concurrency, warmUp)
      return await measure(account, concurrency, Math.min(certificates, MAX_CERTIFICATES))
    } catch (error) {
      if (!(error instanceof LockedUp)) throw error
      lockUps++
      return undefined
    } finally {
      peak = Math.max(peak, peakOf(contestant))
      await contestant.stop()
    }
  }
  return {
    name: 'pebble',
    async batch(concurrency, certificates) {
      for (let tries = 0; tries < MAX_TRIES; tries++) {
        const cost = await attempt(concurrency, certificates)
        if (cost) return cost
      }
      return undefined
    },
    peak: () => peak,
    lockUps: () => lockUps,
    stop: async () => {},
  }
}
