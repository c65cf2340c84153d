/** @jsxImportSource hono/jsx */
import type { RequestKind } from '../../core/approval/approval.ts'
import type { Filter } from '../../core/search/searchFilter.ts'
import type { Visit } from '../page.ts'
import { type Choice, Field, Select } from '../parts/form.tsx'
import { protocolName } from '../parts/words.ts'

/** What a list can be narrowed by: the name in the address, which is the search's own field unless `field` says another. */
const narrowing = [
  { name: 'status', field: 'status', condition: 'equals' },
  { name: 'profile', field: 'profile', condition: 'equals' },
  { name: 'authority', field: 'issuer', condition: 'equals' },
  { name: 'protocol', field: 'protocol', condition: 'equals' },
  { name: 'requester', field: 'requester', condition: 'contains' },
] as const

const most = 200

/** What the address asks for, as conditions of a search of requests; `search` goes through the names. */
export function filtersOf(
  query: URLSearchParams,
  {
    searched = 'names',
    statuses,
  }: { searched?: 'names' | 'subject'; statuses?: (given: string) => string[] | undefined } = {},
): Filter[] {
  const given = (name: string) => query.get(name)?.trim().slice(0, most) ?? ''
  const found: Filter[] = narrowing
    .filter(({ name }) => given(name) !== '')
    .map(({ name, field, condition }) => ({
      field,
      condition,
      value: (name === 'status' ? statuses?.(given(name)) : undefined) ?? given(name),
    }))
  const search = given('search')
  return search === '' ? found : [...found, { field: searched, condition: 'contains', value: search }]
}

const word = (status: string) => `${status.charAt(0).toUpperCase()}${status.slice(1)}`
const choices = (values: readonly string[], label: (value: string) => string = (value) => value): Choice[] => [
  { value: '', label: 'Any' },
  ...values.map((value) => ({ value, label: label(value) })),
]

export const requestStatuses = {
  sign: ['draft', 'requested', 'signing', 'signed', 'denied', 'canceled', 'expired', 'failed'],
  revoke: ['requested', 'revoking', 'revoked', 'denied', 'canceled', 'expired', 'failed'],
} as const satisfies Record<RequestKind, readonly string[]>

/** The form above a list of requests or orders. */
export async function requestFilters({ query, door }: Visit, statuses: readonly string[]) {
  const value = (name: string) => query.get(name) ?? undefined
  const [profiles, authorities] = await Promise.all([door.admin.profiles(), door.admin.authorities()])
  const protocols = new Set(profiles.flatMap((profile) => Object.keys(profile.protocols)))
  for (const also of ['console', value('protocol')]) if (also) protocols.add(also)
  const names = profiles.map(({ name }) => name)
  return (
    <form class="filters" data-instant>
      <Field name="search" label="Name contains" value={value('search')} type="search" maxlength={most} />
      <Select name="status" label="Status" value={value('status')} choices={choices(statuses, word)} />
      <Select name="profile" label="RA profile" value={value('profile')} choices={choices(names)} />
      <Select
        name="authority"
        label="Authority"
        value={value('authority')}
        choices={choices(authorities.map(({ name }) => name))}
      />
      <Select
        name="protocol"
        label="Protocol"
        value={value('protocol')}
        choices={choices([...protocols].sort(), protocolName)}
      />
      <Field name="requester" label="Requested by" value={value('requester')} type="search" maxlength={most} />
      <button type="submit">Filter</button>
      {filtersOf(query).length > 0 && <a href="?">Clear</a>}
    </form>
  )
}
