/** @jsxImportSource hono/jsx */
import type { RequestKind } from '../../core/approval/approval.ts'
import type { WaitingRequest } from '../../core/approval/waitingRequests.ts'
import type { FoundRequest } from '../../core/search/searchRows.ts'
import { page, type Shown, type Visit } from '../page.ts'
import { Badge } from '../parts/badge.tsx'
import { Numbered, pageNumber } from '../parts/numbered.tsx'
import { Head, Tabs } from '../parts/panel.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { Ago, Text, Texts } from '../parts/text.tsx'
import { lifetime, protocolName, reasons } from '../parts/words.ts'
import { BulkForm, tick } from './requestBulk.tsx'
import { filtersOf, requestFilters, requestStatuses } from './requestFilters.tsx'

const size = 50

const titles = { sign: 'Sign requests', revoke: 'Revoke requests' } as const satisfies Record<RequestKind, string>

function nameColumn(): Column<FoundRequest> {
  return {
    head: 'Name',
    names: true,
    cell: (row) => (
      <>
        <a href={`/console/requests/${row.kind}/${row.uuid}`}>
          <Text value={row.commonName ?? row.names[0] ?? `request ${row.id}`} most={64} />
        </a>{' '}
        <Badge status={row.status} />
      </>
    ),
  }
}

function who(now: Date): Column<FoundRequest>[] {
  return [
    {
      head: 'Requested by',
      cell: ({ requester, protocol }) => (
        <>
          <Text value={requester} most={40} /> <span class="quiet">{protocolName(protocol)}</span>
        </>
      ),
    },
    { head: 'Requested at', cell: ({ createdAt }) => <Ago at={createdAt} now={now} /> },
  ]
}

function signColumns(now: Date): Column<FoundRequest>[] {
  return [
    nameColumn(),
    {
      head: 'Authority',
      cell: ({ authority, profile }) => (
        <>
          <Text value={authority} most={40} />{' '}
          <span class="quiet">
            <Text value={profile} most={40} />
          </span>
        </>
      ),
    },
    {
      head: 'SAN',
      cell: ({ names, commonName }) => <Texts values={alternative(names, commonName)} most={2} within={20} />,
    },
    { head: 'Valid for', cell: ({ validity }) => (validity === null ? '' : lifetime(validity)) },
    {
      head: 'Administrator',
      cell: ({ administrator }) => (administrator ? <Text value={administrator} most={40} /> : ''),
    },
    ...who(now),
    { head: 'Requested IP', cell: ({ source }) => <span class="number">{source ?? ''}</span> },
  ]
}

/** Without what the name column says already; where that is the only one, it is said again. */
function alternative(names: readonly string[], commonName: string | null): readonly string[] {
  const others = names.filter((name) => name !== commonName)
  return others.length > 0 ? others : names
}

function revokeColumns(now: Date): Column<FoundRequest>[] {
  return [
    nameColumn(),
    { head: 'Reason', cell: ({ code }) => reasons[code ?? 'unspecified'] ?? code },
    { head: 'Authority', cell: ({ authority }) => <Text value={authority} most={40} /> },
    ...who(now),
    { head: 'Requested IP', cell: ({ source }) => <span class="number">{source ?? ''}</span> },
  ]
}

const columns = { sign: signColumns, revoke: revokeColumns } as const satisfies Record<RequestKind, unknown>

async function list(visit: Visit, kind: RequestKind): Promise<Shown> {
  const mine = visit.query.get('mine') === '1'
  const base = `/console/requests/${kind}`
  const body = (
    <>
      <Head title="Requests" about="Orders for certificates and for revocations: what waits, and what became of it.">
        <a class="button primary" href="/console/new">
          New request
        </a>
      </Head>
      <Tabs
        label="Kinds of requests"
        tabs={(['sign', 'revoke'] as const).map((one) => ({
          label: titles[one],
          to: `/console/requests/${one}${mine ? '?mine=1' : ''}`,
        }))}
        here={mine ? `${base}?mine=1` : base}
      />
      <nav class="views" aria-label="Which requests">
        <a href={base} aria-current={mine ? undefined : 'true'}>
          All
        </a>
        <a href={`${base}?mine=1`} aria-current={mine ? 'true' : undefined}>
          Waiting for me
        </a>
      </nav>
      {mine ? await waiting(visit, kind) : await all(visit, kind)}
    </>
  )
  return { title: titles[kind], section: 'requests', body, wide: true }
}

/** What waits for whoever looks, with a tick for each. */
async function waiting(visit: Visit, kind: RequestKind) {
  const page = pageNumber(visit.query)
  const { rows, ...found } = await visit.door.decisions.waiting({ kind, page, limit: size })
  const table = (
    <div id="list" data-live>
      <Table<WaitingRequest>
        caption={`${titles[kind]} that wait for you`}
        columns={columns[kind](visit.host.clock())}
        rows={rows}
        pick={(row) => tick(row)}
        empty="Nothing waits for you. What others may decide is under All."
      />
      <Numbered path={`/console/requests/${kind}`} query={visit.query} found={{ page, size, ...found }} />
    </div>
  )
  if (rows.length === 0) return table
  return (
    <BulkForm visit={visit} kind={kind}>
      {table}
    </BulkForm>
  )
}

async function all(visit: Visit, kind: RequestKind) {
  const { door, query } = visit
  const asked = { kind, page: pageNumber(query), size }
  let found = await door.list.searchRequests({ ...asked, where: filtersOf(query) })
  const searched = (query.get('search') ?? '').trim() !== ''
  // Certificates without alternative names are known by their subject alone.
  if (found.total === 0 && searched)
    found = await door.list.searchRequests({ ...asked, where: filtersOf(query, { searched: 'subject' }) })
  const empty =
    filtersOf(query).length > 0 ? (
      <>
        No request is like that. <a href={`/console/requests/${kind}`}>Show all</a>
      </>
    ) : kind === 'sign' ? (
      <>
        Nobody has asked for a certificate yet. <a href="/console/new">Make a request</a>, or point a client to an{' '}
        <a href="/console/profiles">RA profile</a>.
      </>
    ) : (
      <>
        Nobody has asked for a revocation. One begins at the <a href="/console/certificates">certificate</a>.
      </>
    )
  return (
    <>
      {await requestFilters(visit, requestStatuses[kind])}
      <div id="list" data-live>
        <Table caption={titles[kind]} columns={columns[kind](visit.host.clock())} rows={found.rows} empty={empty} />
        <Numbered path={`/console/requests/${kind}`} query={query} found={found} />
      </div>
    </>
  )
}

export const requestListPages = [
  page('/requests', async ({ here }) => {
    const [, asked = ''] = here.split('?')
    return new Response(null, {
      status: 303,
      headers: { Location: `/console/requests/sign${asked === '' ? '' : `?${asked}`}` },
    })
  }),
  page('/requests/sign', (visit) => list(visit, 'sign')),
  page('/requests/revoke', (visit) => list(visit, 'revoke')),
]
