import { Document, visit } from 'yaml'
import type { Failure } from '../core/failure.ts'
import { reasonsOf } from './reasons.ts'
import { isVisible, visible, visibleJson } from './visible.ts'
import { toWire } from './wireFailure.ts'

/** How answers are written. */
export const forms = ['table', 'json', 'yaml'] as const
export type Form = (typeof forms)[number]

/** Of the options --output and --json, the latter being the older word. */
export function formOf({ output = 'table', json }: { output?: Form; json?: boolean }): Form {
  return json ? 'json' : output
}

/** An answer as its reader wants it: `text` is for people. */
export function rendered(form: Form, value: unknown, text: string): string {
  switch (form) {
    case 'table':
      return text
    case 'json':
      return `${visibleJson(value)}\n`
    case 'yaml':
      return visibleYaml(value)
  }
}

/** What failed, as a line for people, and a line for each cause that there is to tell of. */
export function renderedFailure(form: Form, failure: Failure): string {
  const reasons = reasonsOf(failure)
  if (form === 'table')
    return `countersign: ${[line(failure), ...reasons.map(inOneLine)].map(visible).join('\n  because: ')}\n`
  const { error } = toWire(failure)
  const told = { error: reasons.length > 0 ? { ...error, because: reasons } : error }
  return form === 'yaml' ? visibleYaml(told) : `${JSON.stringify(told)}\n`
}

/** Text that hides something is put between quotes, where it can be escaped. */
function visibleYaml(value: unknown): string {
  const document = new Document(JSON.parse(JSON.stringify(value ?? null)), { aliasDuplicateObjects: false })
  visit(document, {
    Scalar: (_key, node) => {
      if (typeof node.value === 'string' && !isVisible(node.value.replace(/[\n\t]/g, ''))) node.type = 'QUOTE_DOUBLE'
    },
  })
  return document.toString({ lineWidth: 0 }).split('\n').map(visible).join('\n')
}

function line({ detail, problems = [] }: Failure): string {
  const all = problems.map(({ at, detail }) => (at === '' || detail.startsWith(at) ? detail : `${at}: ${detail}`))
  const text = problems.length > 1 ? all.join('; ') : detail
  return inOneLine(text)
}

const inOneLine = (text: string): string => text.replace(/\s*[\r\n]+\s*/g, '; ')
