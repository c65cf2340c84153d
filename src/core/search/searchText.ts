import { storable } from '../text.ts'

/** As texts are compared: without case, control characters as spaces. */
export function folded(text: string): string {
  return storable(text).toLowerCase()
}

/** Texts as a column of search tables holds them: between line feeds, so that equality, beginnings and ends are substrings too. */
export function lines(texts: readonly string[]): string {
  return texts.length === 0 ? '' : `\n${texts.map(folded).join('\n')}\n`
}

/** Back from `lines`. */
export function unlined(column: string): string[] {
  return column === '' ? [] : column.slice(1, -1).split('\n')
}

/** What a text index takes in: each text once, also where one stands within another. */
export function indexedText(columns: readonly string[]): string {
  let text = ''
  for (const column of columns) {
    for (const line of unlined(column)) if (!text.includes(line)) text += `${line}\n`
  }
  return text
}
