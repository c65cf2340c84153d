import { createHash } from 'node:crypto'
import { sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { joined, transaction } from '../../db/transaction.ts'
import { actorOf, requireAdministrator } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { newAuthority } from '../authority/authorityChange.ts'
import { canonicalJson } from '../canonicalJson.ts'
import { Failure, type Problem } from '../failure.ts'
import { newOrganization } from '../identity/organizationAdmin.ts'
import type { ProfileContext } from '../profile/raProfiles.ts'
import type { CoreTables } from '../tables.ts'
import { type ReadFile, readFile } from './applyFile.ts'
import { applyObjects } from './applyObjects.ts'
import { applyPeople } from './applyPeople.ts'
import { applyPrune } from './applyPrune.ts'
import { type ApplyDocument, applyDocument, type Entry } from './applySchema.ts'
import { type ApplyChange, type ApplySecret, homeOf, lineText, type Work } from './applyWork.ts'

/** What a document does, or would do. */
export interface ApplyReport {
  /** Every entry of the document, and what is deleted. */
  changes: ApplyChange[]
  /** For the administrator to read: rules that name nobody. */
  warnings: string[]
  applied: boolean
  /** Names exactly these changes: ApplyOptions.plan. */
  plan: string
  /** Of what was made to be told something: shown once. */
  secrets: ApplySecret[]
}

export interface ApplyOptions {
  /** Nothing is stored. */
  dryRun?: boolean
  /** Of a report that was looked at: other changes than those are refused with `conflict`. */
  plan?: string
}

/**
 * Brings about what a file (YAML or JSON, docs/operate/apply.md) says that there shall be: all of it or nothing. Needs an administrator of the
 * document's organization; each part needs besides what it needs alone. Throws Failure with a problem for each thing that is refused, and its
 * line; conflict where the changes are not those of `plan`.
 */
export async function apply(context: ProfileContext, text: string, options: ApplyOptions = {}): Promise<ApplyReport> {
  const actor = await actorOf(context.it.db, context.requester)
  // Long files take time to read: not for everybody.
  if (actor.user && !actor.user.admin && !actor.user.superuser)
    throw new Failure('forbidden', 'this needs an administrator of the organization')
  const file = readFile(text)
  const document = read(file)
  const rehearse = () => rehearsal(context, document, file)
  if (options.dryRun) return rehearse()
  const missing = await missingAuthorities(context.it.db, document)
  if (missing.length === 0)
    return transaction(context.it.db, (db) => inOne(db, context, { document, file, text, options }))
  const report = await rehearse()
  checkPlan(report.plan, options)
  await makeOutside(context, document, missing)
  const { plan: _, ...rest } = options
  const done = await transaction(context.it.db, (db) => inOne(db, context, { document, file, text, options: rest }))
  return { ...report, applied: true, secrets: done.secrets }
}

function read(file: ReadFile): ApplyDocument {
  const parsed = applyDocument.safeParse(file.document ?? {})
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.slice(0, 100).map(({ path, message }): Problem => {
    const at = path.map(String).join('.')
    return { at, code: 'malformed', detail: `${lineText(file.lineOf(path))}${at === '' ? '' : `${at}: `}${message}` }
  })
  throw refused(problems)
}

/** One refusal for many: of the file, unless nothing but a right is missing. */
function refused(problems: Problem[]): Failure {
  const [first] = problems
  const code = problems.every((problem) => problem.code === 'forbidden') ? 'forbidden' : 'malformed'
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : ''
  return new Failure(code, `${first?.detail}${more}`, { problems })
}

/** Carries the report of a run out of the transaction that it undoes. */
class Undone extends Error {
  readonly report: ApplyReport

  constructor(report: ApplyReport) {
    super('rehearsed')
    this.report = report
  }
}

async function rehearsal(context: ProfileContext, document: ApplyDocument, file: ReadFile): Promise<ApplyReport> {
  try {
    return await transaction(context.it.db, async (db) => {
      throw new Undone(reportOf(await run(db, context, { document, file, rehearsal: true }), false))
    })
  } catch (error) {
    if (error instanceof Undone) return error.report
    throw error
  }
}

interface Given {
  document: ApplyDocument
  file: ReadFile
}

async function inOne(
  db: Database,
  context: ProfileContext,
  { text, options, ...given }: Given & { text: string; options: ApplyOptions },
): Promise<ApplyReport> {
  // Of two at once the second sees what the first has made.
  if (db.dialect === 'postgres') await sql`select pg_advisory_xact_lock(7214, 2)`.execute(withTables<CoreTables>(db))
  const work = await run(db, context, { ...given, rehearsal: false })
  const report = reportOf(work, true)
  checkPlan(report.plan, options)
  const { it, requester } = context
  const changed = report.changes.filter(({ change }) => change !== 'same')
  if (changed.length === 0) return report
  const { id } = await homeOf(work)
  const count = (what: ApplyChange['change']) => changed.filter(({ change }) => change === what).length
  await audit(db, requester, it.clock(), {
    action: 'configuration.applied',
    organizationId: id,
    subject: { kind: 'installation', id },
    details: {
      sha256: createHash('sha256').update(text).digest('hex'),
      created: count('create'),
      changed: count('change'),
      deleted: count('delete'),
    },
  })
  return report
}

async function run(
  db: Database,
  { it, requester, checkProtocols }: ProfileContext,
  { document, file, rehearsal }: Given & { rehearsal: boolean },
): Promise<Work> {
  const part = joined(db)
  const work: Work = {
    db: part,
    context: { it: { ...it, db: part }, requester, checkProtocols },
    actor: await actorOf(part, requester),
    document,
    lineOf: file.lineOf,
    rehearsal,
    changes: [],
    warnings: [],
    secrets: [],
    problems: [],
    later: [],
    homes: new Map(),
  }
  if (!document.organizations.some(({ name }) => name === document.organization))
    requireAdministrator(work.actor, (await homeOf(work)).id)
  await applyPeople(work)
  await applyObjects(work)
  for (const step of work.later) await step()
  if (work.problems.length === 0) await applyPrune(work)
  if (work.problems.length > 0) throw refused(work.problems)
  return work
}

function reportOf({ changes, warnings, secrets }: Work, applied: boolean): ApplyReport {
  const plan = createHash('sha256').update(canonicalJson(changes)).digest('hex').slice(0, 32)
  return { changes, warnings, applied, plan, secrets: applied ? secrets : [] }
}

function checkPlan(plan: string, options: ApplyOptions): void {
  if (options.plan !== undefined && options.plan !== plan)
    throw new Failure('conflict', 'what would change is not what you looked at any more: look at it again')
}

async function missingAuthorities(db: Database, { authorities }: ApplyDocument): Promise<Entry<'authorities'>[]> {
  const wanted = authorities.filter(({ create }) => create)
  if (wanted.length === 0) return []
  const names = wanted.map(({ name }) => name)
  const rows = await withTables<CoreTables>(db)
    .selectFrom('authorities')
    .select('name')
    .where('name', 'in', names)
    .execute()
  return wanted.filter(({ name }) => !rows.some((row) => row.name === name))
}

/** What signs cannot be made in a transaction: after the rehearsal, with the organizations that it stands in, in the order of the file. */
async function makeOutside(
  context: ProfileContext,
  document: ApplyDocument,
  missing: Entry<'authorities'>[],
): Promise<void> {
  const known = await withTables<CoreTables>(context.it.db).selectFrom('organizations').select('name').execute()
  for (const { name } of document.organizations)
    if (!known.some((row) => row.name === name)) await newOrganization(context, name)
  for (const { name, organization = document.organization, create } of missing) {
    if (!create) continue
    const { parent, pathLength, nameConstraints, ...rest } = create
    await newAuthority(context, {
      ...rest,
      name,
      ...(organization === undefined ? {} : { organization }),
      ...(parent === undefined ? {} : { parent }),
      ...(pathLength === undefined ? {} : { pathLength }),
      ...(nameConstraints === undefined ? {} : { nameConstraints }),
    })
  }
}
