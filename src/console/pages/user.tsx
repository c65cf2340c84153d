/** @jsxImportSource hono/jsx */
import type { GrantView, UserView } from '../../core/admin.ts'
import { Failure } from '../../core/failure.ts'
import type { Capability } from '../../core/identity/capabilityNames.ts'
import type { BindingView } from '../../core/login/binding.ts'
import { sentence } from '../failurePage.tsx'
import { action, page, type Shown, type Visit } from '../page.ts'
import { Badge } from '../parts/badge.tsx'
import { Field, PostButton, PostForm, Select, Trouble } from '../parts/form.tsx'
import { Code, Head, Note, Panel } from '../parts/panel.tsx'
import { Facts, Table } from '../parts/table.tsx'
import { Moment, Text } from '../parts/text.tsx'
import { moveOn } from '../told.ts'
import { grantText } from './grantText.ts'
import { TokenPanel } from './tokens.tsx'

const capabilities = {
  read: 'read',
  create_cert: 'create_cert',
  revoke_cert: 'revoke_cert',
  export_private_key: 'export_private_key',
  approve: 'approve',
  create_ca: 'create_ca',
  delete_ca: 'delete_ca',
  manage: 'manage',
} as const satisfies Record<Capability, string>

const pathOf = (name: string) => `/console/people/user/${encodeURIComponent(name)}`

async function find(visit: Visit): Promise<UserView> {
  const users = await visit.door.admin.users()
  const user = users.find(({ name }) => name === visit.params.name)
  if (!user) throw new Failure('notFound', 'there is no such user')
  return user
}

async function userPage(visit: Visit, trouble?: Failure): Promise<Shown> {
  const user = await find(visit)
  const [bindings, tokens] = await Promise.all([
    visit.door.identities.bindings(user.name),
    visit.door.admin.tokens(user.name),
  ])
  const body = (
    <>
      <Head title={<Text value={user.name} />} about={<Text value={`In the organization ${user.organization}`} />}>
        <Badge status={user.enabled ? 'enabled' : 'disabled'} />
      </Head>
      {trouble && <Trouble detail={sentence(trouble.detail)} />}
      <div class="columns">
        <StandingPanel visit={visit} user={user} />
        <RolePanel visit={visit} user={user} />
      </div>
      <GrantPanel visit={visit} user={user} />
      <BindingPanel visit={visit} user={user} bindings={bindings} />
      <TokenPanel visit={visit} tokens={tokens} />
    </>
  )
  return { title: user.name, section: 'people', body }
}

interface Part {
  visit: Visit
  user: UserView
}

function StandingPanel({ visit, user }: Part) {
  const to = pathOf(user.name)
  const change = (label: string, field: string, value: boolean) => (
    <PostButton visit={visit} to={`${to}/change`} label={label} fields={{ field, value: String(value) }} />
  )
  return (
    <Panel title="Standing">
      <Facts
        rows={[
          ['Rank', user.superuser ? 'Superuser' : user.admin ? 'Administrator' : 'User'],
          ['Password', user.hasPassword ? 'set' : 'none'],
          ['Since', <Moment at={user.createdAt} only="date" />],
        ]}
      />
      <div class="doing">
        <PostButton visit={visit} to={`${to}/link`} label="Make a setup link" />
        {change(user.enabled ? 'Disable' : 'Enable', 'enabled', !user.enabled)}
        {change(user.admin ? 'No administrator any more' : 'Make administrator', 'admin', !user.admin)}
        {visit.user.superuser &&
          change(user.superuser ? 'No superuser any more' : 'Make superuser', 'superuser', !user.superuser)}
        <PostButton visit={visit} to={`${to}/sessions`} label="End all sessions" />
        <PostButton
          visit={visit}
          to={`${to}/remove`}
          label="Remove for good"
          kind="danger"
          ask={`Remove ${user.name} for good?`}
        />
      </div>
    </Panel>
  )
}

function RolePanel({ visit, user }: Part) {
  const to = `${pathOf(user.name)}/roles`
  return (
    <Panel title="Roles">
      <Table
        caption="Roles of the user"
        rows={user.roles}
        empty="In no role."
        columns={[
          { head: 'Role', names: true, cell: (role) => <Text value={role} /> },
          {
            head: 'Do',
            cell: (role) => <PostButton visit={visit} to={to} label="Leave" fields={{ role, do: 'remove' }} />,
          },
        ]}
      />
      <PostForm visit={visit} to={to} class="filters">
        <Field name="role" label="Role" required maxlength={100} />
        <button type="submit">Add to the role</button>
      </PostForm>
    </Panel>
  )
}

function GrantPanel({ visit, user }: Part) {
  const to = `${pathOf(user.name)}/grants`
  const fieldsOf = ({ capability, authority, profile }: GrantView) => ({
    capability,
    do: 'remove',
    ...(authority === null ? {} : { authority }),
    ...(profile === null ? {} : { profile }),
  })
  return (
    <Panel title="Capabilities">
      <Table
        caption="Capabilities of the user"
        rows={user.grants}
        empty={
          user.superuser || user.admin ? 'None of his own; his rank gives him more.' : 'None: he sees nothing yet.'
        }
        columns={[
          { head: 'May', names: true, cell: (grant) => <Text value={grantText(grant)} /> },
          {
            head: 'Do',
            cell: (grant) =>
              grant.role === null && <PostButton visit={visit} to={to} label="Take back" fields={fieldsOf(grant)} />,
          },
        ]}
      />
      <PostForm visit={visit} to={to} class="filters">
        <Select
          name="capability"
          label="Capability"
          required
          choices={Object.keys(capabilities).map((value) => ({ value, label: value }))}
        />
        <Field name="authority" label="Only on the authority" maxlength={100} />
        <Field name="profile" label="Only on the RA profile" maxlength={100} />
        <button type="submit">Grant</button>
      </PostForm>
    </Panel>
  )
}

