/** @jsxImportSource hono/jsx */
import { Failure } from '../../core/failure.ts'
import type { Simulation } from '../../core/issuance/simulate.ts'
import type { ProfileRecord } from '../../core/profile/raProfiles.ts'
import type { Action } from '../../core/profile/rule.ts'
import { parseNameText } from '../../pki/nameText.ts'
import { parseNames } from '../names.ts'
import { thrownAway } from '../newOrder.ts'
import { action, page, type Shown, type Visit } from '../page.ts'
import { Check, Field, PostForm, Select } from '../parts/form.tsx'
import { Panel } from '../parts/panel.tsx'
import { actionName, protocolName } from '../parts/words.ts'
import { reading } from '../pasted.ts'
import { Foreseen } from './newOutcome.tsx'
import { findProfile, ProfileHead, ProfileTrouble, profilePath } from './profile.tsx'

const actions = ['issue', 'renew', 'rekey'] as const
const kinds = ['user', 'token', 'acme-account', 'client-certificate', 'challenge', 'credential', 'key-holder'] as const

/** The rule tester: what would become of an order, of which nothing is stored. */
async function tryPage(visit: Visit, more: { made?: Simulation; failure?: Failure } = {}): Promise<Shown> {
  const profile = await findProfile(visit)
  const body = (
    <>
      <ProfileHead visit={visit} profile={profile} here={`${profilePath(profile.name)}/try`} />
      <p class="quiet">
        Which rule would decide, who would be asked, and what the certificate would be. Nothing is stored.
      </p>
      <ProfileTrouble failure={more.failure} />
      <div class="columns">
        <TryForm visit={visit} profile={profile} />
        {more.made && <Foreseen simulation={more.made} />}
      </div>
    </>
  )
  return { title: `Try the rules of ${profile.name}`, section: 'profiles', body }
}

function TryForm({ visit, profile }: { visit: Visit; profile: ProfileRecord }) {
  const values = visit.form.values()
  return (
    <Panel title="The order">
      <PostForm visit={visit} to={`${profilePath(profile.name)}/try`}>
        <Select
          name="action"
          label="What"
          required
          value={values.action}
          choices={actions.map((value) => ({ value, label: actionName(value) }))}
        />
        <Select
          name="protocol"
          label="Over"
          required
          value={values.protocol}
          choices={Object.keys(profile.protocols).map((value) => ({ value, label: protocolName(value) }))}
        />
        <Field
          name="names"
          label="Names"
          rows={3}
          code
          value={values.names}
          hint="DNS names, IP addresses, e-mail addresses or URIs, between blanks or lines."
        />
        <Field
          name="subject"
          label="Subject"
          value={values.subject}
          code
          hint="CN=www.example.org,O=Example"
          maxlength={1000}
        />
        <Select
          name="kind"
          label="Asked by"
          value={values.kind}
          choices={[
            { value: '', label: 'you' },
            ...kinds.map((value) => ({ value, label: `a ${value.replace('-', ' ')}` })),
          ]}
        />
        <Field name="asker" label="Called" value={values.asker} maxlength={200} />
        <Check
          name="validated"
          label="The protocol has proved all the names"
          checked={values.validated !== undefined}
        />
        <Check
          name="entitled"
          label="With a challenge or credential made for these names"
          checked={values.entitled !== undefined}
        />
        <button type="submit" class="primary">
          Try
        </button>
      </PostForm>
    </Panel>
  )
}

async function tryIt(visit: Visit): Promise<Shown> {
  const { door, form } = visit
  const profile = await findProfile(visit)
  const { profile: serving } = await door.serving({ uuid: profile.uuid })
  const identifiers = parseNames(form.text('names', 10_000) ?? '')
  const subject = form.text('subject', 1000)
  if (identifiers.length === 0 && subject === undefined) throw new Failure('malformed', 'say a name or a subject')
  const name = subject === undefined ? [] : reading('malformed', () => parseNameText(subject))
  const csr = await thrownAway({ subject: name, names: identifiers })
  const wanted = actions.find((one) => one === form.raw('action', 10)) ?? 'issue'
  const kind = kinds.find((one) => one === form.raw('kind', 30))
  const made = await door.simulate(
    {
      profile: serving,
      protocol: form.text('protocol', 30) ?? 'ra',
      action: wanted satisfies Action,
      csr,
      identifiers,
      ...(form.checked('validated') ? { validated: identifiers } : {}),
      entitled: form.checked('entitled'),
      refusal: 'throw',
    },
    kind === undefined ? undefined : { kind, name: form.text('asker', 200) ?? '' },
  )
  return tryPage(visit, { made })
}

export const profileTryPages = [
  page('/profiles/:name/try', (visit) => tryPage(visit)),
  action('/profiles/:name/try', tryIt, { again: (visit, failure) => tryPage(visit, { failure }) }),
]
