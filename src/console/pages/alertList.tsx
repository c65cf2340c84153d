/** @jsxImportSource hono/jsx */
import type { AlertView } from '../../core/audit/alertAdmin.ts'
import { Failure } from '../../core/failure.ts'
import { action, page, type Shown, type Visit } from '../page.ts'
import { PostButton } from '../parts/form.tsx'
import { Head } from '../parts/panel.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { Ago, Text } from '../parts/text.tsx'
import { moveOn } from '../told.ts'
import { authorityPath } from './authorityWords.ts'

/** What kinds of alerts say, in a few words. */
const kinds: Readonly<Record<string, string>> = {
  order_failed: 'An order failed',
  revocation_failed: 'A revocation failed',
  policy_refusal: 'A policy refused an order',
  'approval.waiting': 'A request waits for people',
  'certificate.expiring': 'A certificate is about to end',
  'certificate.unrecorded': 'A certificate that nobody here recorded',
  authority_expiring: 'An authority is about to end',
  authority_revoked: 'An authority was revoked',
  revocation_answers: 'CRL or OCSP answers',
  location_failed: 'A location was not updated',
  limit_blocked: 'A limit was reached',
  local_operator: 'Done on the server itself',
  challenge_lockout: 'Too many wrong challenges',
  key_compromised: 'A key is compromised',
  message_key: 'A message key',
  login_guessing: 'Somebody guesses a password',
}

export const alertKind = (kind: string): string => {
  const words = kind.replace(/[._]/g, ' ')
  return kinds[kind] ?? `${words.charAt(0).toUpperCase()}${words.slice(1)}`
}

/** Where what an alert is about can be looked at; by its number, which the page there turns into its own address. */
function placeOf({ subject }: AlertView): { to: string; label: string } | undefined {
  const [kind = '', id = ''] = subject.split(' ')
  const label = places[kind]
  return label === undefined || !/^[0-9]+$/.test(id) ? undefined : { to: `/console/alerts/about/${kind}/${id}`, label }
}

const places: Readonly<Record<string, string>> = {
  sign_request: 'the order',
  revoke_request: 'the revocation',
  certificate: 'the certificate',
  authority: 'the authority',
  profile: 'the RA profile',
  user: 'the user',
}

function columns(visit: Visit): Column<AlertView>[] {
  const now = visit.host.clock()
  return [
    { head: 'Alert', names: true, cell: ({ kind }) => <Text value={alertKind(kind)} /> },
    { head: 'Says', cell: ({ detail }) => <Text value={detail} most={300} /> },
    {
      head: 'About',
      cell: (alert) => {
        const place = placeOf(alert)
        return place ? (
          <a href={place.to}>
            {place.label}
            <span class="unseen"> of alert {alert.id}</span>
          </a>
        ) : (
          <span class="quiet">{alert.subject.replaceAll('_', ' ')}</span>
        )
      },
    },
    { head: 'Since', cell: ({ createdAt }) => <Ago at={createdAt} now={now} /> },
    {
      head: 'Reviewed',
      cell: ({ id }) => <PostButton visit={visit} to={`/console/alerts/${id}/close`} label={closing(id)} />,
    },
  ]
}

const closing = (id: number) => (
  <>
    Close<span class="unseen"> alert {id}</span>
  </>
)

const most = 100

async function list(visit: Visit): Promise<Shown> {
  const { door, user, query } = visit
  const about = 'What somebody should look at. Close one when it is done; what is well again closes by itself.'
  if (!user.admin && !user.superuser)
    return {
      title: 'Alerts',
      section: 'alerts',
      body: (
        <>
          <Head title="Alerts" about={about} />
          <div class="empty">
            Alerts are for administrators. What waits for you is under{' '}
            <a href="/console/requests/sign?mine=1">Requests</a>, what failed under{' '}
            <a href="/console/orders?status=failed">Orders</a>.
          </div>
        </>
      ),
    }
  const all = await door.admin.alerts()
  const kind = query.get('kind') ?? ''
  const found = kind === '' ? all : all.filter((alert) => alert.kind === kind)
  const counts = new Map<string, number>()
  for (const alert of all) counts.set(alert.kind, (counts.get(alert.kind) ?? 0) + 1)
  const body = (
    <>
      <Head title="Alerts" about={about} />
      {counts.size > 1 && (
        <nav class="views" aria-label="Kinds of alerts">
          <a href="/console/alerts" aria-current={kind === '' ? 'true' : undefined}>
            All {all.length}
          </a>
          {[...counts].map(([name, count]) => (
            <a
              href={`/console/alerts?kind=${encodeURIComponent(name)}`}
              aria-current={kind === name ? 'true' : undefined}
            >
              <Text value={alertKind(name)} /> {count}
            </a>
          ))}
        </nav>
      )}
      <div id="list" data-live>
        <Table
          caption="Open alerts"
          columns={columns(visit)}
          rows={found.slice(0, most)}
          empty="No alert is open. Nothing needs to be done."
        />
        {found.length > most && (
          <p class="quiet">
            The newest {most} of {found.length}.
          </p>
        )}
      </div>
    </>
  )
  return { title: 'Alerts', section: 'alerts', body, wide: true }
}

/** The address of what an alert is about. Throws Failure('notFound'). */
async function addressOf({ door }: Visit, kind: string, id: number): Promise<string> {
  if (!Number.isSafeInteger(id)) throw new Failure('notFound', 'an alert is about something with a number')
  switch (kind) {
    case 'sign_request':
      return `/console/orders/${(await door.list.request(id, 'sign')).uuid}`
    case 'revoke_request':
      return `/console/requests/revoke/${(await door.list.request(id, 'revoke')).uuid}`
    case 'certificate':
      return `/console/certificates/${(await door.list.record(id)).request.uuid}`
    case 'authority': {
      const found = (await door.admin.authorities()).find((authority) => authority.id === id)
      if (found) return authorityPath(found.name)
      break
    }
    case 'profile': {
      const found = (await door.raProfiles.list()).find((profile) => profile.id === id)
      if (found) return `/console/profiles/${encodeURIComponent(found.name)}`
      break
    }
    case 'user': {
      const found = (await door.admin.users()).find((user) => user.id === id)
      if (found) return `/console/people/user/${encodeURIComponent(found.name)}`
      break
    }
  }
  throw new Failure('notFound', 'what this alert is about is not there any more')
}

export const alertPages = [
  page('/alerts', list),
  page('/alerts/about/:kind/:id', async (visit) => {
    const to = await addressOf(visit, visit.params.kind ?? '', Number(visit.params.id))
    return new Response(null, { status: 303, headers: { Location: to } })
  }),
  action('/alerts/:id/close', async (visit) => {
    const id = Number(visit.params.id)
    if (!Number.isSafeInteger(id)) throw new Failure('notFound', 'there is no such alert')
    await visit.door.admin.closeAlert(id)
    return moveOn(visit, '/console/alerts', `Alert ${id} is closed.`)
  }),
]
