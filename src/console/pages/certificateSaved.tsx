/** @jsxImportSource hono/jsx */
import { Failure } from '../../core/failure.ts'
import type { SavedView } from '../../core/search/savedViews.ts'
import { cut } from '../certificateName.ts'
import { action, type Visit } from '../page.ts'
import { PostButton, PostForm } from '../parts/form.tsx'
import { moveOn } from '../told.ts'
import { filtersOf, placesOf, type Wanted, wantedOf } from './certificateSearch.ts'

const path = '/console/certificates'
const DAY = 86_400_000
/** Which field of a filter stands for which part of the address. */
const parts: Readonly<Record<string, string>> = {
  'status equals': 'status',
  'source equals': 'source',
  'issuer equals': 'authority',
  'profile equals': 'profile',
  'notAfter inNext': 'expiring',
  'names contains': 'search',
  'names equals': 'search',
  'subject contains': 'search',
  'serial equals': 'search',
  'fingerprint equals': 'search',
}

/** The address that shows a view; undefined for one that this list has no fields for. */
export function addressOfView({ filter }: Pick<SavedView, 'filter'>): string | undefined {
  const query = new URLSearchParams()
  for (const { field, condition, value } of filter.where) {
    const part = parts[`${field} ${condition}`]
    if (part === undefined || Array.isArray(value) || query.has(part)) return undefined
    query.set(part, part === 'expiring' ? String(Math.round(Number(value) / DAY)) : String(value))
  }
  if (filter.archived) query.set('archived', 'on')
  return `${path}?${query}`
}

/** His views of the list, and a way to keep what is shown now. */
export function Views({ visit, views, wanted }: { visit: Visit; views: readonly SavedView[]; wanted: Wanted }) {
  const shown = views.flatMap((view) => {
    const to = addressOfView(view)
    return to === undefined ? [] : [{ ...view, to }]
  })
  const narrowed = Object.keys(wanted).length > 1 || wanted.archived
  if (shown.length === 0 && !narrowed) return null
  return (
    <details class="saved" open={shown.length > 0 && shown.length <= 8}>
      <summary>Saved views</summary>
      <ul class="views">
        {shown.map(({ uuid, name, to }) => (
          <li class="view">
            <a href={to}>{cut(name, 60)}</a>{' '}
            <PostButton
              visit={visit}
              to={`${path}/views/remove`}
              label={`Forget ${cut(name, 20)}`}
              fields={{ view: uuid }}
            />
          </li>
        ))}
      </ul>
      {narrowed && (
        <PostForm visit={visit} to={`${path}/views?${visit.query}`} class="inline">
          <label for="view-name">Keep what is shown as</label>
          <input id="view-name" name="name" required maxlength={100} />
          <button type="submit">Save view</button>
        </PostForm>
      )}
    </details>
  )
}

async function save(visit: Visit): Promise<Response> {
  const { query, form, door } = visit
  const wanted = wantedOf(query)
  const [place = []] = placesOf(wanted.search)
  const where = [...filtersOf(wanted), ...place]
  const name = form.need('name', 'the name of the view', 100)
  if (where.length === 0 && !wanted.archived)
    throw new Failure('malformed', 'filter the list first: this view would show all')
  const view = await door.views.create({
    list: 'certificate',
    name,
    filter: { where, ...(wanted.archived ? { archived: true } : {}) },
  })
  return moveOn(visit, addressOfView(view) ?? path, 'The view is saved.')
}

async function forget(visit: Visit): Promise<Response> {
  await visit.door.views.remove(visit.form.need('view', 'the view', 100))
  return moveOn(visit, path, 'The view is gone; the certificates are not.')
}

export const certificateSavedPages = [action('/certificates/views', save), action('/certificates/views/remove', forget)]
