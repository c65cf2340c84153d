/** What stands in a cell; of several texts one behind the other. */
export type CsvCell = string | number | Date | readonly string[] | null

/**
 * One line of a CSV file (RFC 4180), with its CRLF. A text that a spreadsheet would take for a formula is given an apostrophe before it, which makes it a text; dates
 * are ISO 8601 in UTC, several texts are parted by blanks.
 */
export function csvLine(cells: readonly CsvCell[]): string {
  return `${cells.map(cellText).join(',')}\r\n`
}

function cellText(cell: CsvCell): string {
  if (cell === null) return ''
  if (typeof cell === 'number') return String(cell)
  if (cell instanceof Date) return cell.toISOString()
  return quoted(harmless(typeof cell === 'string' ? cell : cell.join(' ')))
}

/** Those of ASCII, and their wide forms, which some spreadsheets take for the same. */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/

function harmless(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what no CSV file should hold
  const clean = text.replace(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f\p{Cs}]/gu, '\ufffd')
  return FORMULA.test(clean) ? `'${clean}` : clean
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
