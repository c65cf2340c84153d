/** @jsxImportSource hono/jsx */
import type { AuthorityView, NewAuthority } from '../../core/admin.ts'
import { Failure } from '../../core/failure.ts'
import { problemTexts, sentence } from '../failurePage.tsx'
import { may } from '../may.ts'
import { action, page, type Shown, type Visit } from '../page.ts'
import { Badge } from '../parts/badge.tsx'
import { Field, PostForm, Select, Trouble } from '../parts/form.tsx'
import { Head } from '../parts/panel.tsx'
import { Table } from '../parts/table.tsx'
import { Ago, Text } from '../parts/text.tsx'
import { moveOn } from '../told.ts'
import { authorityKind, authorityPath } from './authorityWords.ts'

const keys = [
  'P-256',
  'P-384',
  'P-521',
  'RSA-2048',
  'RSA-3072',
  'RSA-4096',
  'Ed25519',
] as const satisfies readonly NewAuthority['key'][]

async function authorityList(visit: Visit): Promise<Shown> {
  const authorities = await visit.door.admin.authorities()
  const now = visit.host.clock()
  const body = (
    <>
      <Head title="Authorities" about="Who signs: with a key that is held here, by hand elsewhere, or at another CA.">
        {may(visit, 'create_ca') && (
          <a class="button primary" href="/console/authorities/new">
            New authority
          </a>
        )}
      </Head>
      <Table<AuthorityView>
        caption="Authorities"
        rows={authorities}
        empty="You see no authority."
        columns={[
          { head: 'Name', names: true, cell: ({ name }) => <a href={authorityPath(name)}>{name}</a> },
          {
            head: 'State',
            cell: ({ enabled, notAfter }) => (
              <Badge status={notAfter === null ? 'pending' : enabled ? 'enabled' : 'disabled'} />
            ),
          },
          { head: 'Kind', cell: ({ kind }) => authorityKind(kind) },
          { head: 'Subject', cell: ({ subject }) => <Text value={subject ?? ''} /> },
          { head: 'Key', cell: ({ keyAlgorithm }) => keyAlgorithm ?? '' },
          { head: 'Owner', cell: ({ owner }) => owner ?? 'nobody' },
          { head: 'Ends', cell: ({ notAfter }) => notAfter && <Ago at={notAfter} now={now} /> },
        ]}
      />
    </>
  )
  return { title: 'Authorities', section: 'authorities', body, wide: true }
}

async function newPage(visit: Visit, failure?: Failure): Promise<Shown> {
  const authorities = await visit.door.admin.authorities()
  const values = visit.form.values()
  const parents = authorities.filter(({ kind, enabled }) => kind === 'local' && enabled)
  const body = (
    <>
      <Head title="New authority" about="Its key is made here, and sealed under the installation’s key." />
      {failure && <Trouble detail={sentence(failure.detail)} problems={problemTexts(failure)} />}
      <PostForm visit={visit} to="/console/authorities">
        <Field
          name="name"
          label="Name"
          value={values.name}
          required
          maxlength={100}
          hint="Part of addresses: lower-case letters, digits and dashes."
        />
        <Field
          name="subject"
          label="Subject"
          value={values.subject}
          required
          code
          maxlength={1000}
          hint="CN=Example Issuing CA,O=Example"
        />
        <Select
          name="parent"
          label="Signed by"
          value={values.parent}
          choices={[
            { value: '', label: 'itself: a root' },
            { value: '@elsewhere', label: 'a CA elsewhere: its request is shown, the certificate is uploaded' },
            ...parents.map(({ name }) => ({ value: name, label: name })),
          ]}
        />
        <Select
          name="key"
          label="Key"
          required
          value={values.key}
          choices={keys.map((value) => ({ value, label: value }))}
        />
        <Field name="years" label="Good for how many years" type="number" value={values.years ?? '5'} required />
        <Field
          name="pathLength"
          label="Levels of CAs below it"
          type="number"
          value={values.pathLength}
          hint="0: it signs no other CA. Empty: no limit."
        />
        <button type="submit" class="primary">
          Make the authority
        </button>
      </PostForm>
      <p class="quiet">
        A CA that exists already is imported with its key by <code>countersign authority import</code>; one that signs
        elsewhere, or over ACME, is made known by <code>countersign authority add</code> and <code>add-acme</code>.
      </p>
    </>
  )
  return { title: 'New authority', section: 'authorities', body }
}

async function make(visit: Visit) {
  const { door, form } = visit
  const years = Number(form.need('years', 'the number of years', 4))
  if (!(years > 0 && years <= 50)) throw new Failure('malformed', 'for 1 to 50 years')
  const levels = form.text('pathLength', 3)
  if (levels !== undefined && !/^\d{1,2}$/.test(levels))
    throw new Failure('malformed', 'levels are a number from 0 to 99, or nothing')
  const key = keys.find((one) => one === form.raw('key', 20))
  if (!key) throw new Failure('malformed', 'choose a kind of key')
  const draft = {
    name: form.need('name', 'the name', 100),
    subject: form.need('subject', 'the subject', 1000),
    key,
    validity: years * 365 * 86_400_000,
    ...(levels === undefined ? {} : { pathLength: Number(levels) }),
  }
  const parent = form.text('parent', 100)
  if (parent === '@elsewhere') {
    await door.admin.draftAuthority(draft)
    return moveOn(
      visit,
      authorityPath(draft.name),
      'Its key is made. Have the request signed, and upload the certificate.',
    )
  }
  await door.admin.createAuthority(parent === undefined ? draft : { ...draft, parent })
  return moveOn(visit, authorityPath(draft.name), `The authority ${draft.name} is made.`)
}

export const authorityListPages = [
  page('/authorities', authorityList),
  page('/authorities/new', (visit) => newPage(visit)),
  action('/authorities', make, { again: newPage }),
]
