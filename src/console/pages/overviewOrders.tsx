/** @jsxImportSource hono/jsx */
import type { Overview } from '../../core/listing/overview.ts'
import { DayChart, dayText, Legend, type Series } from '../parts/chart.tsx'
import { Panel } from '../parts/panel.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { protocolName } from '../parts/words.ts'

const DAY = 86_400_000
const period = 30

type Orders = Overview['orders']

/** The days of the picture, today last. */
function daysUntil(now: Date): Date[] {
  const today = Math.floor(now.getTime() / DAY) * DAY
  return Array.from({ length: period }, (_, index) => new Date(today - (period - 1 - index) * DAY))
}

interface Picture {
  days: Date[]
  up: Series[]
  down: Series
}

/** Issued by protocol, most of them first, and what failed or was refused, of every day. */
export function pictureOf(orders: Orders, now: Date): Picture {
  const days = daysUntil(now)
  const valuesOf = (of: Orders, count: (row: Orders[number]) => number) =>
    days.map((day) => of.filter((row) => row.day.getTime() === day.getTime()).reduce((sum, row) => sum + count(row), 0))
  const up = [...new Set(orders.map(({ protocol }) => protocol))]
    .map((protocol) => ({
      name: protocolName(protocol),
      values: valuesOf(
        orders.filter((row) => row.protocol === protocol),
        ({ issued }) => issued,
      ),
    }))
    .filter(({ values }) => values.some((value) => value > 0))
    .sort((a, b) => sumOf(b) - sumOf(a) || a.name.localeCompare(b.name))
  return {
    days,
    up,
    down: { name: 'Failed or refused', values: valuesOf(orders, ({ failed, refused }) => failed + refused) },
  }
}

const sumOf = ({ values }: Series): number => values.reduce((sum, value) => sum + value, 0)

interface Sum {
  protocol: string
  issued: number
  failed: number
  refused: number
  canceled: number
}

function sumsOf(orders: Orders): Sum[] {
  const sums = new Map<string, Sum>()
  for (const { protocol, issued, failed, refused, canceled } of orders) {
    const sum = sums.get(protocol) ?? { protocol, issued: 0, failed: 0, refused: 0, canceled: 0 }
    sum.issued += issued
    sum.failed += failed
    sum.refused += refused
    sum.canceled += canceled
    sums.set(protocol, sum)
  }
  return [...sums.values()].sort((a, b) => b.issued - a.issued || a.protocol.localeCompare(b.protocol))
}

const columns: Column<Sum>[] = [
  {
    head: 'Protocol',
    names: true,
    cell: ({ protocol }) => (
      <a href={`/console/orders?protocol=${encodeURIComponent(protocol)}`}>{protocolName(protocol)}</a>
    ),
  },
  { head: 'Issued', right: true, cell: ({ issued }) => <span class="number">{issued}</span> },
  { head: 'Failed', right: true, cell: ({ failed }) => <span class="number">{failed}</span> },
  { head: 'Refused', right: true, cell: ({ refused }) => <span class="number">{refused}</span> },
  { head: 'Withdrawn', right: true, cell: ({ canceled }) => <span class="number">{canceled}</span> },
]

export function OrdersPanel({ orders, now }: { orders: Orders; now: Date }) {
  const { days, up, down } = pictureOf(orders, now)
  const [first] = days
  const about = first ? `${dayText(first)} to ${dayText(now)}` : ''
  return (
    <Panel title="Issued and failed, by day" id="orders" aside={<span class="quiet">{about}, UTC</span>}>
      {orders.length === 0 ? (
        <p class="quiet">
          Nothing was ordered in these 30 days. <a href="/console/new">Order a certificate</a>.
        </p>
      ) : (
        <>
          <figure class="chart">
            <DayChart days={days} up={up} down={down} />
            <figcaption>
              <Legend up={up} down={down} />
            </figcaption>
          </figure>
          <details>
            <summary>The numbers by protocol</summary>
            <Table caption="Orders of the last 30 days by protocol" columns={columns} rows={sumsOf(orders)} empty="" />
          </details>
        </>
      )}
    </Panel>
  )
}
