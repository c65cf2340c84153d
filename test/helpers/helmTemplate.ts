import { stringify } from 'yaml'

/** What templates see: Values, Release, Chart. */
export type Scope = Record<string, unknown>

interface Piece {
  text?: string
  action?: string
}

/**
 * Renders the part of Helm's template language that our chart keeps to: values, quote, default, toYaml, nindent, if and range. It is no Helm; it finds
 * templates that are no YAML, and values that are not there. Throws for anything else.
 */
export function renderTemplate(template: string, scope: Scope): string {
  const pieces: Piece[] = []
  let rest = template
  for (;;) {
    const found = /\{\{(-?)\s*([\s\S]*?)\s*(-?)\}\}/.exec(rest)
    if (!found) break
    const [whole, trimBefore, action = '', trimAfter] = found
    const before = rest.slice(0, found.index)
    pieces.push({ text: trimBefore ? before.trimEnd() : before }, { action })
    rest = rest.slice(found.index + whole.length)
    if (trimAfter) rest = rest.trimStart()
  }
  pieces.push({ text: rest })
  const { output, next } = render(pieces, 0, scope)
  if (next !== pieces.length) throw new Error('an end too many')
  return output
}

function render(pieces: Piece[], from: number, scope: Scope): { output: string; next: number } {
  let output = ''
  for (let at = from; at < pieces.length; at++) {
    const { text, action } = pieces[at] ?? {}
    if (action === undefined) output += text
    else if (action === 'end') return { output, next: at }
    else if (/^(if|range) /.test(action)) {
      const [body, next] = block(pieces, at, scope)
      output += body
      at = next
    } else output += evaluate(action, scope)
  }
  return { output, next: pieces.length }
}

function block(pieces: Piece[], at: number, scope: Scope): [string, number] {
  const action = pieces[at]?.action ?? ''
  const { next } = render(pieces, at + 1, new Proxy(scope, anything))
  if (pieces[next]?.action !== 'end') throw new Error(`${action}: no end`)
  const [, key, value, over] = /^range (\$\w+), (\$\w+) := (\S+)$/.exec(action) ?? []
  if (key !== undefined && value !== undefined && over !== undefined) {
    const entries = Object.entries(lookUp(over, scope) as object)
    return [entries.map(([k, v]) => render(pieces, at + 1, { ...scope, [key]: k, [value]: v }).output).join(''), next]
  }
  return [lookUp(action.replace(/^if /, ''), scope) ? render(pieces, at + 1, scope).output : '', next]
}

/** While only the end of a block is looked for. */
const anything: ProxyHandler<Scope> = {
  get: (scope, name) => (Reflect.has(scope, name) ? Reflect.get(scope, name) : ''),
}

function evaluate(action: string, scope: Scope): string {
  const [first = '', ...pipes] = action.split(/\s*\|\s*/)
  let value = first.startsWith('toYaml ') ? stringify(lookUp(first.slice(7), scope)).trimEnd() : lookUp(first, scope)
  for (const pipe of pipes) {
    const [name, argument = ''] = pipe.split(/\s+/)
    if (name === 'quote') value = JSON.stringify(String(value))
    else if (name === 'default') value = value === '' ? lookUp(argument, scope) : value
    else if (name === 'nindent') value = `\n${String(value).replace(/^/gm, ' '.repeat(Number(argument)))}`
    else throw new Error(`${pipe}: not known`)
  }
  return String(value)
}

function lookUp(path: string, scope: Scope): unknown {
  if (!/^(\.|\$\w+$)/.test(path)) throw new Error(`${path}: not known`)
  if (path.startsWith('$')) return scope[path]
  let value: unknown = scope
  for (const name of path.slice(1).split('.')) {
    if (typeof value !== 'object' || value === null || !(name in value))
      throw new Error(`${path}: there is no such value`)
    value = (value as Record<string, unknown>)[name]
  }
  return value
}
