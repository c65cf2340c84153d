import type { Cost } from './measure.ts'

/** One batch of the run. */
export interface Batch extends Cost {
  round: number
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** Medians over the rounds, one for each server and number of clients. */
export function summarize(costs: readonly Cost[]): Cost[] {
  const groups = new Map<string, Cost[]>()
  for (const cost of costs) {
    const key = `${cost.concurrency} ${cost.name}`
    groups.set(key, [...(groups.get(key) ?? []), cost])
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group
    if (!first) return []
    const of = (pick: (cost: Cost) => number) => median(group.map(pick))
    const optional = (pick: (cost: Cost) => number | undefined) =>
      pick(first) === undefined ? undefined : of((cost) => pick(cost) ?? Number.NaN)
    return {
      ...first,
      rate: of(({ rate }) => rate),
      user: of(({ user }) => user),
      system: of(({ system }) => system),
      cpu: of(({ cpu }) => cpu),
      postgres: optional(({ postgres }) => postgres),
      p50: of(({ p50 }) => p50),
      p99: of(({ p99 }) => p99),
      polls: of(({ polls }) => polls),
      statements: optional(({ statements }) => statements),
      commits: optional(({ commits }) => commits),
    }
  })
}

export interface Ratio {
  concurrency: number | 'all'
  median: number
  least: number
  most: number
}

/** CPU a certificate of `name` over that of `peer`, round by round: what disturbs one batch disturbs the one beside it. */
export function ratios(costs: readonly Batch[], name: string, peer: string): Ratio[] {
  const found = new Map<number, number[]>()
  for (const cost of costs) {
    if (cost.name !== name) continue
    const { round, concurrency } = cost
    const against = costs.find(
      (other) => other.name === peer && other.round === round && other.concurrency === concurrency,
    )
    if (against) found.set(concurrency, [...(found.get(concurrency) ?? []), cost.cpu / against.cpu])
  }
  const ratio = (concurrency: Ratio['concurrency'], values: number[]): Ratio => ({
    concurrency,
    median: median(values),
    least: Math.min(...values),
    most: Math.max(...values),
  })
  return [
    ...[...found].map(([concurrency, values]) => ratio(concurrency, values)),
    ratio('all', [...found.values()].flat()),
  ]
}

const COLUMNS: [string, (cost: Cost) => string][] = [
  ['server', ({ name }) => name],
  ['at a time', ({ concurrency }) => String(concurrency)],
  ['certificates/s', ({ rate }) => rate.toFixed(0)],
  ['CPU ms each', ({ cpu }) => cpu.toFixed(2)],
  ['user', ({ user }) => user.toFixed(2)],
  ['system', ({ system }) => system.toFixed(2)],
  ['PostgreSQL ms', ({ postgres }) => postgres?.toFixed(2) ?? '-'],
  ['p50 ms', ({ p50 }) => p50.toFixed(1)],
  ['p99 ms', ({ p99 }) => p99.toFixed(1)],
  ['statements', ({ statements }) => statements?.toFixed(1) ?? '-'],
  ['commits', ({ commits }) => commits?.toFixed(2) ?? '-'],
  ['polls', ({ polls }) => polls.toFixed(1)],
]

export function table(costs: readonly Cost[]): string {
  const rows = [COLUMNS.map(([head]) => head), ...costs.map((cost) => COLUMNS.map(([, text]) => text(cost)))]
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const cell = (text: string, column: number) =>
    column === 0 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0)
  return rows.map((row) => `${row.map(cell).join('  ')}\n`).join('')
}

export function ratioLine(found: readonly Ratio[], name: string, peer: string): string {
  const text = ({ concurrency, median, least, most }: Ratio) =>
    `${concurrency === 'all' ? 'all' : `${concurrency} at a time`} ${median.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)})`
  return `ratio CPU ${name}/${peer}: ${found.map(text).join(', ')}\n`
}
