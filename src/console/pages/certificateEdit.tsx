/** @jsxImportSource hono/jsx */

import type { Failure } from '../../core/failure.ts'
import { cut } from '../certificateName.ts'
import { problemTexts, sentence } from '../failurePage.tsx'
import { action, page, type Shown, type Visit } from '../page.ts'
import { Check, PostButton, PostForm, Select, Trouble } from '../parts/form.tsx'
import { Head } from '../parts/panel.tsx'
import { type Asked, askedAttributes, attributesOf, fieldOf, filledIn } from '../requestAttributes.ts'
import { moveOn } from '../told.ts'
import { certificateIn } from './certificateDownload.tsx'
import type { CertificateView } from './certificateView.ts'
import { Attribute } from './newForm.tsx'

async function editPage(visit: Visit, failure?: Failure): Promise<Shown> {
  const view = await certificateIn(visit)
  const { certificate, entry, name } = view
  const { door } = visit
  const [users, groups, asked] = await Promise.all([door.admin.users(), door.groups.list(), askedFor(visit, view)])
  const values = failure ? visit.form.values() : filledIn(asked, entry.attributes)
  const { owner } = entry
  const people = users.filter(({ enabled, organization }) => enabled && organization === visit.user.organization)
  const choices = [
    { value: '', label: 'Nobody' },
    ...people.map(({ uuid, name }) => ({ value: uuid, label: cut(name, 60) })),
    // Whoever does not see all people still sees who it is.
    ...(owner && !people.some(({ uuid }) => uuid === owner.uuid)
      ? [{ value: owner.uuid, label: cut(owner.name, 60) }]
      : []),
  ]
  const inGroups = new Set(failure ? visit.form.all('groups') : entry.groups.map(({ uuid }) => uuid))
  const back = `/console/certificates/${certificate.uuid}`
  const chosen = failure ? visit.form.text('owner', 100) : owner?.uuid
  const body = (
    <>
      <Head title="Owner, groups and notes" about={cut(name)} />
      {failure && <Trouble detail={sentence(failure.detail)} problems={problemTexts(failure)} />}
      <PostForm visit={visit} to={`${back}/edit`}>
        <Select name="owner" label="Owner" value={chosen ?? ''} choices={choices} />
        <fieldset>
          <legend>Groups</legend>
          {groups.length === 0 && <p class="hint">There are no groups yet: an administrator makes them.</p>}
          {groups.map(({ uuid, name }) => (
            <Check name="groups" value={uuid} checked={inGroups.has(uuid)} label={cut(name, 60)} />
          ))}
        </fieldset>
        {entry.trustedCa !== undefined && entry.item.foreign && (
          <Check
            name="trusted"
            checked={entry.trustedCa}
            label="Chains may end at this CA certificate"
            hint="It was uploaded or found: nobody here has issued it."
          />
        )}
        {asked.length > 0 && (
          <fieldset class="form">
            <legend>About the certificate</legend>
            {asked.map((one) => (
              <Attribute one={one} values={values} chosen={(values[fieldOf(one)] ?? '').split('\n')} />
            ))}
          </fieldset>
        )}
        <button type="submit" class="primary">
          Save
        </button>
      </PostForm>
      <p class="after-form">
        <a href={back}>Leave it as it is</a>
      </p>
      {entry.item.foreign && (
        <PostButton visit={visit} to={`${back}/remove`} label="Remove from the inventory" kind="danger" />
      )}
    </>
  )
  return { title: 'Owner, groups and notes', section: 'certificates', body }
}

/** What its profile asks, where one does, and the organization of every certificate. */
async function askedFor(visit: Visit, { record }: CertificateView): Promise<Asked[]> {
  return askedAttributes(visit, record.profile && (await visit.door.raProfiles.find(record.profile.uuid)))
}

async function save(visit: Visit): Promise<Response> {
  const view = await certificateIn(visit)
  const { certificate, entry } = view
  const { form, door } = visit
  const asked = new Set((await askedFor(visit, view)).map(({ name }) => name))
  const given =
    asked.size > 0
      ? await attributesOf(visit, view.record.profile && (await door.raProfiles.find(view.record.profile.uuid)))
      : []
  const foreignCa = entry.item.foreign && entry.trustedCa !== undefined
  await door.inventory.assign([certificate.uuid], {
    owner: form.text('owner', 100) ?? null,
    groups: form.all('groups', 100),
    ...(foreignCa && form.checked('trusted') !== entry.trustedCa ? { trustedCa: form.checked('trusted') } : {}),
  })
  // What programs noted beside it stays.
  const others = entry.attributes.filter(({ name }) => !asked.has(name))
  if (asked.size > 0) await door.inventory.setAttributes(certificate.uuid, [...others, ...given])
  return moveOn(visit, `/console/certificates/${certificate.uuid}`, 'Owner, groups and notes are saved.')
}

/** Does something to a certificate, and goes back to it. */
const then = (path: string, told: string, run: (visit: Visit, uuid: string) => Promise<unknown>) =>
  action(`/certificates/:uuid/${path}`, async (visit) => {
    const uuid = visit.params.uuid ?? ''
    await run(visit, uuid)
    return moveOn(visit, `/console/certificates/${encodeURIComponent(uuid)}`, told)
  })

async function remove(visit: Visit): Promise<Response> {
  const uuid = visit.params.uuid ?? ''
  await visit.door.inventory.remove([uuid])
  return moveOn(visit, '/console/certificates', 'The certificate is not in the inventory any more.')
}

export const certificateEditPages = [
  action('/certificates/:uuid/remove', remove),
  page('/certificates/:uuid/edit', (visit) => editPage(visit)),
  action('/certificates/:uuid/edit', save, { again: editPage }),
  then('archive', 'The certificate is archived: lists leave it out.', ({ door }, uuid) =>
    door.inventory.archive([uuid]),
  ),
  then('unarchive', 'The certificate is back from the archive.', ({ door }, uuid) => door.inventory.unarchive([uuid])),
  then('validate', 'The certificate was validated.', ({ door }, uuid) => door.inventory.validate(uuid)),
]
