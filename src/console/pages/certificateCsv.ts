import type { FoundCertificate } from '../../core/searchRows.ts'
import { calledBy, fileResponse } from '../certificateName.ts'
import type { Visit } from '../page.ts'
import { findPage, type Wanted, wantedOf } from './certificateSearch.ts'

const heads = [
  'name',
  'common name',
  'names',
  'issuer',
  'status',
  'source',
  'profile',
  'valid from',
  'valid to',
  'days until expiry',
  'key',
  'serial',
  'sha256 fingerprint',
  'requested by',
  'revoked at',
  'revocation reason',
  'id',
]

function cellsOf(row: FoundCertificate): string[] {
  return [
    calledBy(row),
    row.commonName ?? '',
    row.names.join(' '),
    row.issuer,
    row.status === 'issued' ? 'active' : row.status,
    row.source,
    row.profile ?? '',
    row.notBefore.toISOString(),
    row.notAfter.toISOString(),
    String(row.daysLeft),
    row.keyAlgorithm,
    row.serial,
    row.fingerprint,
    row.requester,
    row.revokedAt?.toISOString() ?? '',
    row.revocationReason ?? '',
    row.uuid,
  ]
}

/**
 * One line of RFC 4180. What a spreadsheet would take for a formula gets an apostrophe before it, so that a name from a stranger computes
 * nothing; a number may begin with a minus.
 */
export function csvLine(cells: readonly string[]): string {
  const safe = cells.map((cell) => {
    const text = /^[\s\0]*[=+\-@\t\r\n]/.test(cell) && !/^-?\d+$/.test(cell) ? `'${cell}` : cell
    return /[",\r\n]/.test(text) || text !== text.trim() ? `"${text.replaceAll('"', '""')}"` : text
  })
  return `${safe.join(',')}\r\n`
}

/** Rows of one look, and how many looks a page of the list of the core takes at most. */
const SIZE = 1000
const COUNTED = 10_000

/**
 * Everything that is wanted, the newest first. A filtered list has pages for its first 10 000 rows alone: where a stretch of time has more,
 * its halves are gone through.
 */
export async function* everyPage(visit: Visit, wanted: Wanted, now: Date): AsyncGenerator<FoundCertificate[]> {
  const { where } = await findPage(visit, wanted, 1, 1)
  const among = (from: number, to: number, page: number) =>
    visit.door.list.searchCertificates({
      where: [
        ...where,
        { field: 'createdAt', condition: 'greaterOrEqual', value: from },
        { field: 'createdAt', condition: 'lesser', value: to },
      ],
      page,
      size: SIZE,
      ...(wanted.archived ? { archived: true } : {}),
    })
  const stretches = [{ from: 0, to: now.getTime() + 1 }]
  for (let stretch = stretches.pop(); stretch; stretch = stretches.pop()) {
    const { from, to } = stretch
    const first = await among(from, to, 1)
    if (first.atLeast && to - from > 1) {
      const middle = from + Math.floor((to - from) / 2)
      stretches.push({ from, to: middle }, { from: middle, to })
      continue
    }
    if (first.rows.length > 0) yield first.rows
    for (let page = 2; (page - 1) * SIZE < Math.min(first.total, COUNTED); page++)
      yield (await among(from, to, page)).rows
  }
}

/** The list as a file, written while it is read. */
export async function csvPage(visit: Visit): Promise<Response> {
  const now = visit.host.clock()
  const pages = everyPage(visit, wantedOf(visit.query), now)
  // The first is read before the answer begins: what is refused is refused as a page.
  let next = await pages.next()
  let begun = false
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const rows = next.done ? [] : next.value
      const lines = [...(begun ? [] : [heads]), ...rows.map((row) => cellsOf(row))].map(csvLine)
      begun = true
      controller.enqueue(new TextEncoder().encode(lines.join('')))
      if (next.done) return controller.close()
      next = await pages.next()
      if (next.done) controller.close()
    },
    cancel: async () => {
      await pages.return(undefined)
    },
  })
  return fileResponse(body, {
    name: `certificates-${now.toISOString().slice(0, 10)}.csv`,
    type: 'text/csv; charset=utf-8',
  })
}
