import { z } from 'zod'
import type { RequestKind } from '../core/approval/approval.ts'
import { Failure } from '../core/failure.ts'
import type { Listing, RequestFilter, RequestRow } from '../core/listing/listing.ts'

/** Where a page begins, by kind; a kind that is absent has been shown to its end. */
type Cursor = Partial<Record<RequestKind, number>>

/** 12: below the request 12 to sign; r5: below the request 5 to revoke; 12,r5: both. */
export const cursor = z
  .string()
  .regex(/^(?=.)([1-9]\d{0,14})?(?:(?:^|,)r([1-9]\d{0,14}))?$/, 'a list goes on after 12, after r5, or after 12,r5')
  .transform((text): Cursor => {
    const [, sign, revoke] = /^(\d+)?,?(?:r(\d+))?$/.exec(text) ?? []
    return { ...(sign ? { sign: Number(sign) } : {}), ...(revoke ? { revoke: Number(revoke) } : {}) }
  })

export interface RequestPage {
  rows: RequestRow[]
  /** For `after`; absent on the last page. */
  next?: string
}

type Filter = Omit<RequestFilter, 'kind' | 'after'> & { after?: Cursor }

/** Requests of several kinds as one list, the newest first. Throws Failure('malformed') for a status that none of them has. */
export async function listRequests(list: Listing, kinds: RequestKind[], filter: Filter): Promise<RequestPage> {
  const { after, limit = 50 } = filter
  const open = kinds.filter((kind) => after === undefined || after[kind] !== undefined)
  const answers = await Promise.all(open.map((kind) => pageOf(list, kind, { ...filter, limit })))
  const pages = answers.flatMap((answer) => (answer instanceof Failure ? [] : [answer]))
  const [refusal, other] = answers.flatMap((answer) => (answer instanceof Failure ? [answer] : []))
  if (refusal && pages.length === 0)
    throw new Failure(refusal.code, other ? `${refusal.detail}; ${other.detail}` : refusal.detail)
  const rows = pages.flatMap((page) => page.rows).sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime())
  const shown = rows.slice(0, limit)
  const next = pages.flatMap((page) => nextOf(page, shown))
  return next.length === 0 ? { rows: shown } : { rows: shown, next: next.join(',') }
}

/** A status that only requests of the other kind have is no reason to show none of these. */
async function pageOf(list: Listing, kind: RequestKind, { after, ...filter }: Filter) {
  const begin = after?.[kind]
  try {
    return { kind, ...(await list.requests({ ...filter, kind, ...(begin ? { after: begin } : {}) })) }
  } catch (error) {
    if (error instanceof Failure && error.code === 'malformed') return error
    throw error
  }
}

/** Where one kind goes on: below its last row that is shown, or above its first one when none is. */
function nextOf(page: { kind: RequestKind; rows: RequestRow[]; next?: number }, shown: RequestRow[]): string[] {
  const mark = page.kind === 'revoke' ? 'r' : ''
  const its = page.rows.filter((row) => shown.includes(row))
  const [first] = page.rows
  if (its.length < page.rows.length && first) return [`${mark}${its.at(-1)?.id ?? first.id + 1}`]
  return page.next === undefined ? [] : [`${mark}${page.next}`]
}
