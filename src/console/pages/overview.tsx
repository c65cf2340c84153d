/** @jsxImportSource hono/jsx */
import type { AlertView } from '../../core/audit/alertAdmin.ts'
import type { Overview } from '../../core/listing/overview.ts'
import type { FoundRequest } from '../../core/search/searchRows.ts'
import { page, type Shown, type Visit } from '../page.ts'
import { type Bar, Bars } from '../parts/chart.tsx'
import { Head, Panel } from '../parts/panel.tsx'
import { Ago, Text } from '../parts/text.tsx'
import { actionName, protocolName } from '../parts/words.ts'
import { alertKind } from './alertList.tsx'
import { HealthPanel } from './overviewHealth.tsx'
import { OrdersPanel } from './overviewOrders.tsx'

const shownAlerts = 4

async function show(visit: Visit): Promise<Shown> {
  const { door, host } = visit
  const now = host.clock()
  const overview = await door.overview()
  const alerts = overview.alerts && overview.alerts.count > 0 ? await door.admin.alerts() : []
  const body = (
    <div id="overview" data-live>
      <Head title="Overview">
        <a class="button primary" href="/console/new">
          New request
        </a>
      </Head>
      <div class="overview">
        <Waiting waiting={overview.waiting} now={now} />
        <div>
          <Expiring expiring={overview.expiring} />
          {overview.alerts && <Alerts count={counted(overview.alerts)} alerts={alerts} now={now} />}
        </div>
      </div>
      <OrdersPanel orders={overview.orders} now={now} />
      <HealthPanel authorities={overview.authorities} now={now} />
    </div>
  )
  return { title: 'Overview', section: 'overview', body }
}

const counted = ({ count, atLeast }: { count: number; atLeast: boolean }) => `${count}${atLeast ? '+' : ''}`

function Waiting({ waiting, now }: { waiting: Overview['waiting']; now: Date }) {
  const { newest, count } = waiting
  return (
    <Panel
      title={count === 0 ? 'Waiting for you' : `Waiting for you: ${counted(waiting)}`}
      id="waiting"
      aside={
        count > 0 && (
          <span>
            <a href="/console/requests/sign?mine=1">To sign</a> ·{' '}
            <a href="/console/requests/revoke?mine=1">To revoke</a>
          </span>
        )
      }
    >
      {count === 0 ? (
        <p class="quiet">
          Nothing waits for your decision. <a href="/console/requests/sign">All requests</a>
        </p>
      ) : (
        <ul class="tasks">
          {newest.map((row) => (
            <Task row={row} now={now} />
          ))}
        </ul>
      )}
    </Panel>
  )
}

function Task({ row, now }: { row: FoundRequest; now: Date }) {
  const { kind, uuid, commonName, names, id, action, requester, protocol, createdAt, profile } = row
  return (
    <li>
      <a href={`/console/requests/${kind}/${uuid}`}>
        <Text value={commonName ?? names[0] ?? `request ${id}`} most={64} />
      </a>
      <span class="under">
        {actionName(action)} by <Text value={requester} most={40} /> over {protocolName(protocol)}
        {profile !== '' && (
          <>
            , profile <Text value={profile} most={40} />
          </>
        )}
      </span>
      <span class="when">
        <Ago at={createdAt} now={now} />
      </span>
    </li>
  )
}

function Expiring({ expiring }: { expiring: Overview['expiring'] }) {
  if (!expiring)
    return (
      <Panel title="Certificates about to end" id="expiring">
        <p class="quiet">The lists are being made. Look again in a moment.</p>
      </Panel>
    )
  const tones = { 30: 'bad', 60: 'warn', 90: 'plain' } as const
  const bars = ([30, 60, 90] as const).map(
    (days): Bar => ({
      label: `Within ${days} days`,
      value: expiring[days].count,
      atLeast: expiring[days].atLeast,
      to: `/console/certificates?status=active&expiring=${days}`,
      tone: tones[days],
    }),
  )
  return (
    <Panel title="Certificates about to end" id="expiring">
      <Bars bars={bars} label="Certificates that end within so many days" />
    </Panel>
  )
}

function Alerts({ count, alerts, now }: { count: string; alerts: readonly AlertView[]; now: Date }) {
  return (
    <Panel
      title={count === '0' ? 'Alerts' : `Alerts: ${count}`}
      id="alerts"
      aside={count !== '0' && <a href="/console/alerts">Review</a>}
    >
      {alerts.length === 0 ? (
        <p class="quiet">No alert is open.</p>
      ) : (
        <ul class="tasks">
          {alerts.slice(0, shownAlerts).map(({ kind, detail, createdAt }) => (
            <li>
              <span>{alertKind(kind)}</span>
              <span class="under">
                <Text value={detail} most={140} />
              </span>
              <span class="when">
                <Ago at={createdAt} now={now} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  )
}

export const overviewPages = [page('/', show)]
