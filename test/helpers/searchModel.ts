import type { Filter, FilterValue } from '../../src/core/search/searchFilter.ts'

/** What a row shows in each field: texts, a number, or nothing. */
export type Shown = Record<string, string | string[] | number | null>

/** Whether a filter holds for a row: by the words of docs/decisions/lists.md, written without the source at hand. */
export function holds(row: Shown, { field, condition, value }: Filter, now: number): boolean {
  const shown = row[field] ?? null
  if (condition.startsWith('not') || condition.startsWith('Not')) {
    const positive = condition === 'notEmpty' ? 'empty' : condition.slice(3, 4).toLowerCase() + condition.slice(4)
    return !holds(
      row,
      { field, condition: positive as Filter['condition'], ...(value === undefined ? {} : { value }) },
      now,
    )
  }
  const texts = shown === null ? [] : [shown].flat().map((one) => String(one).toLowerCase())
  if (condition === 'empty') return texts.length === 0
  const values: FilterValue[] = [value as FilterValue | FilterValue[]].flat()
  return values.some((wanted) => {
    if (typeof shown === 'number') return compares(shown, condition, Number(wanted), now)
    const needle = String(wanted).toLowerCase()
    switch (condition) {
      case 'equals':
        return texts.includes(needle)
      case 'contains':
        return texts.some((text) => text.includes(needle))
      case 'startsWith':
        return texts.some((text) => text.startsWith(needle))
      case 'endsWith':
        return texts.some((text) => text.endsWith(needle))
      case 'matches':
        return texts.some((text) => new RegExp(String(wanted), 'iu').test(text))
      default:
        return false
    }
  })
}

function compares(shown: number, condition: Filter['condition'], wanted: number, now: number): boolean {
  switch (condition) {
    case 'equals':
      return shown === wanted
    case 'greater':
      return shown > wanted
    case 'greaterOrEqual':
      return shown >= wanted
    case 'lesser':
      return shown < wanted
    case 'lesserOrEqual':
      return shown <= wanted
    case 'inNext':
      return shown > now && shown <= now + wanted
    case 'inPast':
      return shown >= now - wanted && shown <= now
    default:
      return false
  }
}
