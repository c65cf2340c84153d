/** @jsxImportSource hono/jsx */
import type { HistoryEvent } from '../../core/listing/history.ts'
import { Badge } from '../parts/badge.tsx'
import { Panel } from '../parts/panel.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { Ago, Text } from '../parts/text.tsx'
import { requesterKinds } from '../parts/words.ts'

const subjects = { sign_request: 'Request', certificate: 'Certificate', revoke_request: 'Revocation' } as const

/** sign_request.requested as people say it. */
function said({ action, subject }: HistoryEvent): string {
  const [noun = '', ...rest] = action.split('.')
  const verb = rest.join(' ').replaceAll('_', ' ')
  const what = noun === subject ? subjects[subject] : noun.replaceAll('_', ' ')
  return `${what.charAt(0).toUpperCase()}${what.slice(1)} ${verb}`
}

/** Small details in one line: texts, numbers and changes, never a structure. */
function detailsOf({ details }: HistoryEvent): string {
  return Object.entries(details)
    .filter(([name]) => name !== 'hash' && name !== 'fingerprint')
    .map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('; ')
}

const columns = (now: Date): Column<HistoryEvent>[] => [
  { head: 'What', names: true, cell: (event) => <Text value={said(event)} most={80} /> },
  { head: 'Status', cell: ({ status }) => status && <Badge status={status} /> },
  {
    head: 'Who',
    cell: ({ actor }) => (
      <>
        <Text value={actor.name} most={60} /> <span class="quiet">{requesterKinds[actor.kind] ?? actor.kind}</span>
      </>
    ),
  },
  { head: 'When', cell: ({ at }) => <Ago at={at} now={now} /> },
  { head: 'Details', cell: (event) => <Text value={detailsOf(event)} most={100} /> },
]

/** What the audit trail tells, the newest first. */
export function HistoryPanel({ events, now }: { events: readonly HistoryEvent[]; now: Date }) {
  return (
    <Panel title="History" id="history">
      <Table caption="History" columns={columns(now)} rows={[...events].reverse()} empty="Nothing was recorded." />
    </Panel>
  )
}