function BindingPanel({ visit, user, bindings }: Part & { bindings: readonly BindingView[] }) {
  const to = `${pathOf(user.name)}/bindings`
  const text = (binding: BindingView) =>
    binding.kind === 'certificate'
      ? `certificate ${binding.fingerprint}`
      : binding.kind === 'subject'
        ? `certificates of ${binding.authority} with the subject ${binding.subject}`
        : `${binding.subject} at ${binding.issuer}`
  return (
    <Panel title="Other ways to sign in">
      <Table
        caption="Certificates and accounts that speak for the user"
        rows={bindings}
        empty="Only by password."
        columns={[
          { head: 'What', names: true, cell: (binding) => <Text value={text(binding)} most={200} /> },
          { head: 'Since', cell: ({ createdAt }) => <Moment at={createdAt} only="date" /> },
          {
            head: 'Do',
            cell: ({ uuid }) => <PostButton visit={visit} to={to} label="Remove" fields={{ remove: uuid }} />,
          },
        ]}
      />
      <PostForm visit={visit} to={to} class="filters">
        <Field name="issuer" label="Issuer of an OpenID provider" maxlength={500} />
        <Field name="subject" label="Its subject" maxlength={500} />
        <Field name="fingerprint" label="Or SHA-256 of a certificate of ours" maxlength={100} code />
        <button type="submit">Bind</button>
      </PostForm>
    </Panel>
  )
}

async function change(visit: Visit) {
  const { door, form, params } = visit
  const [field, value] = [form.raw('field', 20), form.raw('value', 10) === 'true']
  if (field !== 'enabled' && field !== 'admin' && field !== 'superuser')
    throw new Failure('malformed', 'that is nothing to change')
  await door.admin.changeUser(params.name ?? '', { [field]: value })
  return moveOn(visit, pathOf(params.name ?? ''), 'The user is changed.')
}

async function changeRole(visit: Visit) {
  const { door, form, params } = visit
  const [name, role] = [params.name ?? '', form.need('role', 'the role', 100)]
  if (form.raw('do') === 'remove') await door.admin.removeFromRole(name, role)
  else await door.admin.addToRole(name, role)
  return moveOn(visit, pathOf(name), 'The roles are changed.')
}

async function changeGrant(visit: Visit) {
  const { door, form, params } = visit
  const user = params.name ?? ''
  const capability = form.raw('capability', 40)
  if (!Object.hasOwn(capabilities, capability)) throw new Failure('malformed', 'there is no such capability')
  const [authority, profile] = [form.text('authority', 100), form.text('profile', 100)]
  const place = { ...(authority ? { authority } : {}), ...(profile ? { profile } : {}) }
  const draft = { user, capability: capability as Capability, ...place }
  if (form.raw('do') === 'remove') await door.admin.ungrant(draft)
  else await door.admin.grant(draft)
  return moveOn(visit, pathOf(user), 'The capabilities are changed.')
}

async function changeBinding(visit: Visit) {
  const { door, form, params } = visit
  const [name, removed] = [params.name ?? '', form.text('remove', 100)]
  const fingerprint = form.text('fingerprint', 100)
  if (removed !== undefined) await door.identities.unbind(removed)
  else if (fingerprint !== undefined) await door.identities.bind(name, { kind: 'certificate', fingerprint })
  else {
    const [issuer, subject] = [form.need('issuer', 'the issuer', 500), form.need('subject', 'the subject', 500)]
    await door.identities.bind(name, { kind: 'oidc', issuer, subject })
  }
  return moveOn(visit, pathOf(name), 'The ways to sign in are changed.')
}

async function makeLink(visit: Visit): Promise<Shown> {
  const name = visit.params.name ?? ''
  const { secret, expiresAt } = await visit.door.admin.createSetupLink(name)
  const body = (
    <>
      <Head title="Setup link" about={<Text value={`For ${name}`} />} />
      <Note tone="warn">
        <p>
          Give it to its user over a way that nobody else reads. It is shown this once, works once, and ends on{' '}
          <Moment at={expiresAt} />.
        </p>
      </Note>
      <Code value={`${visit.host.baseUrl}/console/setup#${secret}`} label="Setup link" />
      <p>
        <a href={pathOf(name)}>To the user</a>
      </p>
    </>
  )
  return { title: 'Setup link', section: 'people', body }
}

const again = userPage

export const userPages = [
  page('/people/user/:name', (visit) => userPage(visit)),
  action('/people/user/:name/change', change, { again }),
  action('/people/user/:name/roles', changeRole, { again }),
  action('/people/user/:name/grants', changeGrant, { again }),
  action('/people/user/:name/bindings', changeBinding, { again }),
  action('/people/user/:name/link', makeLink, { again }),
  action('/people/user/:name/sessions', async (visit) => {
    await visit.door.identities.endSessions(visit.params.name ?? '')
    return moveOn(visit, pathOf(visit.params.name ?? ''), 'All sessions have ended.')
  }),
  action(
    '/people/user/:name/remove',
    async (visit) => {
      await visit.door.identities.removeUser(visit.params.name ?? '')
      return moveOn(visit, '/console/people', 'The user is removed.')
    },
    { again },
  ),
]
