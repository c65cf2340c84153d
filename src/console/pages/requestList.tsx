/** @jsxImportSource hono/jsx */
import type { RequestKind } from '../../core/approval.ts'
import type { RequestRow } from '../../core/listing.ts'
import { page, type Visit } from '../page.ts'
import { Badge } from '../parts/badge.tsx'
import { Select } from '../parts/form.tsx'
import { Head, Tabs } from '../parts/panel.tsx'
import { type Column, Pager, Table } from '../parts/table.tsx'
import { Ago, Text, Texts } from '../parts/text.tsx'

const statuses = [
  'draft',
  'requested',
  'signing',
  'revoking',
  'signed',
  'revoked',
  'denied',
  'expired',
  'canceled',
  'failed',
]

function columns(visit: Visit): Column<RequestRow>[] {
  const now = visit.host.clock()
  return [
    {
      head: 'Name',
      names: true,
      cell: (row) => (
        <a href={`/console/requests/${row.kind}/${row.uuid}`}>
          <Texts values={row.names.length > 0 ? row.names : [`no. ${row.id}`]} />
        </a>
      ),
    },
    { head: 'Status', cell: ({ status }) => <Badge status={status} /> },
    { head: 'Profile', cell: ({ profile }) => <Text value={profile} /> },
    { head: 'Requested by', cell: ({ requester }) => <Text value={requester} most={60} /> },
    { head: 'From', cell: ({ source }) => source ?? '' },
    { head: 'Asked', cell: ({ createdAt }) => <Ago at={createdAt} now={now} /> },
  ]
}

async function list(visit: Visit, kind: RequestKind) {
  const { query, door } = visit
  const status = query.get('status') || undefined
  const after = Number(query.get('after')) || undefined
  const { rows, next } = await door.list.requests({
    kind,
    ...(status === undefined ? {} : { status }),
    ...(after === undefined ? {} : { after }),
  })
  const path = `/console/requests/${kind}`
  const tabs = [
    { label: 'Sign requests', to: '/console/requests/sign' },
    { label: 'Revoke requests', to: '/console/requests/revoke' },
  ]
  const body = (
    <>
      <Head title="Requests" about="Orders for certificates and for revocations: what waits, and what became of it." />
      <Tabs label="Kinds of requests" tabs={tabs} here={path} />
      <form class="filters" data-instant>
        <Select
          name="status"
          label="Status"
          value={status}
          choices={[{ value: '', label: 'Any' }, ...statuses.map((value) => ({ value, label: value }))]}
        />
        <button type="submit">Filter</button>
      </form>
      <div id="list" data-live>
        <Table caption="Requests" columns={columns(visit)} rows={rows} empty="No request is like that." />
        <Pager path={path} query={query} next={next} />
      </div>
    </>
  )
  return { title: 'Requests', section: 'requests' as const, body, wide: true }
}

export const requestListPages = [
  page('/requests/sign', (visit) => list(visit, 'sign')),
  page('/requests/revoke', (visit) => list(visit, 'revoke')),
]
