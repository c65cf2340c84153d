import type { OcspFigure } from './ocspCases.ts'
import { median } from './report.ts'

/** A line for each case: the median and the least and most of its batches. */
export function ocspTable(figures: readonly OcspFigure[]): string {
  const micro = (cost: number) => (cost * 1000).toFixed(1)
  return figures
    .map(({ server, name, costs }) => {
      const cost = median(costs)
      const spread = `${micro(Math.min(...costs))} to ${micro(Math.max(...costs))}`
      return `${server.padEnd(18)} ${name.padEnd(16)} ${micro(cost)} µs (${spread}), ${(1000 / cost).toFixed(0)} a CPU second\n`
    })
    .join('')
}

interface Aim {
  what: string
  aim: string
  of: [server: string, name: string]
  /** What it is held against. */
  by: [server: string, name: string]
  /** Batch by batch. */
  compare(of: number, by: number): number
}

const rate = (of: number, by: number) => by / of
const cost = (of: number, by: number) => of / by
const more = (of: number, by: number) => (of - by) * 1000
const OWN = 'SQLite, 10^3'

function aims(): Aim[] {
  return ['GET', 'POST'].flatMap((form) => [
    {
      ...{ what: `CPU of kept answers to bare node:http, ${form}`, aim: '1.3 or less', compare: cost },
      ...{ of: [OWN, `kept ${form}`], by: ['bare node:http', `bare ${form}`] },
    },
    {
      ...{
        what: `CPU of an answer with a nonce to bare node:http that signs, ${form}`,
        aim: '1.5 or less',
        compare: cost,
      },
      ...{ of: [OWN, `nonce ${form}`], by: ['bare node:http that signs', `bare ${form}`] },
    },
    {
      ...{ what: `rate of kept answers to bare Hono, ${form}`, aim: '0.7 or more', compare: rate },
      ...{ of: [OWN, `kept ${form}`], by: ['bare Hono', `bare ${form}`] },
    },
    {
      ...{ what: `rate of kept answers to openssl ocsp, ${form}`, aim: '3 or more', compare: rate },
      ...{ of: [OWN, `kept ${form}`], by: ['openssl ocsp', 'kept POST'] },
    },
    {
      ...{ what: `CPU of an answer with a nonce to openssl ocsp, ${form}`, aim: '1 or less', compare: cost },
      ...{ of: [OWN, `nonce ${form}`], by: ['openssl ocsp', 'nonce POST'] },
    },
    {
      ...{ what: `large table, µs more with a nonce, ${form}`, aim: '40 or less', compare: more },
      ...{ of: ['SQLite, large', `nonce ${form}`], by: [OWN, `nonce ${form}`] },
    },
    {
      ...{ what: `large table on PostgreSQL, µs more with a nonce, ${form}`, aim: '40 or less', compare: more },
      ...{ of: ['PostgreSQL, large', `nonce ${form}`], by: ['PostgreSQL, 10^3', `nonce ${form}`] },
    },
    {
      ...{ what: `CPU of kept answers on PostgreSQL to SQLite, ${form}`, aim: '1.6 or less', compare: cost },
      ...{ of: ['PostgreSQL, 10^3', `kept ${form}`], by: [OWN, `kept ${form}`] },
    },
  ])
}

/** What was aimed at and what was found, of what was measured: round by round, since what disturbs one batch disturbs those beside it. */
export function ocspAims(figures: readonly OcspFigure[]): string {
  const costsOf = ([server, name]: [string, string]) =>
    figures.find((figure) => figure.server === server && figure.name === name)?.costs
  return aims()
    .flatMap(({ what, aim, of, by, compare }) => {
      const [costs, others] = [costsOf(of), costsOf(by)]
      if (!costs?.length || !others) return []
      const found = costs.map((cost, round) => compare(cost, others[round] ?? Number.NaN))
      const [least, most] = [Math.min(...found).toFixed(2), Math.max(...found).toFixed(2)]
      return [`${what}: ${median(found).toFixed(2)} (${least} to ${most}); aim ${aim}\n`]
    })
    .join('')
}
