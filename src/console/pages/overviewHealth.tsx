/** @jsxImportSource hono/jsx */
import type { Overview } from '../../core/listing/overview.ts'
import { Badge } from '../parts/badge.tsx'
import { Panel } from '../parts/panel.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { Ago, Text } from '../parts/text.tsx'
import { authorityKind, authorityPath } from './authorityWords.ts'

type Health = Overview['authorities'][number]
type Lifetime = Health['lifetimes'][number]

const words = {
  ok: ['ok', 'Current'],
  late: ['hold', 'Late'],
  ended: ['fail', 'Ended'],
  missing: ['fail', 'Missing'],
} as const satisfies Record<Lifetime['state'], readonly [string, string]>

/** From the one that matters most: what is missing or ended, then what is late. */
const order = ['missing', 'ended', 'late', 'ok'] as const satisfies readonly Lifetime['state'][]

/** The worst of some, and how many there are where more than one is. */
function Worst({ of, now, none }: { of: readonly Lifetime[]; now: Date; none: string }) {
  const worst = [...of].sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state))[0]
  if (!worst) return <span class="quiet">{none}</span>
  const [status, label] = words[worst.state]
  const alike = of.filter(({ state }) => state === worst.state).length
  return (
    <>
      <Badge
        status={status}
        label={of.length > 1 && worst.state !== 'ok' ? `${label}: ${alike} of ${of.length}` : label}
      />{' '}
      {worst.state === 'ok' ? (
        worst.until && (
          <span class="quiet">
            until <Ago at={worst.until} now={now} />
          </span>
        )
      ) : (
        <Text value={worst.detail} most={160} />
      )}
    </>
  )
}

function columns(now: Date): Column<Health>[] {
  return [
    {
      head: 'Authority',
      names: true,
      cell: ({ name, enabled, kind }) => (
        <>
          <a href={authorityPath(name)}>
            <Text value={name} most={60} />
          </a>{' '}
          {!enabled && <Badge status="disabled" />} <span class="quiet">{authorityKind(kind)}</span>
        </>
      ),
    },
    {
      head: 'Ends',
      cell: ({ notAfter }) => (notAfter ? <Ago at={notAfter} now={now} /> : <span class="quiet">none</span>),
    },
    {
      head: 'CRL',
      cell: ({ lifetimes }) => (
        <Worst of={lifetimes.filter(({ kind }) => kind !== 'responder')} now={now} none="none yet" />
      ),
    },
    {
      head: 'OCSP responder',
      cell: ({ lifetimes }) => (
        <Worst of={lifetimes.filter(({ kind }) => kind === 'responder')} now={now} none="none of its own" />
      ),
    },
  ]
}

/** Whether relying parties still get answers about what each authority has issued. */
export function HealthPanel({ authorities, now }: { authorities: readonly Health[]; now: Date }) {
  return (
    <Panel title="Authorities" id="authorities" aside={<a href="/console/authorities">All authorities</a>}>
      <Table
        caption="Authorities with the health of their CRLs and OCSP responders"
        columns={columns(now)}
        rows={authorities}
        empty="There is no authority."
      />
    </Panel>
  )
}
