/** @jsxImportSource hono/jsx */
import type { ChallengeView } from '../../core/enrolment/challengeView.ts'
import type { CredentialView } from '../../core/enrolment/credentialAdmin.ts'
import { Failure } from '../../core/failure.ts'
import { problemTexts, sentence } from '../failurePage.tsx'
import { parseNames } from '../names.ts'
import { action, page, type Shown, type Visit } from '../page.ts'
import { Badge } from '../parts/badge.tsx'
import { Check, Field, PostButton, PostForm, Select, Trouble } from '../parts/form.tsx'
import { Code, Head, Note, Panel } from '../parts/panel.tsx'
import { Facts, Table } from '../parts/table.tsx'
import { Ago, Moment, Text } from '../parts/text.tsx'
import { moveOn } from '../told.ts'

const home = '/console/enrolment'

async function enrolmentPage(visit: Visit, failure?: Failure): Promise<Shown> {
  const { door } = visit
  const [challenges, credentials, profiles] = await Promise.all([
    door.admin.challenges(),
    door.admin.credentials(),
    door.raProfiles.list(),
  ])
  const names = profiles.map(({ name }) => name).filter((name) => !name.startsWith('@'))
  const body = (
    <>
      <Head
        title="Enrolment"
        about="What devices and clients show at their first order. Whoever makes one of these approves nothing that is asked with it."
      />
      {failure && <Trouble detail={sentence(failure.detail)} problems={problemTexts(failure)} />}
      <ChallengePanel visit={visit} challenges={challenges} profiles={names} />
      <CredentialPanel visit={visit} credentials={credentials} profiles={names} />
    </>
  )
  return { title: 'Enrolment', section: 'enrolment', body }
}

const namesText = (identifiers: unknown): string =>
  identifiers === null ? 'any that the profile certifies' : JSON.stringify(identifiers)

function ChallengePanel({
  visit,
  challenges,
  profiles,
}: {
  visit: Visit
  challenges: readonly ChallengeView[]
  profiles: readonly string[]
}) {
  const now = visit.host.clock()
  const kinds = { once: 'one-time', static: 'static', webhook: 'decided by a webhook' }
  return (
    <Panel title="Challenges (SCEP, EST)">
      <Table
        caption="Challenges that are still good"
        rows={challenges}
        empty="No challenge is open. Make one for the device that is to enrol."
        columns={[
          { head: 'For', names: true, cell: ({ note, profile }) => <Text value={note ?? profile} /> },
          { head: 'Profile', cell: ({ profile }) => <Text value={profile} /> },
          { head: 'Kind', cell: ({ kind }) => kinds[kind] },
          { head: 'Names', cell: ({ subject, identifiers }) => <Text value={subject ?? namesText(identifiers)} /> },
          { head: 'Used', right: true, cell: ({ used, uses }) => (uses === null ? used : `${used} of ${uses}`) },
          { head: 'Ends', cell: ({ expiresAt }) => (expiresAt ? <Ago at={expiresAt} now={now} /> : 'never') },
          { head: 'By', cell: ({ createdBy }) => createdBy ?? '' },
          {
            head: 'Do',
            cell: ({ uuid }) => (
              <PostButton visit={visit} to={`${home}/challenges/${uuid}/revoke`} label="Revoke" kind="danger" />
            ),
          },
        ]}
      />
      <h3>New challenge</h3>
      <PostForm visit={visit} to={`${home}/challenges`}>
        <ProfileChoice profiles={profiles} />
        <Field
          name="names"
          label="Only for these names"
          rows={2}
          code
          hint="DNS names and addresses. Empty: whatever the profile certifies."
        />
        <Field name="hours" label="Good for how many hours" type="number" value="1" required />
        <Field name="uses" label="How often it may be used" type="number" value="1" required />
        <Field name="note" label="For which device" maxlength={200} />
        <button type="submit" class="primary">
          Make a challenge
        </button>
      </PostForm>
    </Panel>
  )
}

function CredentialPanel({
  visit,
  credentials,
  profiles,
}: {
  visit: Visit
  credentials: readonly CredentialView[]
  profiles: readonly string[]
}) {
  const open = credentials.filter(({ revokedAt }) => revokedAt === null)
  return (
    <Panel title="External account keys (ACME EAB) and other credentials">
      <Table
        caption="Credentials that are not revoked"
        rows={open}
        empty="There is none. Where a profile asks ACME clients for an external account, make a key for each client."
        columns={[
          { head: 'Key identifier', names: true, cell: ({ name }) => <code>{name}</code> },
          { head: 'Kind', cell: ({ kind }) => kind },
          { head: 'Profile', cell: ({ profile }) => <Text value={profile} /> },
          { head: 'Names', cell: ({ identifiers }) => <Text value={namesText(identifiers)} /> },
          {
            head: 'Used',
            cell: ({ usedAt }) => (usedAt ? <Moment at={usedAt} /> : <Badge status="pending" label="not yet" />),
          },
          { head: 'Note', cell: ({ note }) => <Text value={note ?? ''} /> },
          {
            head: 'Do',
            cell: ({ uuid }) => (
              <PostButton visit={visit} to={`${home}/credentials/${uuid}/revoke`} label="Revoke" kind="danger" />
            ),
          },
        ]}
      />
      <h3>New external account key</h3>
      <PostForm visit={visit} to={`${home}/credentials`}>
        <ProfileChoice profiles={profiles} id="eab-profile" />
        <Field name="eabNote" label="For which client" maxlength={200} />
        <Check name="singleUse" label="Good for one account" checked />
        <button type="submit" class="primary">
          Make a key
        </button>
      </PostForm>
    </Panel>
  )
}

