import { posix } from 'node:path'

/** One import or re-export of a module, as its line says it. */
export interface Import {
  /** A path from the root of the project, or the name of a package. */
  target: string
  /** Ours, and so a path. */
  own: boolean
  typeOnly: boolean
  /** import(): loaded when that line runs. */
  lazy: boolean
}

/** What the files of an area may import. A path that ends in / is a folder with all below it. */
interface Area {
  files: string
  /** At run time. The area's own folder, or its own file, always goes. */
  values: string[]
  /** With `import type` alone. */
  types?: string[]
  /** With import() alone. */
  lazy?: string[]
  /** Absent: all. */
  packages?: (name: string) => boolean
}

const contract = {
  values: [
    'src/protocol.ts',
    'src/pki/',
    'src/http/',
    'src/db/transaction.ts',
    'src/db/tables.ts',
    'src/core/failure.ts',
  ],
  types: ['src/core/', 'src/db/open.ts', 'src/log.ts'],
}
const nodeModules = (names: string[]) => (name: string) =>
  !name.startsWith('node:') || names.includes(name.slice('node:'.length))

/** The server's process: beside src/*.ts, its rooms. */
const processRooms = ['src/config/', 'src/disk/', 'src/key/', 'src/reach/', 'src/server/', 'src/telemetry/']
const processParts = [
  'src/*.ts',
  ...processRooms,
  'src/cli/socket.ts',
  'src/core/',
  'src/authorities/',
  'src/db/',
  'src/http/',
  'src/pki/',
  'src/console/',
]

/** docs/architecture.md, "Who may import whom". The first area that a file falls into is its own. */
const areas: Area[] = [
  { files: 'migrations/', values: [], packages: (name) => name === 'kysely' },
  { files: 'protocols/index.ts', values: ['protocols/*/index.ts'], types: ['src/protocol.ts'] },
  { files: 'protocols/*/', ...contract },
  { files: 'src/console/', ...contract },
  {
    files: 'src/cli/',
    ...contract,
    values: [
      ...contract.values,
      ...['src/compose.ts', 'src/config.ts', 'src/config/baseUrls.ts', 'src/log.ts', 'src/db/', 'src/disk/'],
      // What a backup keeps of it.
      'src/key/keySecret.ts',
    ],
    lazy: ['src/main.ts'],
  },
  {
    files: 'src/http/',
    values: ['src/core/failure.ts', 'src/pki/'],
    types: ['src/core/', 'src/protocol.ts', 'src/log.ts'],
  },
  { files: 'src/core/', values: ['src/db/', 'src/pki/'], types: ['src/log.ts'] },
  {
    files: 'src/authorities/',
    values: ['src/core/authority/authority.ts', 'src/core/failure.ts', 'src/pki/'],
    types: ['src/core/authority/upstreamCa.ts'],
  },
  { files: 'src/pki/', values: [], packages: nodeModules(['crypto', 'buffer', 'util', 'url']) },
  { files: 'src/db/', values: ['migrations/'], types: ['src/log.ts'] },
  { files: 'src/protocol.ts', values: [], types: ['src/core/', 'src/db/open.ts', 'src/log.ts'] },
  { files: 'src/main.ts', values: ['src/', 'protocols/index.ts'] },
  // The rest of the process: server.ts, compose.ts, config.ts, log.ts …
  ...['src/*.ts', ...processRooms].map((files) => ({ files, values: processParts })),
]

const pattern = (path: string) =>
  new RegExp(`^${path.replace(/[.]/g, '\\.').replaceAll('*', '[^/]+')}${path.endsWith('/') ? '' : '$'}`)
const within = (path: string, places: readonly string[] = []) => places.some((place) => pattern(place).test(path))

/** What is wrong with the imports of a file; empty when it keeps the rule. */
export function importFaults(file: string, source: string): string[] {
  const area = areas.find(({ files }) => pattern(files).test(file))
  if (!area) return [`${file}: no import rule speaks of this place`]
  const home = area.files.endsWith('/') ? [pattern(area.files).exec(file)?.[0] ?? ''] : []
  return readImports(file, source)
    .filter((found) => !allowed(area, home, found))
    .map(({ target, typeOnly }) => `${file} may not import ${typeOnly ? 'types of ' : ''}${target}`)
}

