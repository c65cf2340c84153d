/** @jsxImportSource hono/jsx */
import { z } from 'zod'
import { Failure } from '../../core/failure.ts'
import { action, page, type Shown, type Visit } from '../page.ts'
import { Field, PostButton, PostForm } from '../parts/form.tsx'
import { Panel } from '../parts/panel.tsx'
import { moveOn } from '../told.ts'
import { readYaml } from '../yaml.ts'
import { findProfile, ProfileHead, ProfileTrouble, profilePath, yamlOf } from './profile.tsx'

/** What the text may hold; each part is read by the core's own schemas. */
const written = z.strictObject({
  settings: z.unknown().optional(),
  protocols: z.record(z.string(), z.unknown()).optional(),
  rules: z.unknown().optional(),
})

async function editPage(visit: Visit, failure?: Failure): Promise<Shown> {
  const profile = await findProfile(visit)
  const { settings, protocols, rules, version, enabled } = profile
  const path = profilePath(profile.name)
  const body = (
    <>
      <ProfileHead visit={visit} profile={profile} here={`${path}/edit`} />
      <ProfileTrouble failure={failure} />
      <Panel title="As text">
        <PostForm visit={visit} to={`${path}/edit`} class="form broad">
          <input type="hidden" name="version" value={visit.form.text('version', 20) ?? String(version)} />
          <Field
            name="text"
            label="Settings, protocols and rules, in YAML"
            rows={28}
            code
            required
            value={visit.form.text('text', 200_000) ?? yamlOf({ settings, protocols, rules })}
            hint="What is left out of a part has its default. Nothing is stored unless all of it is accepted."
          />
          <button type="submit" class="primary">
            Save
          </button>
        </PostForm>
      </Panel>
      <Panel title={enabled ? 'Disable it' : 'Enable it'}>
        <p>{enabled ? 'A disabled profile takes no orders. What was issued stays good.' : 'It takes orders again.'}</p>
        <PostButton
          visit={visit}
          to={`${path}/switch`}
          label={enabled ? 'Disable' : 'Enable'}
          kind={enabled ? 'danger' : 'primary'}
          fields={{ enabled: String(!enabled) }}
        />
      </Panel>
    </>
  )
  return { title: `Edit ${profile.name}`, section: 'profiles', body }
}

async function save(visit: Visit) {
  const { door, form } = visit
  const profile = await findProfile(visit)
  const change = read(form.need('text', 'the text', 200_000))
  const version = Number(form.raw('version', 20))
  const { warnings } = await door.raProfiles.change(profile.uuid, (now) => {
    if (now.version !== version)
      throw new Failure(
        'conflict',
        'somebody has changed the profile since you loaded it: load this page anew and change it again',
      )
    return change
  })
  const told = ['The profile is saved.', ...warnings].join(' ')
  return moveOn(visit, profilePath(profile.name), told)
}

function read(text: string) {
  const { success, data, error } = written.safeParse(readYaml(text))
  if (!success) throw new Failure('malformed', error.issues[0]?.message ?? 'settings, protocols and rules')
  const { settings, protocols, rules } = data
  return {
    ...(settings === undefined ? {} : { settings }),
    ...(protocols === undefined ? {} : { protocols }),
    ...(rules === undefined ? {} : { rules }),
  }
}

export const profileEditPages = [
  page('/profiles/:name/edit', (visit) => editPage(visit)),
  action('/profiles/:name/edit', save, { again: editPage }),
]
