/** @jsxImportSource hono/jsx */
import type { FoundCertificate } from '../../core/search/searchRows.ts'
import { calledBy, commonNameOf, cut } from '../certificateName.ts'
import { page, type Visit } from '../page.ts'
import { Badge } from '../parts/badge.tsx'
import { Days } from '../parts/days.tsx'
import { Select } from '../parts/form.tsx'
import { Numbered, pageNumber } from '../parts/numbered.tsx'
import { Head } from '../parts/panel.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { Moment, Text, Texts } from '../parts/text.tsx'
import { csvPage } from './certificateCsv.ts'
import { Views } from './certificateSaved.tsx'
import { findPage, sources, statuses, type Wanted, wantedOf } from './certificateSearch.ts'

const SIZE = 50
const path = '/console/certificates'

/** How a certificate was made: by an authority here, by a CA upstream, elsewhere. */
const providers: Readonly<Record<string, string>> = {
  local: 'own authority',
  acme: 'ACME upstream',
  manual: 'signed elsewhere',
}

interface Names {
  providers: ReadonlyMap<string, string>
  profiles: string[]
}

async function namesOf({ door }: Visit): Promise<Names> {
  const [authorities, profiles] = await Promise.all([door.admin.authorities(), door.raProfiles.list()])
  return {
    providers: new Map(authorities.map(({ name, kind }) => [name, providers[kind] ?? kind])),
    profiles: profiles.map(({ name }) => name),
  }
}

function providerOf({ providers }: Names, authority: string) {
  const provider = providers.get(authority)
  return provider === undefined ? 'not issued here' : `${cut(authority, 40)}, ${provider}`
}

function columns(now: Date, names: Names): Column<FoundCertificate>[] {
  return [
    {
      head: 'Name',
      names: true,
      cell: (row) => {
        const called = calledBy(row)
        const others = row.names.filter((name) => name !== called)
        return (
          <>
            <a href={`${path}/${row.uuid}`}>{cut(called)}</a>
            {others.length > 0 && (
              <div class="under">
                <Texts values={others} within={20} />
              </div>
            )}
          </>
        )
      },
    },
    { head: 'Status', cell: ({ status }) => <Badge status={status} /> },
    {
      head: 'Valid',
      cell: ({ notBefore, notAfter, status }) => (
        <>
          <Days at={notAfter} now={now} quiet={status === 'revoked'} />
          <div class="under">
            <Moment at={notBefore} only="date" /> – <Moment at={notAfter} only="date" />
          </div>
        </>
      ),
    },
    {
      head: 'Issuer',
      cell: ({ issuer, authority }) => (
        <>
          <Text value={commonNameOf(issuer) || issuer || 'unreadable'} most={60} />
          <div class="under">{providerOf(names, authority)}</div>
        </>
      ),
    },
    { head: 'Source', cell: ({ source }) => source },
    {
      head: 'Profile',
      cell: ({ profile }) =>
        profile !== null && <Text value={profile.startsWith('@') ? 'built in' : profile} most={60} />,
    },
    { head: 'Key', cell: ({ keyAlgorithm }) => <Text value={keyAlgorithm} most={40} /> },
  ]
}

function Filters({ wanted, names }: { wanted: Wanted; names: Names }) {
  const any = { value: '', label: 'Any' }
  const listed = (values: Iterable<string>) => [any, ...[...values].map((value) => ({ value, label: cut(value, 40) }))]
  const status = { issued: 'Active', expired: 'Expired', hold: 'On hold', revoked: 'Revoked' } as Record<string, string>
  return (
    <form class="filters" data-instant>
      <div class="field grow">
        <label for="filter-search">Name, serial or fingerprint</label>
        <input id="filter-search" name="search" type="search" value={wanted.search} maxlength={200} />
      </div>
      <Select
        name="status"
        label="Status"
        value={wanted.status}
        choices={[any, ...statuses.map((value) => ({ value, label: status[value] ?? value }))]}
      />
      <Select name="source" label="Source" value={wanted.source} choices={listed(sources)} />
      <Select name="authority" label="Authority" value={wanted.authority} choices={listed(names.providers.keys())} />
      <Select name="profile" label="Profile" value={wanted.profile} choices={listed(names.profiles)} />
      <Select
        name="expiring"
        label="Expires within"
        value={wanted.expiring === undefined ? '' : String(wanted.expiring)}
        choices={[any, ...[7, 30, 60, 90].map((days) => ({ value: String(days), label: `${days} days` }))]}
      />
      <div class="field check">
        <label>
          <input type="checkbox" name="archived" checked={wanted.archived} /> Archived too
        </label>
      </div>
      <button type="submit">Filter</button>
    </form>
  )
}

function addressOf(query: URLSearchParams, changes: Record<string, string | undefined>, at = path): string {
  const next = new URLSearchParams([...query].filter(([, value]) => value !== ''))
  for (const [name, value] of Object.entries(changes)) value === undefined ? next.delete(name) : next.set(name, value)
  const text = next.toString()
  return text === '' ? at : `${at}?${text}`
}

async function list(visit: Visit) {
  const { query, host } = visit
  const wanted = wantedOf(query)
  const page = pageNumber(query)
  const [names, views] = await Promise.all([namesOf(visit), visit.door.views.list('certificate')])
  const { rows, total, atLeast } = await findPage(visit, wanted, page, SIZE)
  const narrowed = Object.keys(wanted).length > 1 || wanted.archived
  const body = (
    <>
      <Head title="Certificates" about="What was issued here, uploaded, or found by discovery.">
        <a class="button primary" href="/console/new">
          New certificate
        </a>
        <a class="button" href={`${path}/upload`}>
          Upload
        </a>
        <a class="button" href={addressOf(query, { page: undefined }, `${path}.csv`)}>
          Export as CSV
        </a>
      </Head>
      <Filters wanted={wanted} names={names} />
      <Views visit={visit} views={views} wanted={wanted} />
      <div id="list" data-live>
        <Table
          caption="Certificates"
          columns={columns(host.clock(), names)}
          rows={rows}
          empty={narrowed ? <NoneLikeThat /> : <NoneAtAll />}
        />
        <Numbered path={path} query={query} found={{ page, size: SIZE, total, atLeast }} />
      </div>
    </>
  )
  return { title: 'Certificates', section: 'certificates' as const, body, wide: true }
}

function NoneLikeThat() {
  return (
    <>
      No certificate is like that. <a href={path}>Show all</a>.
    </>
  )
}

function NoneAtAll() {
  return (
    <>
      There is no certificate yet. <a href="/console/new">Ask for one</a>, <a href={`${path}/upload`}>upload one</a>, or
      let discovery find those on your servers.
    </>
  )
}

export const certificateListPages = [page('/certificates', list), page('/certificates.csv', csvPage)]
