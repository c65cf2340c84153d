/** @jsxImportSource hono/jsx */
import type { UserView } from '../../core/admin.ts'
import type { Failure } from '../../core/failure.ts'
import { cut } from '../certificateName.ts'
import { sentence } from '../failurePage.tsx'
import { action, page, type Shown, type Visit } from '../page.ts'
import { Badge } from '../parts/badge.tsx'
import { Check, Field, PostButton, PostForm, Trouble } from '../parts/form.tsx'
import { Head, Panel, Tabs } from '../parts/panel.tsx'
import { Table } from '../parts/table.tsx'
import { Moment, Text, Texts } from '../parts/text.tsx'
import { moveOn } from '../told.ts'

const tabs = [
  { label: 'Users', to: '/console/people' },
  { label: 'Roles', to: '/console/people/roles' },
  { label: 'Groups', to: '/console/people/groups' },
  { label: 'Organizations', to: '/console/people/organizations' },
]

/** One of the four lists, with a form to add to it. */
function listPage(given: {
  title: string
  about: string
  here: string
  body: Shown['body']
  trouble?: Failure | undefined
}): Shown {
  const { title, about, here, trouble } = given
  const body = (
    <>
      <Head title={title} about={about} />
      <Tabs label="People" tabs={tabs} here={here} />
      {trouble && <Trouble detail={sentence(trouble.detail)} />}
      {given.body}
    </>
  )
  return { title, section: 'people', body }
}

const rankOf = ({ superuser, admin }: UserView) => (superuser ? 'superuser' : admin ? 'administrator' : '')

async function users(visit: Visit, trouble?: Failure): Promise<Shown> {
  const rows = await visit.door.admin.users()
  const values = visit.form.values()
  const body = (
    <>
      <Table
        caption="Users"
        rows={rows}
        empty="There is no user."
        columns={[
          {
            head: 'Name',
            names: true,
            cell: ({ name }) => <a href={`/console/people/user/${encodeURIComponent(name)}`}>{name}</a>,
          },
          { head: 'State', cell: ({ enabled }) => <Badge status={enabled ? 'enabled' : 'disabled'} /> },
          { head: 'Organization', cell: ({ organization }) => <Text value={organization} /> },
          { head: 'Rank', cell: (user) => rankOf(user) },
          { head: 'Roles', cell: ({ roles }) => (roles.length > 0 ? <Texts values={roles} /> : '') },
          { head: 'Since', cell: ({ createdAt }) => <Moment at={createdAt} only="date" /> },
        ]}
      />
      <Panel title="New user">
        <PostForm visit={visit} to="/console/people">
          <Field
            name="name"
            label="Name"
            value={values.name}
            required
            maxlength={99}
            hint="Lower-case letters, digits and . _ @ -"
          />
          {visit.user.superuser && (
            <Field
              name="organization"
              label="Organization"
              value={values.organization ?? visit.user.organization}
              required
              maxlength={100}
            />
          )}
          <Check name="admin" label="Administrator of the organization" checked={values.admin !== undefined} />
          <button type="submit" class="primary">
            Add the user
          </button>
        </PostForm>
      </Panel>
    </>
  )
  return listPage({
    title: 'Users',
    about: 'Who may sign in, and what each may do.',
    here: '/console/people',
    body,
    trouble,
  })
}

async function addUser(visit: Visit) {
  const { form, door } = visit
  const organization = form.text('organization', 100)
  const made = await door.admin.createUser({
    name: form.need('name', 'the name', 99),
    ...(organization ? { organization } : {}),
    ...(form.checked('admin') ? { admin: true } : {}),
  })
  const to = `/console/people/user/${encodeURIComponent(made.name)}`
  return moveOn(visit, to, `${made.name} is added. Make a setup link, so that a password can be set.`)
}

async function roles(visit: Visit, trouble?: Failure): Promise<Shown> {
  const rows = await visit.door.identities.roles()
  const body = (
    <>
      <Table
        caption="Roles"
        rows={rows}
        empty="There is no role yet. A role holds capabilities for several people, and rules can name it."
        columns={[
          { head: 'Name', names: true, cell: ({ name }) => <Text value={name} /> },
          { head: 'Organization', cell: ({ organization }) => <Text value={organization} /> },
          { head: 'Members', cell: ({ members }) => <Texts values={members} most={8} /> },
          {
            head: 'Do',
            cell: ({ uuid }) => (
              <PostButton visit={visit} to={`/console/people/roles/${uuid}/delete`} label="Delete" kind="danger" />
            ),
          },
        ]}
      />
      <AddPanel visit={visit} title="New role" to="/console/people/roles" />
    </>
  )
  const about = 'Capabilities that several people share. Members are added on each user’s page.'
  return listPage({ title: 'Roles', about, here: '/console/people/roles', body, trouble })
}

