/** @jsxImportSource hono/jsx */
import type { Child } from 'hono/jsx'

export interface Column<Row> {
  head: string
  cell(row: Row): Child
  /** Numbers and dates: to the right. */
  right?: boolean
  /** The column that names the row, for screen readers and phones. */
  names?: boolean
}

/** A table whose rows become cards on a phone. `caption` is read out, and hidden. */
export function Table<Row>(props: {
  caption: string
  columns: readonly Column<Row>[]
  rows: readonly Row[]
  /** What to say, and where to go, when there is no row. */
  empty: Child
  /** A first cell: a tick for a bulk action. */
  pick?: (row: Row) => Child
  id?: string
}) {
  const { caption, columns, rows, empty, pick, id } = props
  if (rows.length === 0)
    return (
      <div class="empty" id={id}>
        {empty}
      </div>
    )
  return (
    <section class="scroll" id={id} aria-label={`${caption}: table`} tabindex={0}>
      <table class="rows">
        <caption>{caption}</caption>
        <thead>
          <tr>
            {pick && (
              <th scope="col">
                <span class="unseen">Choose</span>
              </th>
            )}
            {columns.map(({ head, right }) => (
              <th scope="col" class={right ? 'right' : undefined}>
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr>
              {pick && <td class="pick">{pick(row)}</td>}
              {columns.map((column) => cell(column, row))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

function cell<Row>({ head, cell, right, names }: Column<Row>, row: Row) {
  const name = right ? 'right' : undefined
  return names ? (
    <th scope="row" class={name} data-head={head}>
      {cell(row)}
    </th>
  ) : (
    <td class={name} data-head={head}>
      {cell(row)}
    </td>
  )
}

/** Facts in two columns: what, and its value. Rows without a value are left out. */
export function Facts({ rows }: { rows: readonly (readonly [string, Child] | undefined | false | null | '')[] }) {
  return (
    <dl class="facts">
      {rows.map(
        (row) =>
          row && (
            <div>
              <dt>{row[0]}</dt>
              <dd>{row[1]}</dd>
            </div>
          ),
      )}
    </dl>
  )
}

/** The way to the next page of a list that is paged by key: the same address with `after`. */
export function Pager({ path, query, next }: { path: string; query: URLSearchParams; next: number | undefined }) {
  const at = (after?: number) => {
    const wanted = new URLSearchParams(query)
    wanted.delete('after')
    if (after !== undefined) wanted.set('after', String(after))
    const text = wanted.toString()
    return text === '' ? path : `${path}?${text}`
  }
  if (next === undefined && !query.has('after')) return null
  return (
    <nav class="pager" aria-label="Pages">
      {query.has('after') && <a href={at()}>First page</a>}
      {next !== undefined && (
        <a href={at(next)} rel="next">
          Next page
        </a>
      )}
    </nav>
  )
}
