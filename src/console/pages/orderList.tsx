/** @jsxImportSource hono/jsx */
import type { FoundRequest } from '../../core/search/searchRows.ts'
import { page, type Shown, type Visit } from '../page.ts'
import { Badge } from '../parts/badge.tsx'
import { Numbered, pageNumber } from '../parts/numbered.tsx'
import { Head } from '../parts/panel.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { Ago, duration, Text } from '../parts/text.tsx'
import { protocolName } from '../parts/words.ts'
import { orderStatus, orderType, statusesOf } from './orderWords.ts'
import { filtersOf, requestFilters } from './requestFilters.tsx'

const size = 50

function columns(now: Date): Column<FoundRequest>[] {
  return [
    {
      head: 'Common name',
      names: true,
      cell: (row) => (
        <a href={`/console/orders/${row.uuid}`}>
          <Text value={row.commonName ?? row.names[0] ?? `order ${row.id}`} most={64} />
        </a>
      ),
    },
    {
      head: 'Order type',
      cell: (row) => (
        <>
          {orderType(row)}{' '}
          {orderType(row) !== protocolName(row.protocol) && <span class="quiet">{protocolName(row.protocol)}</span>}
        </>
      ),
    },
    { head: 'Status', cell: ({ status }) => <OrderBadge status={status} /> },
    { head: 'Requested by', cell: ({ requester }) => <Text value={requester} most={60} /> },
    { head: 'Ordered', cell: ({ createdAt }) => <Ago at={createdAt} now={now} /> },
    { head: 'Duration', right: true, cell: (row) => <Took row={row} now={now} /> },
  ]
}

/** The order's status, and where it has failed how. */
export function OrderBadge({ status }: { status: string }) {
  const order = orderStatus(status)
  const told = order === 'failed' && status !== 'failed'
  return told ? <Badge status="failed" label={`Failed: ${status}`} /> : <Badge status={order} />
}

/** From the order to its end; of one that goes on, until now. */
export function Took({ row, now }: { row: Pick<FoundRequest, 'createdAt' | 'endedAt'>; now: Date }) {
  const { createdAt, endedAt } = row
  const took = duration(Math.max(0, (endedAt ?? now).getTime() - createdAt.getTime()))
  return endedAt ? <span class="number">{took}</span> : <span class="number quiet">{took} so far</span>
}

async function list(visit: Visit): Promise<Shown> {
  const { door, query } = visit
  const asked = { kind: 'sign', page: pageNumber(query), size } as const
  const statuses = { statuses: statusesOf }
  let found = await door.list.searchRequests({ ...asked, where: filtersOf(query, statuses) })
  if (found.total === 0 && query.get('search'))
    found = await door.list.searchRequests({ ...asked, where: filtersOf(query, { ...statuses, searched: 'subject' }) })
  const filtered = filtersOf(query).length > 0
  const body = (
    <>
      <Head title="Orders" about="Every order for a certificate, whoever made it and over whatever protocol.">
        <a class="button primary" href="/console/new">
          New request
        </a>
      </Head>
      {await requestFilters(visit, ['pending', 'processing', 'complete', 'failed'])}
      <div id="list" data-live>
        <Table
          caption="Orders"
          columns={columns(visit.host.clock())}
          rows={found.rows}
          empty={
            filtered ? (
              <>
                No order is like that. <a href="/console/orders">Show all</a>
              </>
            ) : (
              <>
                Nothing was ordered yet. <a href="/console/new">Order a certificate</a>.
              </>
            )
          }
        />
        <Numbered path="/console/orders" query={query} found={found} />
      </div>
    </>
  )
  return { title: 'Orders', section: 'orders', body, wide: true }
}

export const orderListPages = [page('/orders', list)]