async function groups(visit: Visit, trouble?: Failure): Promise<Shown> {
  const rows = await visit.door.groups.list()
  const body = (
    <>
      <Table
        caption="Groups"
        rows={rows}
        empty="There is no group yet. Rules name groups as approvers, and certificates belong to them."
        columns={[
          { head: 'Name', names: true, cell: ({ name }) => <Text value={name} /> },
          { head: 'Organization', cell: ({ organization }) => <Text value={organization} /> },
          { head: 'About', cell: ({ description }) => <Text value={description ?? ''} /> },
          { head: 'Members', cell: ({ members }) => <Texts values={members ?? []} most={8} /> },
          {
            head: 'Change',
            cell: ({ uuid, name }) => (
              <>
                <PostForm visit={visit} to={`/console/people/groups/${uuid}/members`} class="inline">
                  <label>
                    <span class="unseen">Name of a member of {cut(name)}</span>
                    <input type="text" name="user" required maxlength={99} placeholder="user" size={10} />
                  </label>
                  <button type="submit" name="do" value="add">
                    Add
                  </button>
                  <button type="submit" name="do" value="remove">
                    Remove
                  </button>
                </PostForm>
                <PostButton visit={visit} to={`/console/people/groups/${uuid}/delete`} label="Delete" kind="danger" />
              </>
            ),
          },
        ]}
      />
      <AddPanel visit={visit} title="New group" to="/console/people/groups" />
    </>
  )
  const about = 'People whom approval rules name together, and to whom certificates belong.'
  return listPage({ title: 'Groups', about, here: '/console/people/groups', body, trouble })
}

async function organizations(visit: Visit, trouble?: Failure): Promise<Shown> {
  const rows = await visit.door.admin.organizations()
  const body = (
    <>
      <Table
        caption="Organizations"
        rows={rows}
        empty="There is no organization."
        columns={[
          { head: 'Name', names: true, cell: ({ name }) => <Text value={name} /> },
          { head: 'Identifier', cell: ({ uuid }) => <code>{uuid}</code> },
          { head: 'Since', cell: ({ createdAt }) => <Moment at={createdAt} only="date" /> },
        ]}
      />
      {visit.user.superuser && <AddPanel visit={visit} title="New organization" to="/console/people/organizations" />}
    </>
  )
  const about = 'Each has its own people, authorities and profiles, and sees nothing of the others.'
  return listPage({ title: 'Organizations', about, here: '/console/people/organizations', body, trouble })
}

function AddPanel({ visit, title, to }: { visit: Visit; title: string; to: string }) {
  return (
    <Panel title={title}>
      <PostForm visit={visit} to={to} class="filters">
        <Field name="name" label="Name" value={visit.form.text('name')} required maxlength={100} />
        <button type="submit">Add</button>
      </PostForm>
    </Panel>
  )
}

async function changeMember(visit: Visit) {
  const { door, form, params } = visit
  const group = { uuid: params.uuid ?? '' }
  const user = form.need('user', 'the name of the user', 99)
  if (form.raw('do') === 'remove') await door.groups.removeMember(group, user)
  else await door.groups.addMember(group, user)
  return moveOn(visit, '/console/people/groups', 'The group is changed.')
}

export const peoplePages = [
  page('/people', (visit) => users(visit)),
  action('/people', addUser, { again: users }),
  page('/people/roles', (visit) => roles(visit)),
  action(
    '/people/roles',
    async (visit) => {
      await visit.door.identities.createRole({ name: visit.form.need('name', 'the name', 100) })
      return moveOn(visit, '/console/people/roles', 'The role is added.')
    },
    { again: roles },
  ),
  action('/people/roles/:uuid/delete', async (visit) => {
    await visit.door.identities.deleteRole(visit.params.uuid ?? '')
    return moveOn(visit, '/console/people/roles', 'The role is deleted, and what was granted to it.')
  }),
  page('/people/groups', (visit) => groups(visit)),
  action(
    '/people/groups',
    async (visit) => {
      await visit.door.groups.create({ name: visit.form.need('name', 'the name', 100) })
      return moveOn(visit, '/console/people/groups', 'The group is added.')
    },
    { again: groups },
  ),
  action('/people/groups/:uuid/members', changeMember, { again: groups }),
  action('/people/groups/:uuid/delete', async (visit) => {
    await visit.door.groups.delete({ uuid: visit.params.uuid ?? '' })
    return moveOn(visit, '/console/people/groups', 'The group is deleted.')
  }),
  page('/people/organizations', (visit) => organizations(visit)),
  action(
    '/people/organizations',
    async (visit) => {
      await visit.door.admin.createOrganization(visit.form.need('name', 'the name', 100))
      return moveOn(visit, '/console/people/organizations', 'The organization is added.')
    },
    { again: organizations },
  ),
]
