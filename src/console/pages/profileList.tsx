/** @jsxImportSource hono/jsx */
import type { Failure } from '../../core/failure.ts'
import type { ProfileRecord } from '../../core/profile/raProfiles.ts'
import { problemTexts, sentence } from '../failurePage.tsx'
import { action, page, type Shown, type Visit } from '../page.ts'
import { Badge } from '../parts/badge.tsx'
import { Field, PostForm, Select, Trouble } from '../parts/form.tsx'
import { Head, Panel } from '../parts/panel.tsx'
import { Table } from '../parts/table.tsx'
import { Text } from '../parts/text.tsx'
import { protocolName } from '../parts/words.ts'
import { moveOn } from '../told.ts'

async function profileList(visit: Visit, trouble?: Failure): Promise<Shown> {
  const { door, form } = visit
  const profiles = (await door.raProfiles.list()).filter(({ name }) => !name.startsWith('@'))
  const authorities = await door.admin.authorities()
  const values = form.values()
  const body = (
    <>
      <Head title="RA profiles" about="What may be ordered, over which protocols, and who decides." />
      {trouble && <Trouble detail={sentence(trouble.detail)} problems={problemTexts(trouble)} />}
      <Table
        caption="RA profiles"
        rows={profiles}
        empty="There is no profile yet. Make one below: clients order by it."
        columns={[
          {
            head: 'Name',
            names: true,
            cell: ({ name }) => <a href={`/console/profiles/${encodeURIComponent(name)}`}>{name}</a>,
          },
          { head: 'State', cell: ({ enabled }) => <Badge status={enabled ? 'enabled' : 'disabled'} /> },
          { head: 'Authority', cell: ({ authority }) => <Text value={authority} /> },
          { head: 'Protocols', cell: protocolsOf },
          { head: 'Who decides', cell: decidesText },
          { head: 'Version', right: true, cell: ({ version }) => version },
        ]}
      />
      <Panel title="New profile">
        <PostForm visit={visit} to="/console/profiles">
          <Field
            name="name"
            label="Name"
            value={values.name}
            required
            maxlength={100}
            hint="Part of its addresses: lower-case letters, digits and dashes."
          />
          <Select
            name="authority"
            label="Authority that signs"
            required
            value={values.authority}
            choices={authorities.map(({ name }) => ({ value: name, label: name }))}
          />
          <Select
            name="like"
            label="Settings and rules like those of"
            value={values.like ?? 'default'}
            choices={[
              { value: '', label: 'none: every order asks the owner' },
              ...profiles.map(({ name }) => ({ value: name, label: name })),
            ]}
          />
          <button type="submit" class="primary">
            Make the profile
          </button>
        </PostForm>
      </Panel>
    </>
  )
  return { title: 'RA profiles', section: 'profiles', body }
}

const protocolsOf = ({ protocols }: ProfileRecord) => Object.keys(protocols).map(protocolName).join(', ')

/** Of new certificates, in a few words. */
function decidesText({ rules }: ProfileRecord): string {
  const asks = rules.issue.filter((rule) => 'require' in rule).length
  const passes = rules.issue.filter((rule) => 'auto' in rule).length
  if (rules.issue.length === 0) return 'the owner, always'
  return `${passes} rules pass, ${asks} ask people, else the owner`
}

async function makeProfile(visit: Visit) {
  const { door, form } = visit
  const like = form.text('like', 100)
  const model = like === undefined ? undefined : await door.admin.profile(like)
  const name = form.need('name', 'the name', 100)
  const authority = form.need('authority', 'the authority', 100)
  const { settings = {}, protocols = { acme: {}, ra: {} }, rules = {} } = model ?? {}
  await door.raProfiles.create({ name, authority, settings, protocols, rules })
  return moveOn(visit, `/console/profiles/${encodeURIComponent(name)}`, `The profile ${name} is made.`)
}

export const profileListPages = [
  page('/profiles', (visit) => profileList(visit)),
  action('/profiles', makeProfile, { again: profileList }),
]
