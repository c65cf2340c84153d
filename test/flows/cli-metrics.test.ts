import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { databases } from '../helpers/databases.ts'
import { metricsIn, namedMetrics } from '../helpers/metricNames.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'

let server: ServerProcess
let database: Awaited<ReturnType<(typeof databases)[0]['openEmpty']>>
let text = ''

beforeAll(async () => {
  const [, postgres] = databases
  if (!postgres) throw new Error('no PostgreSQL')
  database = await postgres.openEmpty()
  server = await startServer({ databaseUrl: database.url })
  text = await (await fetch(`${server.httpUrl}/metrics`)).text()
}, 120_000)
afterAll(async () => {
  await server?.stop()
  await database?.close()
})

test('every metric of the dashboard and of the alerts is in a scrape', () => {
  const families = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]))
  const there = (name: string) => {
    const histogram = name.replace(/_(bucket|sum|count)$/, '')
    return families.has(name) || (histogram !== name && families.get(histogram) === 'histogram') || name === 'up'
  }
  const named = namedMetrics()
  expect(named.length).toBeGreaterThan(60)
  expect(named.filter(({ name }) => !there(name))).toEqual([])
  expect(there('nonsense_total')).toBe(false)
})

test('metrics are found in expressions', () => {
  expect(
    metricsIn('sum by (job, le) (rate(a_bucket{job="x", code=~"5.."}[5m])) / max without (instance) (b) > 0.02'),
  ).toEqual(['a_bucket', 'b'])
  expect(metricsIn('label_values(c{job="$job"}, profile)')).toEqual(['c'])
})

test('observability.md names every metric that is ours, and what to do about every alert', () => {
  const page = readFileSync('docs/operate/observability.md', 'utf8')
  const own = [...text.matchAll(/^# TYPE (\S+) /gm)]
    .map(([, name = '']) => name)
    .filter((name) => !/^(process|nodejs)_/.test(name))
  expect(own.filter((name) => !page.includes(`\`${name}\``))).toEqual([])
  const { groups } = parse(readFileSync('docs/operate/prometheus/alerts.yml', 'utf8'))
  const alerts: string[] = groups.flatMap(({ rules }: { rules: { alert: string }[] }) =>
    rules.map(({ alert }) => alert),
  )
  expect(alerts.filter((alert) => !page.includes(`\`${alert}\``))).toEqual([])
})
