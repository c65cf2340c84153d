import { Failure } from './failure.ts'

/** Work of one kind, of which so much runs at a time in this process and so much may wait. */
export interface Places {
  readonly name: string
  readonly running: number
  readonly waiting: number
  /** Runs the work when its turn has come, and answers and throws as it does. Throws Failure('unavailable') at once where too much waits. */
  take<T>(work: () => Promise<T>): Promise<T>
}

interface Bounds {
  /** One word for metrics. */
  name: string
  atOnce: number
  waiting: number
  /** What there is too much of: "too many keys are being made". */
  full: string
}

const made: Places[] = []

/** All of this process, for metrics. */
export function allPlaces(): readonly Places[] {
  return made
}

/** Once for each kind of work, where the module is loaded. */
export function createPlaces({ name, atOnce, waiting: most, full }: Bounds): Places {
  const waiting: (() => void)[] = []
  let running = 0

  async function turn(): Promise<void> {
    if (running < atOnce) {
      running++
      return
    }
    if (waiting.length >= most) throw new Failure('unavailable', `${full}: ask again soon`, { retryAfter: 10 })
    await new Promise<void>((resolve) => waiting.push(resolve))
  }

  const places: Places = {
    name,
    get running() {
      return running
    },
    get waiting() {
      return waiting.length
    },
    async take(work) {
      await turn()
      try {
        return await work()
      } finally {
        // Whoever waits longest takes the place over.
        const next = waiting.shift()
        if (next) next()
        else running--
      }
    },
  }
  made.push(places)
  return places
}
