import { coloured } from './colour.ts'
import { visible } from './visible.ts'

export type Cell = string | number | boolean | null | undefined

/** Columns aligned, headings in capitals; every cell is made visible. An empty list says so. */
export function table(headings: string[], rows: Cell[][]): string {
  if (rows.length === 0) return 'none\n'
  const lines = [headings.map((heading) => heading.toUpperCase()), ...rows.map((row) => row.map(cellText))]
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => width(line[column] ?? ''))))
  return lines
    .map(
      (line) =>
        `${line
          .map((text, column) => painted(headings[column], padded(text, widths[column] ?? 0)))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}

/** One thing, a line for each of its fields that has a value. */
export function fields(entries: [string, Cell | string[]][]): string {
  const shown = entries.filter(
    ([, value]) =>
      value !== null && value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0),
  )
  const widest = Math.max(...shown.map(([label]) => label.length))
  return shown
    .map(([label, value]) => {
      const lines = Array.isArray(value) ? value.map(visible) : [cellText(value)]
      const shown = label === 'Status' ? lines.map(coloured) : lines
      return `${label.padEnd(widest)}  ${shown.join(`\n${' '.repeat(widest + 2)}`)}\n`
    })
    .join('')
}

function cellText(value: Cell): string {
  if (value === null || value === undefined || value === '') return '-'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return visible(String(value))
}

const painted = (heading: string | undefined, text: string) => (heading === 'status' ? coloured(text) : text)

const width = (text: string): number => [...text].length

function padded(text: string, to: number): string {
  return text + ' '.repeat(to - width(text))
}

/** A time of the wire as people read it, in UTC. */
export function time(iso: string | null | undefined): string | null {
  return iso ? `${iso.slice(0, 10)} ${iso.slice(11, 19)}Z` : null
}

/** Not more than `most` of a list, and how many are left out. */
export function several(list: string[], most = 3): string {
  return list.length > most ? `${list.slice(0, most).join(', ')} and ${list.length - most} more` : list.join(', ')
}

/** 7776000000 as 90d. */
export function lengthText(milliseconds: number): string {
  const units: [number, string][] = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'm'],
  ]
  const [size, unit] = units.find(([size]) => milliseconds % size === 0 && milliseconds >= size) ?? [1000, 's']
  return `${Math.round(milliseconds / size)}${unit}`
}
