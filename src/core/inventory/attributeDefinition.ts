import { z } from 'zod'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { isUniqueViolation, transaction } from '../../db/transaction.ts'
import { type AdminContext, actorOf, organizationFor, requireAdministrator, seesOrganization } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import { ConditionError, compileExpression } from '../profile/conditionFunctions.ts'
import type { CoreTables } from '../tables.ts'
import { text } from '../text.ts'
import { uuidv7 } from '../uuid.ts'
import {
  type AttributeProblem,
  asFailure,
  attributeContentTypes,
  type CustomAttribute,
  readAttributes,
} from './customAttribute.ts'

const range = z.strictObject({ from: z.number().optional(), to: z.number().optional() })
const span = z.strictObject({
  from: z.iso.datetime({ offset: true }).optional(),
  to: z.iso.datetime({ offset: true }).optional(),
})

/** What has custom attributes. */
export const attributeResources = ['certificates', 'groups', 'locations'] as const
export type AttributeResource = (typeof attributeResources)[number]

const draft = z.strictObject({
  name: text(200),
  label: text(200),
  description: text(1000).optional(),
  contentType: z.enum(attributeContentTypes),
  /** Whoever sets the attributes of a certificate must give it. */
  required: z.boolean().default(false),
  /** It may have more than one value. */
  list: z.boolean().default(false),
  constraints: z
    .strictObject({
      /** RE2, over the whole of a string or text. */
      regExp: z.string().max(300).optional(),
      /** For integer and float. */
      range: range.optional(),
      /** For date and datetime. */
      dateTime: span.optional(),
    })
    .default({}),
  /** What it is about: elsewhere the name means nothing. */
  resources: z
    .array(z.enum(attributeResources))
    .min(1)
    .transform((all) => [...new Set(all)])
    .default(['certificates']),
})

/** What administrators say about an attribute of a name, in their organization. */
export type AttributeDraft = z.input<typeof draft>
export type AttributeDefinition = z.output<typeof draft> & { uuid: string }

/** By name. */
export async function listDefinitions({ it, requester }: AdminContext): Promise<AttributeDefinition[]> {
  const { id } = await organizationFor(it.db, await actorOf(it.db, requester), undefined)
  return definitionsOf(it.db, id)
}

/** Of one organization. The caller has made sure that they may be seen. */
export async function definitionsOf(db: Database, organizationId: number): Promise<AttributeDefinition[]> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('attribute_definitions')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .orderBy('name')
    .execute()
  return rows.map((row) => ({
    uuid: row.uuid,
    name: row.name,
    label: row.label,
    ...(row.description === null ? {} : { description: row.description }),
    contentType: row.content_type as AttributeDefinition['contentType'],
    required: row.required === 1,
    list: row.list === 1,
    constraints: JSON.parse(row.constraints),
    resources: JSON.parse(row.resources),
  }))
}

/** Throws Failure('malformed'). */
export function readDraft(given: unknown): z.output<typeof draft> {
  const parsed = draft.safeParse(given)
  if (!parsed.success)
    throw asFailure(parsed.error.issues.map(({ path, message }) => ({ at: path.join('.'), detail: message })))
  try {
    if (parsed.data.constraints.regExp !== undefined) compileExpression(parsed.data.constraints.regExp)
  } catch (error) {
    if (error instanceof ConditionError) throw new Failure('malformed', `constraints.regExp: ${error.message}`)
    throw error
  }
  return parsed.data
}

/** Defines an attribute in the requester's organization, or in the one named. Throws Failure: malformed, forbidden, conflict where the name is taken. */
export async function addDefinition(
  { it, requester }: AdminContext,
  given: AttributeDraft,
  organization?: string,
): Promise<AttributeDefinition> {
  const { contentType, ...read } = readDraft(given)
  const at = it.clock()
  const uuid = uuidv7(at)
  try {
    await transaction(it.db, async (db) => {
      const actor = await actorOf(db, requester)
      const { id: organizationId } = await organizationFor(db, actor, organization)
      requireAdministrator(actor, organizationId)
      const { id } = await withTables<CoreTables>(db)
        .insertInto('attribute_definitions')
        .values({
          uuid,
          organization_id: organizationId,
          name: read.name,
          label: read.label,
          description: read.description ?? null,
          content_type: contentType,
          required: read.required ? 1 : 0,
          list: read.list ? 1 : 0,
          constraints: JSON.stringify(read.constraints),
          resources: JSON.stringify(read.resources),
          created_at: at.getTime(),
        })
        .returning('id')
        .executeTakeFirstOrThrow()
      await audit(db, requester, at, {
        action: 'attribute.defined',
        organizationId,
        subject: { kind: 'attribute', id },
        details: { uuid, contentType, ...read },
      })
    })
  } catch (error) {
    if (!isUniqueViolation(error)) throw error
    throw new Failure('conflict', `there is an attribute ${read.name} already`, { cause: error })
  }
  return { uuid, contentType, ...read }
}

