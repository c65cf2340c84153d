import { type Profiler, Session } from 'node:inspector'

/** A block of our own code: of the function with this key the range, or all of it. */
export interface Block {
  key: string
  range: Range | undefined
}

/** Which blocks of our own code have run, as V8 counts them. */
export interface Coverage {
  /** Blocks that ran since the last look and never before. */
  fresh(): Block[]
  /** Those of these blocks that did not run since the last look. */
  left(blocks: readonly Block[]): Block[]
  readonly blocks: number
}

type Range = Profiler.CoverageRange

let counting: Session | undefined

/** V8 counts the blocks of functions that it compiles from now on, and so those that have not been called yet: the earlier the better. */
export function startCounting(): Session {
  if (counting) return counting
  counting = new Session()
  counting.connect()
  counting.post('Profiler.enable')
  counting.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  return counting
}

const OURS = /\/(?:src|protocols)\/[^?]*\.tsx?(?:\?|$)|\/(?:@marcbachmann\/cel-js|yaml)\//

/**
 * V8's precise coverage by blocks. Of a function that ran, V8 names the blocks that did not: of each the blocks that have never run are kept, and
 * one that is not among them any more has run for the first time.
 */
export function watchCoverage(): Coverage {
  const session = startCounting()
  const missing = new Map<string, Range[]>()
  let blocks = 0

  function see(key: string, idle: Range[]): Block[] {
    const before = missing.get(key)
    if (!before) {
      missing.set(key, idle)
      return [{ key, range: undefined }]
    }
    if (before.length === 0) return []
    const left = before.filter((range) => isIdle(range, idle))
    missing.set(key, left)
    return before.filter((range) => !left.includes(range)).map((range) => ({ key, range }))
  }

  /** Of every function that ran since the last look the blocks that did not. */
  function look(): Map<string, Range[]> {
    const ran = new Map<string, Range[]>()
    session.post('Profiler.takePreciseCoverage', (error, taken) => {
      if (error) throw error
      for (const { scriptId, url, functions } of taken.result) {
        if (!OURS.test(url)) continue
        for (const { ranges, functionName } of functions) {
          const [whole, ...inner] = ranges
          if (whole && whole.count > 0)
            ran.set(
              `${scriptId} ${functionName} ${whole.startOffset}`,
              inner.filter(({ count }) => count === 0),
            )
        }
      }
    })
    return ran
  }

  // What ran before is not this search's.
  look()
  return {
    fresh() {
      const found = [...look()].flatMap(([key, idle]) => see(key, idle))
      blocks += found.length
      return found
    },
    left(wanted) {
      const seen = look()
      return wanted.filter(({ key, range }) => {
        const idle = seen.get(key)
        return idle === undefined || (range !== undefined && isIdle(range, idle))
      })
    },
    get blocks() {
      return blocks
    },
  }
}

function isIdle({ startOffset, endOffset }: Range, idle: readonly Range[]): boolean {
  return idle.some((range) => range.startOffset <= startOffset && range.endOffset >= endOffset)
}
