import { CST, Parser, parse } from 'yaml'
import { Failure } from '../core/failure.ts'

const DEEPEST = 40
/** Of one map: the reader holds each key against all others. */
const WIDEST = 2000
/** Lines and marks, which take the reader some microseconds each. */
const MARKS = 20_000
const mark = /[\n[\]{},?&*#!|>%"]|[-:](?=\s)/g

/**
 * What somebody has written as YAML, without aliases. Throws Failure('malformed'), for what is no YAML, with its line; is nested deeper than 40
 * levels; has a map of more than 2000 keys, or more than 20 000 lines and marks. Anybody may send what he likes, and the reader of nested text
 * calls itself, down to where the process ends.
 */
export function readYaml(text: string): unknown {
  if ((text.match(mark)?.length ?? 0) > MARKS)
    throw new Failure('malformed', `this has more than ${MARKS} lines and marks`)
  checkTokens([...new Parser().parse(text)])
  try {
    return parse(text, { maxAliasCount: 0, logLevel: 'error' })
  } catch (cause) {
    const [line] = (cause instanceof Error ? cause.message : '').split('\n')
    throw new Failure('malformed', `this is no YAML: ${line}`, { cause })
  }
}

function checkTokens(tokens: CST.Token[]): void {
  const open = tokens.map((token) => ({ token, depth: 0 }))
  for (let next = open.pop(); next; next = open.pop()) {
    const { token, depth } = next
    if (depth > DEEPEST) throw new Failure('malformed', `this is nested deeper than ${DEEPEST} levels`)
    if (token.type === 'document' && token.value) open.push({ token: token.value, depth })
    if (!CST.isCollection(token)) continue
    if (token.type !== 'block-seq' && token.items.length > WIDEST)
      throw new Failure('malformed', `a map of this has more than ${WIDEST} keys`)
    for (const { key, value } of token.items)
      for (const inner of [key, value]) if (inner) open.push({ token: inner, depth: depth + 1 })
  }
}