function ProfileChoice({ profiles, id = 'profile' }: { profiles: readonly string[]; id?: string }) {
  return <Select name={id} label="RA profile" required choices={profiles.map((value) => ({ value, label: value }))} />
}

async function makeChallenge(visit: Visit): Promise<Shown> {
  const { door, form, host } = visit
  const hours = Number(form.need('hours', 'the number of hours', 6))
  if (!(hours > 0 && hours <= 24 * 365)) throw new Failure('malformed', 'for 1 hour to a year')
  const uses = Number(form.need('uses', 'how often it may be used', 6))
  if (!Number.isInteger(uses)) throw new Failure('malformed', 'how often it may be used is a whole number')
  const names = parseNames(form.text('names', 5000) ?? '')
  const note = form.text('note', 200)
  const { challenge, view } = await door.admin.createChallenge({
    profile: form.need('profile', 'the profile', 100),
    uses,
    expiresAt: new Date(host.clock().getTime() + hours * 3_600_000),
    ...(note === undefined ? {} : { note }),
    ...(names.length === 0 ? {} : { identifiers: namesFor(names) }),
  })
  return onceShown('The new challenge', [
    ['Challenge', <Code value={challenge} label="Challenge" />],
    ['Profile', <Text value={view.profile} />],
    ['SCEP address', <code>{`${host.httpBaseUrl}/scep/${encodeURIComponent(view.profile)}`}</code>],
    view.expiresAt !== null && ['Ends', <Moment at={view.expiresAt} />],
  ])
}

/** As the core reads them: lists by kind, addresses as networks. */
function namesFor(names: ReturnType<typeof parseNames>): Record<string, string[]> {
  const lists: Record<string, string[]> = {}
  for (const { type, value } of names) {
    const allowed = type === 'ip' ? `${value}/${value.includes(':') ? 128 : 32}` : value
    lists[type] = [...(lists[type] ?? []), allowed]
  }
  return lists
}

async function makeCredential(visit: Visit): Promise<Shown> {
  const { door, form, host } = visit
  const note = form.text('eabNote', 200)
  const { secret, view } = await door.admin.createCredential({
    kind: 'eab',
    profile: form.need('eab-profile', 'the profile', 100),
    singleUse: form.checked('singleUse'),
    ...(note === undefined ? {} : { note }),
  })
  const server = `${host.baseUrl}/acme/${encodeURIComponent(view.profile)}/directory`
  return onceShown('The new external account key', [
    ['Key identifier', <Code value={view.name} label="Key identifier" />],
    ['HMAC key', <Code value={secret} label="HMAC key" />],
    [
      'certbot',
      <Code
        value={`certbot register --server ${server} \\\n  --eab-kid ${view.name} --eab-hmac-key ${secret}`}
        label="For certbot"
      />,
    ],
  ])
}

function onceShown(title: string, rows: Parameters<typeof Facts>[0]['rows']): Shown {
  const body = (
    <>
      <Head title={title} />
      <Note tone="warn">
        <p>Copy it now: it is shown this once.</p>
      </Note>
      <Panel title="For the client">
        <Facts rows={rows} />
      </Panel>
      <p>
        <a href={home}>To enrolment</a>
      </p>
    </>
  )
  return { title, section: 'enrolment', body }
}

const again = enrolmentPage

export const enrolmentPages = [
  page('/enrolment', (visit) => enrolmentPage(visit)),
  action('/enrolment/challenges', makeChallenge, { again }),
  action('/enrolment/challenges/:uuid/revoke', async (visit) => {
    await visit.door.admin.revokeChallenge(visit.params.uuid ?? '')
    return moveOn(visit, home, 'The challenge is revoked; what waited with it is withdrawn.')
  }),
  action('/enrolment/credentials', makeCredential, { again }),
  action('/enrolment/credentials/:uuid/revoke', async (visit) => {
    await visit.door.admin.revokeCredential(visit.params.uuid ?? '')
    return moveOn(visit, home, 'The credential is revoked: who enrolled with it orders nothing more.')
  }),
]
