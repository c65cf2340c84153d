import { setTimeout as delay } from 'node:timers/promises'

/** Asks again and again until there is an answer. Throws, with what was wanted, when there is none in time. */
export async function until<T>(
  wanted: string,
  ask: () => Promise<T | undefined>,
  { within = 60_000, every = 100 } = {},
): Promise<T> {
  const end = Date.now() + within
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (Date.now() > end) throw new Error(`not within ${within} ms: ${wanted}`)
    await delay(every)
  }
}
