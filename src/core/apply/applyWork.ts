import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { isUniqueViolation } from '../../db/transaction.ts'
import { type Actor, organizationFor } from '../adminActor.ts'
import { canonicalJson } from '../canonicalJson.ts'
import { Failure, type Problem } from '../failure.ts'
import type { ProfileContext } from '../profile/raProfiles.ts'
import type { CoreTables } from '../tables.ts'
import type { ReadFile } from './applyFile.ts'
import type { ApplyDocument, ApplyKind, Entry } from './applySchema.ts'

/** What is different about one field: its path, and what it was and will be; absent where there was or will be nothing. */
export interface FieldChange {
  field: string
  from?: unknown
  to?: unknown
}

export interface ApplyChange {
  kind: ApplyKind
  name: string
  organization: string
  change: 'create' | 'change' | 'delete' | 'same'
  fields: FieldChange[]
}

/** Of something that was made. */
export interface ApplySecret {
  kind: 'locations' | 'webhooks'
  name: string
  secret: string
  /** With which a webhook signs its decisions. */
  inboundSecret?: string
}

/** A run of a document inside one transaction, of which every part of the core is a part. */
export interface Work {
  db: Database
  context: ProfileContext
  actor: Actor
  document: ApplyDocument
  lineOf: ReadFile['lineOf']
  /** Authorities that are not there are stood for by rows without a certificate: for a run that will be undone. */
  rehearsal: boolean
  changes: ApplyChange[]
  warnings: string[]
  secrets: ApplySecret[]
  problems: Problem[]
  /** What can be done only when all the rest is there. */
  later: (() => Promise<void>)[]
  homes: Map<string, Home>
}

export interface Home {
  id: number
  name: string
}

const MOST_PROBLEMS = 100

/** Does something for each entry of a kind; refusals are kept, and the others go on, so that all is said at once. */
export async function each<K extends ApplyKind>(
  work: Work,
  kind: K,
  run: (entry: Entry<K>) => Promise<ApplyChange>,
): Promise<void> {
  for (const [index, entry] of (work.document[kind] as Entry<K>[]).entries())
    await attempt(work, [kind, index], async () => {
      work.changes.push(await run(entry))
    })
}

/** Keeps what is refused, with the place in the file. */
export async function attempt(work: Work, path: readonly PropertyKey[], run: () => Promise<void>): Promise<void> {
  if (work.problems.length >= MOST_PROBLEMS) return
  try {
    await run()
  } catch (error) {
    // After a statement that failed no other one is possible.
    if (!(error instanceof Failure) || isUniqueViolation(error.cause)) throw error
    const told = error.problems ?? [{ at: '', code: error.code, detail: error.detail }]
    for (const problem of told) work.problems.push(placed(work, path, problem))
  }
}

/** With the line, and the path from the top of the file. */
function placed(work: Work, path: readonly PropertyKey[], { at, code, detail }: Problem): Problem {
  const inner = at.split(/[.[\]]+/).filter((part) => part !== '')
  const steps = inner.map((part) => (/^\d+$/.test(part) ? Number(part) : part))
  // Rules are told of from their action on.
  const full = path[0] === 'profiles' && at.includes('[') ? [...path, 'rules', ...steps] : [...path, ...steps]
  const [kind, index] = path
  const name = work.document[kind as ApplyKind]?.[index as number]?.name ?? index
  const sentence = detail.startsWith(at) || at === '' ? detail : `${at}: ${detail}`
  return {
    at: full.map(String).join('.'),
    code,
    detail: `${lineText(work.lineOf(full))}${String(kind)}, ${String(name)}: ${sentence}`,
  }
}

export function lineText(line: number | undefined): string {
  return line === undefined ? '' : `line ${line}: `
}

/** The organization of an entry. Throws Failure('notFound'). */
export async function homeOf(work: Work, named?: string): Promise<Home> {
  const name = named ?? work.document.organization
  const known = work.homes.get(name ?? '')
  if (known) return known
  const { id } = await organizationFor(work.db, work.actor, name)
  const row = await withTables<CoreTables>(work.db)
    .selectFrom('organizations')
    .select(['id', 'name'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  work.homes.set(name ?? '', row)
  return row
}

/** What is different, as far as the wanted fields go. */
export function differences(before: Record<string, unknown>, wanted: object): FieldChange[] {
  return Object.entries(wanted).flatMap(([field, to]) => (to === undefined ? [] : differ(field, before[field], to)))
}

function differ(field: string, from: unknown, to: unknown): FieldChange[] {
  if (canonicalJson(from ?? null) === canonicalJson(to ?? null)) return []
  if (isMap(from) && isMap(to)) {
    const names = [...new Set([...Object.keys(from), ...Object.keys(to)])]
    return names.flatMap((name) => differ(`${field}.${name}`, from[name], to[name]))
  }
  return [{ field, ...(from == null ? {} : { from }), ...(to == null ? {} : { to }) }]
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What stands for a new thing: every field that is said. */
export function created(kind: ApplyKind, name: string, { name: organization }: Home, fields: object): ApplyChange {
  return { kind, name, organization, change: 'create', fields: differences({}, fields) }
}

export function changedOrSame(kind: ApplyKind, name: string, home: Home, fields: FieldChange[]): ApplyChange {
  return { kind, name, organization: home.name, change: fields.length > 0 ? 'change' : 'same', fields }
}
