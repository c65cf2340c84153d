/** @jsxImportSource hono/jsx */
import type { DelegationView } from '../../core/approval/delegations.ts'
import { Failure } from '../../core/failure.ts'
import type { SessionView } from '../../core/login/sessionView.ts'
import { loginPlace, noSessionCookie } from '../../http/session.ts'
import { sentence } from '../failurePage.tsx'
import { action, page, type Shown, type Visit } from '../page.ts'
import { Badge } from '../parts/badge.tsx'
import { Field, PostButton, PostForm, Trouble } from '../parts/form.tsx'
import { Head, Panel } from '../parts/panel.tsx'
import { Facts, Table } from '../parts/table.tsx'
import { Ago, Moment, Text, Texts } from '../parts/text.tsx'
import { moveOn } from '../told.ts'
import { grantText } from './grantText.ts'
import { TokenPanel } from './tokens.tsx'

async function accountPage(visit: Visit, trouble?: Failure): Promise<Shown> {
  const { door, user } = visit
  const [sessions, tokens, delegations] = await Promise.all([
    door.identities.sessions(user.name),
    door.admin.tokens(user.name),
    door.delegations.list(),
  ])
  const body = (
    <>
      <Head title="Your account" />
      {trouble && <Trouble detail={sentence(trouble.detail)} />}
      <div class="columns">
        <AboutPanel visit={visit} />
        <PasswordPanel visit={visit} />
      </div>
      <TokenPanel visit={visit} tokens={tokens} />
      <DelegationPanel visit={visit} delegations={delegations} />
      <SessionPanel visit={visit} sessions={sessions} />
    </>
  )
  return { title: 'Your account', section: 'account', body }
}

function AboutPanel({ visit: { user } }: { visit: Visit }) {
  const rank = user.superuser ? 'Superuser' : user.admin ? 'Administrator of the organization' : 'User'
  return (
    <Panel title="Who you are">
      <Facts
        rows={[
          ['Name', <Text value={user.name} />],
          ['Organization', <Text value={user.organization} />],
          ['Rank', rank],
          ['Roles', <Texts values={user.roles} most={10} />],
          ['May', <Texts values={user.grants.map(grantText)} most={12} />],
          ['Since', <Moment at={user.createdAt} only="date" />],
        ]}
      />
    </Panel>
  )
}

function PasswordPanel({ visit }: { visit: Visit }) {
  return (
    <Panel title="Password">
      {visit.user.hasPassword ? (
        <PostForm visit={visit} to="/console/account/password">
          <input type="text" name="username" value={visit.user.name} autocomplete="username" hidden />
          <Field name="present" label="Present password" type="password" required autocomplete="current-password" />
          <Field
            name="next"
            label="New password"
            type="password"
            required
            autocomplete="new-password"
            hint="At least 12 characters. All your sessions end."
          />
          <Field name="again" label="The same again" type="password" required autocomplete="new-password" />
          <button type="submit">Change password</button>
        </PostForm>
      ) : (
        <p class="quiet">You sign in with your organization’s account: there is no password here.</p>
      )}
    </Panel>
  )
}

function SessionPanel({ visit, sessions }: { visit: Visit; sessions: readonly SessionView[] }) {
  const now = visit.host.clock()
  return (
    <Panel
      title="Sessions"
      aside={
        <PostButton visit={visit} to="/console/account/sessions/end" label="End all, this one too" kind="danger" />
      }
    >
      <Table
        caption="Your open sessions"
        rows={sessions}
        empty="No session is open."
        columns={[
          { head: 'From', names: true, cell: ({ source }) => source ?? 'unknown' },
          { head: 'By', cell: ({ method }) => (method === 'oidc' ? 'organization’s account' : method) },
          { head: 'Browser', cell: ({ userAgent }) => <Text value={userAgent ?? ''} most={60} /> },
          { head: 'Last seen', cell: ({ lastSeenAt }) => <Ago at={lastSeenAt} now={now} /> },
          { head: 'Ends', cell: ({ endsAt }) => <Moment at={endsAt} /> },
          {
            head: 'Do',
            cell: ({ uuid }) => (
              <PostButton visit={visit} to={`/console/account/sessions/${uuid}/end`} label="End" kind="danger" />
            ),
          },
        ]}
      />
    </Panel>
  )
}