/** Other words and constraints for an attribute; its type stays. Throws Failure: malformed, notFound, forbidden, conflict (the type). */
export async function changeDefinition(
  { it, requester }: AdminContext,
  given: AttributeDraft,
  uuid: string,
): Promise<void> {
  const { contentType, ...read } = readDraft(given)
  const at = it.clock()
  await transaction(it.db, async (db) => {
    const tables = withTables<CoreTables>(db)
    const actor = await actorOf(db, requester)
    const row = await tables.selectFrom('attribute_definitions').selectAll().where('uuid', '=', uuid).executeTakeFirst()
    if (!row || !seesOrganization(actor, row.organization_id))
      throw new Failure('notFound', 'there is no such attribute')
    requireAdministrator(actor, row.organization_id)
    if (row.content_type !== contentType)
      throw new Failure(
        'conflict',
        `the attribute ${row.name} is a ${row.content_type}, and certificates may have it: remove it first`,
      )
    const { label, description = null, required, list, constraints, resources } = read
    const columns = {
      label,
      description,
      required: required ? 1 : 0,
      list: list ? 1 : 0,
      constraints: JSON.stringify(constraints),
      resources: JSON.stringify(resources),
    }
    await tables.updateTable('attribute_definitions').set(columns).where('id', '=', row.id).execute()
    await audit(db, requester, at, {
      action: 'attribute.changed',
      organizationId: row.organization_id,
      subject: { kind: 'attribute', id: row.id },
      details: { uuid, ...read, name: row.name },
    })
  })
}

/** What certificates have of it stays. Throws Failure: notFound, forbidden. */
export async function removeDefinition({ it, requester }: AdminContext, uuid: string): Promise<void> {
  const at = it.clock()
  await transaction(it.db, async (db) => {
    const tables = withTables<CoreTables>(db)
    const actor = await actorOf(db, requester)
    const row = await tables
      .selectFrom('attribute_definitions')
      .select(['id', 'organization_id', 'name'])
      .where('uuid', '=', uuid)
      .executeTakeFirst()
    if (!row || !seesOrganization(actor, row.organization_id))
      throw new Failure('notFound', 'there is no such attribute')
    requireAdministrator(actor, row.organization_id)
    await tables.deleteFrom('attribute_definitions').where('id', '=', row.id).execute()
    await audit(db, requester, at, {
      action: 'attribute.removed',
      organizationId: row.organization_id,
      subject: { kind: 'attribute', id: row.id },
      details: { uuid, name: row.name },
    })
  })
}

/**
 * Attributes as a client gives them, held against what the organization has defined for such things; one without a definition is kept as it came. Throws as readAttributes.
 */
export async function checkAttributes(
  db: Database,
  organizationId: number,
  given: unknown,
  resource: AttributeResource = 'certificates',
): Promise<CustomAttribute[]> {
  const attributes = readAttributes(given)
  const all = await definitionsOf(db, organizationId)
  const definitions = all.filter(({ resources }) => resources.includes(resource))
  const byName = new Map(attributes.map((attribute) => [attribute.name, attribute]))
  const problems = definitions.flatMap((definition) => problemsOf(definition, byName.get(definition.name)))
  if (problems.length > 0) throw asFailure(problems)
  const defined = new Map(definitions.map((definition) => [definition.name, definition]))
  return attributes.map((attribute) => {
    const { uuid, label } = defined.get(attribute.name) ?? attribute
    return { ...attribute, ...(uuid === undefined ? {} : { uuid }), ...(label === undefined ? {} : { label }) }
  })
}

function problemsOf(definition: AttributeDefinition, attribute: CustomAttribute | undefined): AttributeProblem[] {
  const { name, contentType, required, list } = definition
  const problem = (detail: string) => [{ at: name, detail }]
  if (!attribute?.content.length) return required ? problem(`the attribute ${name} is required`) : []
  if (attribute.contentType !== contentType) return problem(`its contentType is ${contentType}`)
  if (!list && attribute.content.length > 1) return problem('it has one value')
  return attribute.content.flatMap(({ data }) => valueProblems(definition, data).flatMap(problem))
}

function valueProblems({ constraints: { regExp, range, dateTime } }: AttributeDefinition, data: unknown): string[] {
  const problems: string[] = []
  if (regExp !== undefined && typeof data === 'string' && !compileExpression(regExp).matches(data))
    problems.push(`a value is written like ${regExp}`)
  if (range && typeof data === 'number' && (data < (range.from ?? data) || data > (range.to ?? data)))
    problems.push(`a value is from ${range.from ?? 'any'} to ${range.to ?? 'any'}`)
  const moment = typeof data === 'string' ? Date.parse(data) : Number.NaN
  if (dateTime && !Number.isNaN(moment) && !within(moment, dateTime))
    problems.push(`a value is from ${dateTime.from ?? 'any'} to ${dateTime.to ?? 'any'}`)
  return problems
}

function within(moment: number, { from, to }: { from?: string | undefined; to?: string | undefined }): boolean {
  return !(from !== undefined && moment < Date.parse(from)) && !(to !== undefined && moment > Date.parse(to))
}
