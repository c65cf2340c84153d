/** @jsxImportSource hono/jsx */

import { Failure } from '../../core/failure.ts'
import type { ScopeName } from '../../core/identity/tokenScope.ts'
import type { ScopeDraft, TokenView } from '../../core/login/tokenView.ts'
import { sentence } from '../failurePage.tsx'
import { action, page, type Shown, type Visit } from '../page.ts'
import { Badge } from '../parts/badge.tsx'
import { Check, Field, PostButton, PostForm, Trouble } from '../parts/form.tsx'
import { Code, Head, Note, Panel } from '../parts/panel.tsx'
import { Table } from '../parts/table.tsx'
import { Ago, Moment, Text } from '../parts/text.tsx'
import { moveOn } from '../told.ts'

/** As the core has them (tokenScope.ts); the compiler holds them against it. */
const scopes = {
  read: 'see',
  create_cert: 'order certificates',
  revoke_cert: 'revoke',
  approve: 'approve',
  export_private_key: 'export private keys',
  create_ca: 'create authorities',
  delete_ca: 'delete authorities',
  manage: 'manage profiles and authorities',
  admin: 'administer people and the installation',
} as const satisfies Record<ScopeName, string>

/** The API tokens of a user, with a form to make one. */
export function TokenPanel({ visit, tokens }: { visit: Visit; tokens: readonly TokenView[] }) {
  const now = visit.host.clock()
  return (
    <Panel title="API tokens" aside={<a href="/console/account/tokens/new">New token</a>}>
      <Table
        caption="API tokens"
        rows={tokens}
        empty={
          <>
            A program that calls the REST API shows a token. <a href="/console/account/tokens/new">Make one</a>.
          </>
        }
        columns={[
          { head: 'Name', names: true, cell: ({ name }) => <Text value={name} /> },
          { head: 'May', cell: ({ scope }) => <Text value={scopeText(scope)} most={80} /> },
          { head: 'Made', cell: ({ createdAt }) => <Moment at={createdAt} only="date" /> },
          { head: 'Used', cell: ({ lastUsedAt }) => (lastUsedAt ? <Ago at={lastUsedAt} now={now} /> : 'never') },
          { head: 'Ends', cell: ({ expiresAt }) => (expiresAt ? <Moment at={expiresAt} only="date" /> : 'never') },
          {
            head: 'Do',
            cell: (token) =>
              token.revokedAt ? (
                <Badge status="revoked" />
              ) : (
                <PostButton visit={visit} to={`/console/tokens/${token.uuid}/revoke`} label="Revoke" kind="danger" />
              ),
          },
        ]}
      />
    </Panel>
  )
}

function scopeText(scope: TokenView['scope']): string {
  if (!scope) return 'all that its user may'
  const place = [scope.authority, scope.profile].filter((name) => name !== null)
  const what = scope.capabilities.join(', ')
  return `${scope.readOnly ? 'read only: ' : ''}${what}${place.length > 0 ? `, on ${place.join(' and ')} alone` : ''}`
}

function newToken(visit: Visit, trouble?: Failure): Shown {
  const values = visit.form.values()
  const body = (
    <>
      <Head
        title="New API token"
        about="It acts as you, and never does more than you may. What you ask for with it you cannot approve."
      />
      {trouble && <Trouble detail={sentence(trouble.detail)} />}
      <PostForm visit={visit} to="/console/account/tokens">
        <Field name="name" label="Name" value={values.name} required maxlength={100} hint="Which program it is for." />
        <Field
          name="days"
          label="Good for how many days"
          type="number"
          value={values.days ?? '90'}
          hint="Empty: without an end."
        />
        <fieldset>
          <legend>Limit it to</legend>
          <p class="hint">Nothing ticked: all that you may.</p>
          {Object.entries(scopes).map(([name, label]) => (
            <Check name="scope" value={name} label={label} />
          ))}
        </fieldset>
        <Field name="profile" label="Only on the RA profile" value={values.profile} maxlength={100} />
        <Check name="readOnly" label="It changes nothing" checked={values.readOnly !== undefined} />
        <button type="submit" class="primary">
          Make the token
        </button>
      </PostForm>
    </>
  )
  return { title: 'New API token', section: 'account', body }
}

async function makeToken(visit: Visit): Promise<Shown> {
  const { door, form, host, user } = visit
  const days = form.text('days', 6)
  if (days !== undefined && !/^[1-9]\d{0,4}$/.test(days)) throw new Failure('malformed', 'a number of days, or nothing')
  const expiresAt = days === undefined ? undefined : new Date(host.clock().getTime() + Number(days) * 86_400_000)
  const scope = scopeOf(visit)
  const { text, view } = await door.admin.createToken({
    user: user.name,
    name: form.need('name', 'the name', 100),
    ...(expiresAt ? { expiresAt } : {}),
    ...(scope ? { scope } : {}),
  })
  const example = `curl -H "Authorization: Bearer ${text}" ${host.baseUrl}/api/v1/auth/profile`
  const body = (
    <>
      <Head title="Your new token" />
      <Note tone="warn">
        <p>Copy it now: it is shown this once, and only its hash is kept.</p>
      </Note>
      <Panel title={view.name}>
        <Code value={text} label="Token" />
        <p>For example:</p>
        <Code value={example} label="Example" />
      </Panel>
      <p>
        <a href="/console/account">To your account</a>
      </p>
    </>
  )
  return { title: 'Your new token', section: 'account', body }
}

function scopeOf({ form }: Visit): ScopeDraft | undefined {
  const chosen = form.all('scope', 20)
  const capabilities = chosen.filter((name): name is ScopeName => Object.hasOwn(scopes, name))
  if (capabilities.length < chosen.length) throw new Failure('malformed', 'there is no such capability')
  const [profile, readOnly] = [form.text('profile', 100), form.checked('readOnly')]
  if (capabilities.length === 0 && profile === undefined && !readOnly) return undefined
  const all = Object.keys(scopes) as ScopeName[]
  const limited = capabilities.length > 0 ? capabilities : all.filter((name) => name !== 'admin')
  return { capabilities: limited, ...(profile ? { profile } : {}), ...(readOnly ? { readOnly } : {}) }
}

export const tokenPages = [
  page('/account/tokens/new', async (visit) => newToken(visit)),
  action('/account/tokens', makeToken, { again: async (visit, failure) => newToken(visit, failure) }),
  action('/tokens/:uuid/revoke', async (visit) => {
    await visit.door.admin.revokeToken(visit.params.uuid ?? '')
    return moveOn(visit, '/console/account', 'The token is revoked.')
  }),
]
