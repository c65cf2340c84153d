/** @jsxImportSource hono/jsx */
import type { AuditSubject } from '../../core/audit/audit.ts'
import type { AuditReport } from '../../core/audit/verify.ts'
import { Failure } from '../../core/failure.ts'
import type { AuditFilter, AuditRow } from '../../core/listing/auditList.ts'
import { action, page, type Shown, type Visit } from '../page.ts'
import { Field, PostButton } from '../parts/form.tsx'
import { Head, Note, Panel } from '../parts/panel.tsx'
import { Facts, Pager, Table } from '../parts/table.tsx'
import { Moment, Text } from '../parts/text.tsx'

function filterOf({ query }: Visit): AuditFilter {
  const [action, actor] = [query.get('action')?.trim(), query.get('actor')?.trim()]
  const [since, until] = [dayOf(query.get('since'), 'from'), dayOf(query.get('until'), 'until', 86_400_000)]
  const [kind, id] = (query.get('subject') ?? '').split(':')
  const after = Number(query.get('after')) || undefined
  return {
    ...(action ? { action: action.slice(0, 100) } : {}),
    ...(actor ? { actor: actor.slice(0, 200) } : {}),
    ...(since ? { since } : {}),
    ...(until ? { until } : {}),
    ...(kind && id && /^\d{1,15}$/.test(id) ? { subject: { kind: kind as AuditSubject, id: Number(id) } } : {}),
    ...(after && after > 0 && Number.isSafeInteger(after) ? { after } : {}),
  }
}

function dayOf(text: string | null, label: string, plus = 0): Date | undefined {
  if (!text) return undefined
  const time = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(time)) throw new Failure('malformed', `${label} is a day like 2026-01-31`)
  return new Date(time + plus)
}

async function auditPage(visit: Visit, report?: AuditReport): Promise<Shown> {
  const { door, query, user } = visit
  const { rows, next } = await door.list.audit(filterOf(visit))
  const value = (name: string) => query.get(name) ?? undefined
  const body = (
    <>
      <Head
        title="Audit log"
        about="Everything that was done, by whom and from where: appended, chained and never changed."
      >
        {user.superuser && <PostButton visit={visit} to="/console/audit/verify" label="Prove the chain" />}
      </Head>
      {report && <ReportPanel report={report} />}
      <form class="filters" method="get" action="/console/audit">
        <Field
          name="action"
          label="Event"
          value={value('action')}
          code
          hint="certificate.revoked, or vote. for all of a noun"
        />
        <Field name="actor" label="By" value={value('actor')} />
        <Field name="since" label="From" type="date" value={value('since')} />
        <Field name="until" label="Until" type="date" value={value('until')} />
        <button type="submit">Filter</button>
      </form>
      <Table<AuditRow>
        caption="Audit events"
        rows={rows}
        empty={next === undefined ? 'No event is like that.' : 'None among the newest ones: go on to the next page.'}
        columns={[
          { head: 'When', cell: ({ at }) => <Moment at={at} /> },
          { head: 'Event', names: true, cell: (row) => <code>{row.action}</code> },
          { head: 'About', cell: aboutCell },
          { head: 'By', cell: ({ actor }) => <Text value={actor.name} most={60} /> },
          { head: 'From', cell: ({ source }) => source ?? '' },
          { head: 'Details', cell: ({ details }) => <Text value={detailText(details)} most={90} /> },
        ]}
      />
      <Pager path="/console/audit" query={query} next={next} />
    </>
  )
  return { title: 'Audit log', section: 'audit', body, wide: true }
}

function aboutCell({ subject }: AuditRow) {
  if (subject.id === null) return subject.kind
  const to = `/console/audit?subject=${encodeURIComponent(`${subject.kind}:${subject.id}`)}`
  return <a href={to}>{`${subject.kind.replace('_', ' ')} ${subject.id}`}</a>
}

function detailText(details: Record<string, unknown>): string {
  return Object.entries(details)
    .map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('; ')
}

function ReportPanel({ report }: { report: AuditReport }) {
  const { sealed, unsealed, head, problems } = report
  return (
    <Panel title="Proof of the chain">
      {problems.length === 0 ? (
        <Note tone="good">The chain holds, and every record is as its events tell.</Note>
      ) : (
        problems.map((problem) => (
          <Note tone="bad">
            <Text value={problem} most={500} />
          </Note>
        ))
      )}
      <Facts
        rows={[
          ['Proved', `${sealed} events`],
          ['Not sealed yet', `${unsealed} events`],
          ['Position', String(head.position)],
          ['Head', <code>{head.hash}</code>],
        ]}
      />
      <p class="quiet">Keep the head elsewhere: it shows later whether the end of the chain was cut off.</p>
    </Panel>
  )
}

export const auditPages = [
  page('/audit', (visit) => auditPage(visit)),
  action('/audit/verify', async (visit) => auditPage(visit, await visit.door.admin.verifyAudit())),
]
