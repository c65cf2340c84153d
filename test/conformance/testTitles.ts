import { readdirSync, readFileSync } from 'node:fs'

/** A test as it stands in its file; titles may hold placeholders of `each`. */
export interface WrittenTest {
  /** Without .test.ts. */
  stem: string
  file: string
  /** Of the describe blocks around it, outermost first, and its own last. */
  titles: string[]
  skipped: boolean
}

/** All tests below a folder, by what is written: nothing is run. */
export function writtenTests(folder: string): WrittenTest[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .sort()
    .flatMap((name) => {
      const file = `${folder}/${name.replaceAll('\\', '/')}`
      return readTests(file, readFileSync(file, 'utf8'))
    })
}

const CALL = /^( *)(describe|it|test)\b/
/** With them a call comes before the one that has the title. */
const BEFORE_TITLE = ['each', 'for', 'skipIf', 'runIf']
const MODIFIERS = new Set([...BEFORE_TITLE, 'skip', 'only', 'todo', 'concurrent', 'sequential', 'fails'])

/** The formatter's indentation shows what stands in what. */
export function readTests(file: string, source: string): WrittenTest[] {
  const stem = file.slice(file.lastIndexOf('/') + 1, -'.test.ts'.length)
  const blocks: { indent: number; title: string; skipped: boolean }[] = []
  const found: WrittenTest[] = []
  let at = 0
  for (const line of source.split('\n')) {
    const indent = line.search(/\S/)
    while (indent >= 0 && (blocks.at(-1)?.indent ?? -1) >= indent) blocks.pop()
    const [head = '', , kind] = CALL.exec(line) ?? []
    const call = kind && readCall(source, at + head.length)
    if (call) {
      const skipped = call.skipped || blocks.some((block) => block.skipped)
      if (kind === 'describe') blocks.push({ indent, title: call.title, skipped })
      else found.push({ stem, file, titles: [...blocks.map(({ title }) => title), call.title], skipped })
    }
    at += line.length + 1
  }
  return found
}

/** From behind `it`, `test` or `describe`; undefined when that is no call with a title. */
function readCall(source: string, start: number): { title: string; skipped: boolean } | undefined {
  let at = start
  const names: string[] = []
  for (;;) {
    const name = /^\s*\.(\w+)/.exec(source.slice(at, at + 100))
    if (!name) break
    names.push(name[1] ?? '')
    at += name[0].length
  }
  if (!names.every((name) => MODIFIERS.has(name))) return undefined
  if (names.some((name) => BEFORE_TITLE.includes(name)))
    at = afterCall(source, source.indexOf('(', afterTypes(source, at)))
  const title = /^\(\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/s.exec(
    source.slice(at, at + 1000),
  )
  if (!title) return undefined
  const text = (title[1] ?? title[2] ?? title[3] ?? '').replace(/\\(.)/g, '$1')
  return { title: text, skipped: names.some((name) => name === 'skip' || name === 'todo') }
}

/** The place behind type arguments, if there are any. */
function afterTypes(source: string, start: number): number {
  if (source[start] !== '<') return start
  let depth = 0
  for (let at = start; at < source.length; at++) {
    if (source[at] === '<') depth++
    // That of an arrow closes nothing.
    else if (source[at] === '>' && source[at - 1] !== '=' && --depth === 0) return at + 1
  }
  throw new Error('type arguments are not closed')
}

const LITERAL =
  /'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`|\/\/[^\n]*|\/\*.*?\*\/|(?<=[(,=:[!&|?{};>]\s*)\/(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/|[()]/gs

/** The place behind the parenthesis that closes the one at `open`. */
function afterCall(source: string, open: number): number {
  let depth = 0
  LITERAL.lastIndex = open
  for (let token = LITERAL.exec(source); token; token = LITERAL.exec(source)) {
    if (token[0] === '(') depth++
    else if (token[0] === ')' && --depth === 0) {
      const end = LITERAL.lastIndex
      return end + source.slice(end, end + 200).search(/\S|$/)
    }
  }
  throw new Error('a parenthesis is not closed')
}