function DelegationPanel({ visit, delegations }: { visit: Visit; delegations: readonly DelegationView[] }) {
  const now = visit.host.clock()
  const own = delegations.filter(({ delegator, delegate }) => [delegator, delegate].includes(visit.user.name))
  const runs = ({ endedAt, until }: DelegationView) => endedAt === null && until > now
  return (
    <Panel title="Delegation of your votes">
      <p class="quiet">
        While you are away, somebody else decides for you. What you asked for yourself he cannot approve as you.
      </p>
      <Table
        caption="Delegations that you made or received"
        rows={own}
        empty="You have handed over nothing, and nobody has to you."
        columns={[
          { head: 'From', names: true, cell: ({ delegator }) => <Text value={delegator} /> },
          { head: 'To', cell: ({ delegate }) => <Text value={delegate} /> },
          { head: 'For', cell: ({ profile, authority }) => <Text value={profile ?? authority ?? 'everything'} /> },
          { head: 'Begins', cell: ({ from }) => <Moment at={from} /> },
          { head: 'Until', cell: ({ until }) => <Moment at={until} /> },
          {
            head: 'Do',
            cell: (row) =>
              runs(row) ? (
                <PostButton
                  visit={visit}
                  to={`/console/account/delegations/${row.uuid}/end`}
                  label="End"
                  kind="danger"
                />
              ) : (
                <Badge status="ended" label="Ended" />
              ),
          },
        ]}
      />
      <h3>Hand over</h3>
      <PostForm visit={visit} to="/console/account/delegations" class="filters">
        <Field name="to" label="To (name)" required maxlength={100} />
        <Field name="days" label="For how many days" type="number" value="14" required />
        <Field name="profile" label="Only for the RA profile" maxlength={100} />
        <Field name="reason" label="Why" maxlength={500} />
        <button type="submit">Hand over</button>
      </PostForm>
    </Panel>
  )
}

async function changePassword(visit: Visit) {
  const { form, host, incoming, user } = visit
  const next = form.raw('next', 1000)
  if (next !== form.raw('again', 1000)) throw new Failure('malformed', 'the two new passwords differ')
  await host.core.authentication.changePassword(user.name, form.raw('present', 1000), next, loginPlace(host, incoming))
  return leave()
}

/** The session has ended with the others. */
function leave(): Response {
  const headers = { Location: '/console/login', 'Set-Cookie': noSessionCookie() }
  return new Response(null, { status: 303, headers })
}

async function delegate(visit: Visit) {
  const { door, form, host } = visit
  const days = Number(form.need('days', 'the number of days', 10))
  if (!Number.isInteger(days) || days < 1 || days > 365) throw new Failure('malformed', 'for 1 to 365 days')
  const [profile, reason] = [form.text('profile', 100), form.text('reason', 500)]
  const until = new Date(host.clock().getTime() + days * 86_400_000)
  const to = form.need('to', 'the name of the other', 100)
  await door.delegations.create({ to, until, ...(profile ? { profile } : {}), ...(reason ? { reason } : {}) })
  return moveOn(visit, '/console/account', `${to} decides for you until ${until.toISOString().slice(0, 10)}.`)
}

export const accountPages = [
  page('/account', (visit) => accountPage(visit)),
  action('/account/password', changePassword, { again: accountPage }),
  action('/account/delegations', delegate, { again: accountPage }),
  action('/account/delegations/:uuid/end', async (visit) => {
    await visit.door.delegations.end(visit.params.uuid ?? '')
    return moveOn(visit, '/console/account', 'The delegation has ended.')
  }),
  action('/account/sessions/end', async ({ door, user }) => {
    await door.identities.endSessions(user.name)
    return leave()
  }),
  action('/account/sessions/:uuid/end', async (visit) => {
    await visit.door.identities.endSession(visit.params.uuid ?? '')
    return moveOn(visit, '/console/account', 'The session has ended.')
  }),
]
