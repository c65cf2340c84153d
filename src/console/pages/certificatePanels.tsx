/** @jsxImportSource hono/jsx */
import type { Child } from 'hono/jsx'
import type { Sighting } from '../../core/discovery/sighting.ts'
import type { CustomAttribute } from '../../core/inventory/customAttribute.ts'
import type { InventoryLine } from '../../core/inventory/inventoryLines.ts'
import type { Relation } from '../../core/inventory/inventoryRelations.ts'
import type { RequestDetail } from '../../core/listing/listing.ts'
import { calledBy, cut } from '../certificateName.ts'
import { extensionsOf } from '../certificateWords.ts'
import type { Visit } from '../page.ts'
import { Badge } from '../parts/badge.tsx'
import { PostButton } from '../parts/form.tsx'
import { Panel } from '../parts/panel.tsx'
import { Facts, Table } from '../parts/table.tsx'
import { Ago, Moment, Text, Texts } from '../parts/text.tsx'
import type { CertificateView } from './certificateView.ts'

const relationWord = { renewal: 'Renewal', rekey: 'Rekey', replacement: 'Replacement' } as const

/** What it renewed, and what renewed it. */
export function Successions({ relations }: { relations: readonly (Relation & { line: InventoryLine })[] }) {
  if (relations.length === 0) return null
  return (
    <Panel title="Renewals">
      <Facts
        rows={relations.map(({ kind, role, uuid, status, line }): [string, Child] => [
          `${relationWord[kind]}: ${role === 'successor' ? 'came after' : 'came before'}`,
          <>
            <a href={`/console/certificates/${uuid}`}>{cut(nameIn(line))}</a>
            {line.record.certificate && (
              <>
                , to <Moment at={line.record.certificate.notAfter} only="date" />
              </>
            )}{' '}
            <Badge status={line.record.certificate?.status ?? status} />
          </>,
        ])}
      />
    </Panel>
  )
}

function nameIn({ record: { certificate, request } }: InventoryLine): string {
  if (!certificate) return `request ${request.id}`
  return calledBy({ ...certificate, names: certificate.identifiers.map(({ value }) => value) })
}

/** Compliance and validation. */
export function Standing({ visit, view }: { visit: Visit; view: CertificateView }) {
  const { compliance, validation } = view.entry
  const word = { ok: 'keeps all rules', nok: 'breaks a rule', not_checked: 'nothing of ours has looked at it' } as const
  const tone = { ok: 'ok', nok: 'warn', not_checked: 'disabled' } as const
  return (
    <Panel
      title="Validation and compliance"
      aside={
        <PostButton visit={visit} to={`/console/certificates/${view.certificate.uuid}/validate`} label="Validate now" />
      }
    >
      <Facts
        rows={[
          [
            'Validation',
            validation ? (
              <>
                {validation.status.replaceAll('_', ' ')} <span class="quiet">({validation.message})</span>{' '}
                <span class="quiet">
                  <Ago at={validation.at} now={visit.host.clock()} />
                </span>
              </>
            ) : (
              <span class="quiet">not looked at yet</span>
            ),
          ],
          ['Compliance', <Badge status={tone[compliance.status]} label={word[compliance.status]} />],
        ]}
      />
      {validation && (
        <details>
          <summary>What was looked at</summary>
          <Facts
            rows={Object.entries(validation.checks).map(([check, { status, message }]) => [
              check.replaceAll('_', ' '),
              <Text value={`${status.replaceAll('_', ' ')}${message ? `: ${message}` : ''}`} most={300} />,
            ])}
          />
        </details>
      )}
      {compliance.findings.length > 0 && (
        <ul class="findings">
          {compliance.findings.map(({ by, check, detail }) => (
            <li>
              <strong>{check}</strong> <span class="quiet">({by})</span> <Text value={detail} most={300} />
            </li>
          ))}
        </ul>
      )}
    </Panel>
  )
}

/** Where it is put, and where it was seen. */
export function Use({ view, sightings, now }: { view: CertificateView; sightings: readonly Sighting[]; now: Date }) {
  const { locations } = view.entry
  if (locations.length === 0 && sightings.length === 0) return null
  return (
    <Panel title="Where it is used">
      {locations.length > 0 && (
        <Table
          caption="Locations"
          rows={locations}
          empty=""
          columns={[
            { head: 'Location', names: true, cell: ({ location }) => <Text value={location.name} /> },
            { head: 'As', cell: ({ entry }) => <Text value={entry} /> },
            { head: 'Status', cell: ({ status }) => <Badge status={status === 'pushed' ? 'complete' : status} /> },
            { head: 'Last error', cell: ({ lastError }) => (lastError ? <Text value={lastError} /> : '') },
          ]}
        />
      )}
      {sightings.length > 0 && (
        <Table
          caption="Where discovery saw it"
          rows={sightings}
          empty=""
          columns={[
            { head: 'Seen at', names: true, cell: ({ place }) => <Text value={place} /> },
            {
              head: 'Position',
              cell: ({ position }) => (position === 0 ? 'the server’s own' : `behind it, ${position}`),
            },
            { head: 'First seen', cell: ({ firstSeenAt }) => <Moment at={firstSeenAt} /> },
            {
              head: 'Last seen',
              cell: ({ lastSeenAt, goneAt }) => (
                <>
                  <Ago at={lastSeenAt} now={now} />
                  {goneAt && <span class="quiet">, gone since</span>}
                </>
              ),
            },
          ]}
        />
      )}
    </Panel>
  )
}

/** The order that it came from, and those to revoke it. */
export function Requests({ view, revocations }: { view: CertificateView; revocations: readonly RequestDetail[] }) {
  return (
    <Panel title="Requests">
      <Facts
        rows={[
          ['To sign', <a href={`/console/requests/sign/${view.certificate.uuid}`}>the request that it came from</a>],
          ...revocations.map(({ uuid, status, createdAt }): [string, Child] => [
            'To revoke',
            <>
              <a href={`/console/requests/revoke/${uuid}`}>
                of <Moment at={createdAt} />
              </a>{' '}
              <Badge status={status} />
            </>,
          ]),
        ]}
      />
    </Panel>
  )
}

/** What people and programs noted about it. */
export function Attributes({ view }: { view: CertificateView }) {
  const { attributes, metadata } = view.entry
  if (attributes.length + metadata.length === 0) return null
  return (
    <Panel title="Attributes">
      <Facts
        rows={[...attributes, ...metadata].map((one) => [cut(one.label ?? one.name), <Texts values={textsOf(one)} />])}
      />
    </Panel>
  )
}

function textsOf({ content }: CustomAttribute): string[] {
  return content.map(({ reference, data }) => {
    if (typeof data === 'string') return data
    return typeof data === 'object' && reference ? reference : (JSON.stringify(data) ?? '')
  })
}

export function Extensions({ der }: { der: Buffer }) {
  return (
    <Panel title="Extensions">
      <Table
        caption="Extensions"
        rows={extensionsOf(der)}
        empty="It has none."
        columns={[
          {
            head: 'Extension',
            names: true,
            cell: ({ name, oid }) => (
              <>
                {name} {name !== oid && <span class="quiet">{oid}</span>}
              </>
            ),
          },
          { head: 'Critical', cell: ({ critical }) => (critical ? 'critical' : '') },
          { head: 'Value', cell: ({ values }) => <Texts values={values} most={6} /> },
        ]}
      />
    </Panel>
  )
}