function allowed(area: Area, home: string[], { target, own, typeOnly, lazy }: Import): boolean {
  if (!own) return area.packages?.(target) ?? true
  if (within(target, home) || within(target, area.values)) return target !== 'src/main.ts' || lazy
  return (typeOnly && within(target, area.types)) || (lazy && within(target, area.lazy))
}

const statement =
  /^[ \t]*(?:import|export)\s+(?<type>type\s+(?!from\b))?(?<what>[\w*${}\s,]*?)\s*from\s*['"](?<from>[^'"]+)['"]/gm
const bare = /^[ \t]*import\s*['"](?<from>[^'"]+)['"]/gm
const dynamic = /\b(?:import|require)\s*\(\s*['"](?<from>[^'"]+)['"]\s*\)/g
/** `import('./x.ts').T` in a type loads nothing; a value would have to be awaited or called on. */
const typeQuery =
  /(?:typeof\s+|:\s*|<\s*|\|\s*|\bas\s+)import\s*\(\s*['"](?<from>[^'"]+)['"]\s*\)\s*(?:\.\w+)?(?!\s*\.\s*then)/g

/** Reads the import lines of a module, without its comments. */
export function readImports(file: string, source: string): Import[] {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^[ \t]*\/\/.*$/gm, '')
  const found: Import[] = []
  const add = (from: string | undefined, kind: { typeOnly: boolean; lazy: boolean }) => {
    if (from === undefined) return
    const own = from.startsWith('.')
    found.push({ target: own ? posix.join(posix.dirname(file), from) : from, own, ...kind })
  }
  for (const { groups } of code.matchAll(statement))
    add(groups?.from, { typeOnly: groups?.type !== undefined || onlyTypes(groups?.what ?? ''), lazy: false })
  for (const { groups } of code.matchAll(bare)) add(groups?.from, { typeOnly: false, lazy: false })
  const types = new Set([...code.matchAll(typeQuery)].map(({ index, 0: text }) => index + text.search(/import\s*\(/)))
  for (const match of code.matchAll(dynamic)) {
    const typeOnly = types.has(match.index)
    add(match.groups?.from, { typeOnly, lazy: !typeOnly })
  }
  return found
}

/** `{ type A, type B }`. */
function onlyTypes(what: string): boolean {
  const names = /^\{([\s\S]*)\}$/.exec(what.trim())?.[1]
  if (names === undefined) return false
  return names
    .split(',')
    .filter((name) => name.trim() !== '')
    .every((name) => name.trim().startsWith('type '))
}

/** Calls of Authority.sign, the one that makes certificates, anywhere but in issue.ts. */
export function signFaults(file: string, source: string): string[] {
  if (file === 'src/core/issuance/issue.ts' || file.startsWith('src/pki/')) return []
  const call =
    /\b(?:signs|authority|issuer)\s*(?:\?\.|\.|!\.)\s*sign\s*(?:\?\.\s*)?\(|\{[^{}]*\bsign\b[^{}]*\}\s*=\s*[^\n]*\bsigns\b/g
  return [...source.matchAll(call)].map(({ 0: text }) => `${file} calls Authority.sign: ${text.split('\n')[0]}`)
}

const longest = 300
const vague =
  /(?:^|[/.-])(?:utils?|helpers?|common|misc|managers?|services?)(?:[/.-]|$)|(?:Utils?|Helpers?|Manager|Service|Dto)\.tsx?$/i
const vagueNames =
  /^[ \t]*(?:export\s+)?(?:default\s+)?(?:abstract\s+)?(?:async\s+)?(?:function|class|interface|type|const)\s+(\w*(?:Manager|Helper|Utils?|Service|Dto))\b/gm

/** The house rules on length and names. */
export function styleFaults(file: string, source: string): string[] {
  const lines = source.split('\n').length - (source.endsWith('\n') ? 1 : 0)
  const place = file.replace(/^test\/helpers\//, '')
  return [
    ...(lines > longest ? [`${file} has ${lines} lines, more than ${longest}: it has two nouns in it`] : []),
    ...(vague.test(place) ? [`${file}: the name says nothing of what is in it`] : []),
    ...[...source.matchAll(vagueNames)].map(([, name]) => `${file}: the name ${name} says nothing`),
  ]
}
