import { Composer, CST, type Document, isNode, LineCounter, Parser } from 'yaml'
import { Failure } from '../failure.ts'

/** What was read, and where its parts stand. */
export interface ReadFile {
  document: unknown
  /** The line, from 1, of what a path means or of the nearest thing around it; undefined for JSON, which is not read for places. */
  lineOf(path: readonly PropertyKey[]): number | undefined
}

const LARGEST = 8 * 2 ** 20
/** Lines and marks of YAML, which take the reader some microseconds each. JSON has no such limit. */
const MARKS = 40_000
const DEEPEST = 40
/** Of one map: the reader holds each key against all others. */
const WIDEST = 2_000

/**
 * Reads a file of YAML 1.2 or JSON: at most 8 MiB, nested at most 40 deep, without duplicate keys, and with aliases that make it no larger
 * than a hundred times. Throws Failure: malformed with the line, tooLarge.
 */
export function readFile(text: string): ReadFile {
  if (Buffer.byteLength(text) > LARGEST) throw new Failure('tooLarge', 'the file has more than 8 MiB')
  const json = readJson(text)
  if (json !== undefined) return { document: json, lineOf: () => undefined }
  if (marksIn(text) > MARKS)
    throw new Failure('tooLarge', `YAML of more than ${MARKS} lines and marks takes too long to read: write it as JSON`)
  return readYaml(text)
}

const always = new Set('\n[]{},?&*#!|>%"'.split('').map((mark) => mark.charCodeAt(0)))
const beforeSpace = new Set('-:'.split('').map((mark) => mark.charCodeAt(0)))

function marksIn(text: string): number {
  let marks = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (always.has(code) || (beforeSpace.has(code) && text.charCodeAt(at + 1) <= 32)) marks++
  }
  return marks
}

function readJson(text: string): unknown {
  if (!/^\s*\{/.test(text)) return undefined
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    return undefined
  }
  refuseDeep(document)
  return document
}

function refuseDeep(document: unknown): void {
  let level = [document]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEEPEST) throw tooDeep()
    level = level.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []))
  }
}

function tooDeep(): Failure {
  return new Failure('malformed', `the file is nested deeper than ${DEEPEST} levels`)
}

function readYaml(text: string): ReadFile {
  const lines = new LineCounter()
  const tokens = [...new Parser(lines.addNewLine).parse(text)]
  checkTokens(tokens)
  const [document, second] = [
    ...new Composer({ uniqueKeys: true, version: '1.2', logLevel: 'error' }).compose(tokens, true, text.length),
  ]
  if (!document || second) throw new Failure('malformed', 'the file is one YAML document')
  const [broken] = document.errors
  if (broken) throw new Failure('malformed', `line ${lines.linePos(broken.pos[0]).line}: ${broken.message}`)
  return {
    document: asValue(document),
    lineOf: (path) => lineOf(document, lines, path),
  }
}

/** Before anything follows the nesting by calling itself. */
function checkTokens(tokens: CST.Token[]): void {
  const open = tokens.map((token) => ({ token, depth: 0 }))
  for (let next = open.pop(); next; next = open.pop()) {
    const { token, depth } = next
    if (depth > DEEPEST) throw tooDeep()
    if (token.type === 'document' && token.value) open.push({ token: token.value, depth })
    if (!CST.isCollection(token)) continue
    if (token.type !== 'block-seq' && token.items.length > WIDEST)
      throw new Failure('tooLarge', `a map has at most ${WIDEST} keys`)
    for (const { key, value } of token.items)
      for (const inner of [key, value]) if (inner) open.push({ token: inner, depth: depth + 1 })
  }
}

function asValue(document: Document): unknown {
  try {
    const value: unknown = document.toJS({ maxAliasCount: 100 })
    refuseDeep(value)
    return value
  } catch (error) {
    if (error instanceof Failure) throw error
    // Tags and merge keys of YAML 1.1, which a file may ask for by a directive, are looked at only here.
    if (!(error instanceof ReferenceError))
      throw new Failure('malformed', `the file is no YAML 1.2: ${messageOf(error)}`, { cause: error })
    throw new Failure('malformed', 'the aliases in the file make it too large: write out what they stand for', {
      cause: error,
    })
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number | undefined {
  for (let length = path.length; length >= 0; length--) {
    const node = length === 0 ? document.contents : document.getIn(path.slice(0, length), true)
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line
  }
  return undefined
}
