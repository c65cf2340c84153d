import type { Done } from './memoryLoad.ts'
import { median } from './report.ts'

/** What was seen of the server at one moment. */
export interface Sample extends Done {
  /** Seconds since the load began. */
  at: number
  /** MiB. */
  resident: number
  /** MiB, of JavaScript's objects and of the buffers that belong to them. */
  heap: number
  external: number
  /** Milliseconds that the event loop was held since the sample before. */
  lag: { p99: number; most: number }
}

const most = (values: number[]) => Math.max(...values)
const least = (values: number[]) => Math.min(...values)

/** `heap, least`: the nearest to what is left after a collection. */
const COLUMNS: [string, (samples: Sample[]) => string][] = [
  ['until min', (all) => ((all.at(-1)?.at ?? 0) / 60).toFixed(1)],
  ['RSS MiB', (all) => median(all.map(({ resident }) => resident)).toFixed(1)],
  ['greatest', (all) => most(all.map(({ resident }) => resident)).toFixed(1)],
  ['heap, median', (all) => median(all.map(({ heap }) => heap)).toFixed(1)],
  ['heap, least', (all) => least(all.map(({ heap }) => heap)).toFixed(1)],
  ['buffers', (all) => median(all.map(({ external }) => external)).toFixed(1)],
  ['loop p99 ms', (all) => median(all.map(({ lag }) => lag.p99)).toFixed(1)],
  ['longest', (all) => most(all.map(({ lag }) => lag.most)).toFixed(1)],
  ['certificates', (all) => String(all.at(-1)?.issued ?? 0)],
  ['revoked', (all) => String(all.at(-1)?.revoked ?? 0)],
  ['OCSP', (all) => String(all.at(-1)?.answered ?? 0)],
  ['failed', (all) => String(all.at(-1)?.failed ?? 0)],
]

export const heading = (): string => `${COLUMNS.map(([head]) => head).join('  ')}\n`

/** Counts are those since the load began. */
export function partLine(samples: Sample[]): string {
  return `${COLUMNS.map(([head, text]) => text(samples).padStart(head.length)).join('  ')}\n`
}

/** A slope below this share of the median, an hour, counts as flat. */
const FLAT = 0.05

/** The line through the second half, by least squares: the first is that of caches that fill, and of JavaScript being compiled. */
export function trend(samples: Sample[]): string {
  const end = samples.at(-1)?.at ?? 0
  const half = samples.filter(({ at }) => at > end / 2)
  if (half.length < 3) return 'too few samples to say whether it grows\n'
  const middle = median(half.map(({ resident }) => resident))
  const slope = slopeOf(half.map(({ at, resident }) => [at / 3_600, resident]))
  const share = slope / middle
  const flat = share < FLAT ? 'flat' : 'not flat'
  const seconds = end - (half[0]?.at ?? 0)
  return `second half (${(seconds / 60).toFixed(1)} minutes): ${slope.toFixed(1)} MiB an hour, ${(share * 100).toFixed(1)} % of the median of ${middle.toFixed(0)} MiB: ${flat}\n`
}

function slopeOf(points: [x: number, y: number][]): number {
  const mean = (of: (point: [number, number]) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length
  const x = mean(([x]) => x)
  const y = mean(([, y]) => y)
  return mean((point) => (point[0] - x) * (point[1] - y)) / mean((point) => (point[0] - x) ** 2)
}
