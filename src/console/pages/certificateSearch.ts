import type { Filter } from '../../core/search/searchFilter.ts'
import type { FoundCertificate } from '../../core/search/searchRows.ts'
import type { Visit } from '../page.ts'

/** What the list of certificates is narrowed by, as the address says it. */
export interface Wanted {
  search?: string
  status?: string
  source?: string
  authority?: string
  profile?: string
  /** Days. */
  expiring?: number
  archived: boolean
}

export const statuses = ['issued', 'expired', 'hold', 'revoked']
export const sources = ['managed', 'uploaded', 'discovered']
const DAY = 86_400_000

/** In no name: controls, and halves of characters. */
const unfit = /[\p{Cc}\p{Cs}]/gu

/** Reads it, and leaves out what nobody offers. */
export function wantedOf(query: URLSearchParams): Wanted {
  const text = (name: string) => query.get(name)?.replace(unfit, '').trim().slice(0, 200) || undefined
  const oneOf = (name: string, all: readonly string[]) => all.find((value) => value === query.get(name))
  const days = Number(query.get('expiring'))
  const wanted = {
    search: text('search'),
    status: query.get('status') === 'active' ? 'issued' : oneOf('status', statuses),
    source: oneOf('source', sources),
    authority: text('authority'),
    profile: text('profile'),
    expiring: Number.isSafeInteger(days) && days > 0 && days <= 3650 ? days : undefined,
  }
  const given = Object.entries(wanted).filter(([, value]) => value !== undefined)
  return { ...Object.fromEntries(given), archived: query.has('archived') }
}

/** All but what was searched for. */
export function filtersOf({ status, source, authority, profile, expiring }: Wanted): Filter[] {
  const equals = (field: string, value: string | undefined): Filter[] =>
    value === undefined ? [] : [{ field, condition: 'equals', value }]
  return [
    ...equals('status', status),
    ...equals('source', source),
    ...equals('issuer', authority),
    ...equals('profile', profile),
    ...(expiring === undefined ? [] : [{ field: 'notAfter', condition: 'inNext' as const, value: expiring * DAY }]),
  ]
}

/** In which fields a text is looked for, one after the other until one has it. */
export function placesOf(search: string | undefined): Filter[][] {
  if (search === undefined) return [[]]
  const hex = search.replace(/[\s:]/g, '').toLowerCase()
  const isHex = /^[0-9a-f]{8,64}$/.test(hex)
  const among = (field: string): Filter[] => [{ field, condition: 'contains', value: search }]
  const exactly = (field: string): Filter[] => [
    { field, condition: 'equals', value: hex.replace(/^(?:00)+(?=..)/, '') },
  ]
  return [
    ...(isHex
      ? [hex.length === 64 ? [{ field: 'fingerprint', condition: 'equals', value: hex } as const] : exactly('serial')]
      : []),
    among('names'),
    among('subject'),
  ]
}

export interface FoundPage {
  rows: FoundCertificate[]
  total: number
  atLeast: boolean
  /** The filters that found them. */
  where: Filter[]
}

/** One page of what is wanted. Throws Failure('malformed') for a page beyond what is counted. */
export async function findPage(
  { door }: Pick<Visit, 'door'>,
  wanted: Wanted,
  page: number,
  size: number,
): Promise<FoundPage> {
  const filters = filtersOf(wanted)
  let found: FoundPage = { rows: [], total: 0, atLeast: false, where: filters }
  for (const place of placesOf(wanted.search)) {
    const where = [...filters, ...place]
    const search = { where, page, size, ...(wanted.archived ? { archived: true } : {}) }
    const { rows, total, atLeast } = await door.list.searchCertificates(search)
    found = { rows, total, atLeast, where }
    if (total > 0) break
  }
  return found
}
