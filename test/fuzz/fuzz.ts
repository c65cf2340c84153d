import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Coverage, watchCoverage } from './coverage.ts'
import { createRandom, type Random } from './random.ts'

/** Something that is given inputs and must stand them. */
export interface Target {
  name: string
  seeds: readonly Buffer[]
  mutate(input: Buffer, random: Random, other: Buffer): Buffer
  /** Throws, or rejects, only where there is a bug: refusals are caught in here. */
  run(input: Buffer): unknown
  /** Milliseconds of CPU for one input; absent: one second. */
  slow?: number
}

export interface Finding {
  target: string
  input: Buffer
  error: unknown
}

export interface Report {
  target: string
  runs: number
  /** Inputs that reached what none before had. */
  corpus: number
  blocks: number
  /** Mebioctets of heap more at the end than after the first tenth. */
  growth: number
  slowest: number
  findings: Finding[]
}

interface Bounds {
  seed: number
  milliseconds: number
  /** Ends earlier, after so many inputs beside the seeds. */
  runs?: number
  /** False: without looking at what was covered, and at the heap, both of which take their time. */
  led?: boolean
}

/** Inputs between two looks at what was covered: more of them where a look takes longer than a quarter of them. */
const BATCH = { least: 64, most: 4_096 }
const LARGEST = 16 * 1024
const MOST_KEPT = 2_000
/** Inputs of one batch that are looked for. */
const MOST_OF_BATCH = 8
const MOST_FINDINGS = 5
/** Milliseconds of CPU for one input. The largest of 16 KiB need some tens. */
const SLOW = 1_000
/** Mebioctets. */
const LEAK = 48

/** Gives a target inputs until the time is over: those of the corpus, changed; what reaches new code joins the corpus. */
export async function fuzz(
  target: Target,
  { seed, milliseconds, runs = Number.POSITIVE_INFINITY, led = true }: Bounds,
): Promise<Report> {
  const random = createRandom(seed)
  const corpus = [...target.seeds]
  const report: Report = { target: target.name, runs: 0, corpus: 0, blocks: 0, growth: 0, slowest: 0, findings: [] }
  const coverage = led ? watchCoverage() : undefined
  const strays: unknown[] = []
  const unheed = heedStrays(strays)
  try {
    for (const input of target.seeds) await attempt(target, input, { report, strays })
    coverage?.fresh()
    const most = report.runs + runs
    const begun = performance.now()
    let heap: number | undefined
    const pace = { batch: BATCH.least }
    while (performance.now() - begun < milliseconds && report.runs < most && report.findings.length < MOST_FINDINGS) {
      await round({ target, random, corpus, coverage, report, strays, pace })
      if (led && heap === undefined && performance.now() - begun > milliseconds / 10) heap = heapUsed(corpus)
    }
    if (heap !== undefined) report.growth = heapUsed(corpus) - heap
    if (report.growth > LEAK)
      found(report, Buffer.alloc(0), new Error(`the heap grew by ${report.growth.toFixed()} MiB`))
  } finally {
    unheed()
  }
  report.blocks = coverage?.blocks ?? 0
  report.corpus = corpus.length - target.seeds.length
  return report
}

/** What nobody else hears of comes here, until the answer is called. */
function heedStrays(strays: unknown[]): () => void {
  const kinds = ['unhandledRejection', 'uncaughtException'] as const
  const others = kinds.map((kind) => process.listeners(kind as 'uncaughtException'))
  const stray = (error: unknown) => void strays.push(error)
  for (const kind of kinds) process.removeAllListeners(kind).on(kind, stray)
  return () => {
    for (const [n, kind] of kinds.entries()) {
      process.off(kind, stray)
      for (const other of others[n] ?? []) process.on(kind, other)
    }
  }
}

interface Round {
  target: Target
  random: Random
  corpus: Buffer[]
  coverage: Coverage | undefined
  report: Report
  strays: unknown[]
  pace: { batch: number }
}

async function round({ target, random, corpus, coverage, report, strays, pace }: Round): Promise<void> {
  const inputs = Array.from({ length: pace.batch }, () => {
    // The newest have been tried least.
    const newest = random.chance(0.3) ? Math.max(0, corpus.length - 20) : 0
    const input = corpus[newest + random.below(corpus.length - newest)] ?? Buffer.alloc(0)
    return target.mutate(input, random, random.pick(corpus)).subarray(0, LARGEST)
  })
  const begun = performance.now()
  for (const input of inputs) await attempt(target, input, { report, strays })
  const ran = performance.now()
  const blocks = coverage?.fresh() ?? []
  if (performance.now() - ran > (ran - begun) / 4) pace.batch = Math.min(BATCH.most, pace.batch * 2)
  if (!coverage || blocks.length === 0) return
  for (let n = 0, left = blocks; n < MOST_OF_BATCH && left.length > 0; n++) {
    let some = inputs
    while (some.length > 1) {
      const half = some.slice(0, some.length >> 1)
      for (const input of half) await attempt(target, input, { report, strays })
      some = coverage.left(left).length < left.length ? half : some.slice(half.length)
    }
    for (const input of some) await attempt(target, input, { report, strays })
    const others = coverage.left(left)
    // What does not come again when the same is run again was not the input's doing.
    if (others.length === left.length) return
    left = others
    if (corpus.length >= MOST_KEPT)
      corpus.splice(target.seeds.length + random.below(MOST_KEPT - target.seeds.length), 1)
    corpus.push(...some.map((input) => Buffer.from(input)))
  }
}

async function attempt(
  target: Target,
  input: Buffer,
  { report, strays }: Pick<Round, 'report' | 'strays'>,
): Promise<void> {
  const before = process.cpuUsage()
  try {
    const outcome = target.run(input)
    if (outcome instanceof Promise) await outcome
  } catch (error) {
    found(report, input, error)
  }
  report.runs++
  // Rejections that nobody handles are told in a turn of their own.
  if (report.runs % 50 === 0) await turn()
  for (const error of strays.splice(0)) found(report, input, error)
  const used = process.cpuUsage(before)
  const milliseconds = (used.user + used.system) / 1_000
  report.slowest = Math.max(report.slowest, milliseconds)
  if (milliseconds > (target.slow ?? SLOW))
    found(report, input, new Error(`one input took ${milliseconds.toFixed()} ms of CPU`))
}

/** One of each kind, by the place where it was thrown. */
function found(report: Report, input: Buffer, error: unknown): void {
  const place = (what: unknown) => (what instanceof Error ? (what.stack?.split('\n')[1] ?? what.message) : String(what))
  if (report.findings.some((known) => place(known.error) === place(error))) return
  report.findings.push({ target: report.target, input: Buffer.from(input), error })
}

/** Mebioctets, without what the corpus itself takes. */
function heapUsed(corpus: readonly Buffer[]): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  collect()
  const { heapUsed: heap, external } = process.memoryUsage()
  return (heap + external - corpus.reduce((sum, { length }) => sum + length, 0)) / 2 ** 20
}
