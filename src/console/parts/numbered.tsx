/** @jsxImportSource hono/jsx */

/** The page that the address asks for, from 1. */
export function pageNumber(query: URLSearchParams): number {
  const given = Number(query.get('page') ?? '1')
  return Number.isSafeInteger(given) && given >= 1 && given <= 1_000_000 ? given : 1
}

export interface Counted {
  page: number
  size: number
  total: number
  /** There may be more. */
  atLeast?: boolean
}

const grouped = new Intl.NumberFormat('en-GB')

/** How many there are, and the ways to the pages around: the same address with `page`. */
export function Numbered({ path, query, found }: { path: string; query: URLSearchParams; found: Counted }) {
  const { page, size, total, atLeast } = found
  if (total === 0) return null
  const at = (wanted: number) => {
    const asked = new URLSearchParams(query)
    asked.delete('page')
    if (wanted > 1) asked.set('page', String(wanted))
    const text = asked.toString()
    return text === '' ? path : `${path}?${text}`
  }
  const first = (page - 1) * size + 1
  const last = Math.min(page * size, total)
  return (
    <nav class="pager" aria-label="Pages">
      <span class="number">
        {first > total ? 'Past the last' : `${grouped.format(first)} to ${grouped.format(last)}`} of{' '}
        {atLeast ? 'at least ' : ''}
        {grouped.format(total)}
      </span>
      {page > 1 && <a href={at(1)}>First page</a>}
      {page > 1 && (
        <a href={at(page - 1)} rel="prev">
          Previous page
        </a>
      )}
      {last < total && (
        <a href={at(page + 1)} rel="next">
          Next page
        </a>
      )}
    </nav>
  )
}
