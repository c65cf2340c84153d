import { z } from 'zod'
import type { Database } from '../../db/open.ts'
import { forUpdate, withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import {
  type Actor,
  type AdminContext,
  actorOf,
  administers,
  isSuperuser,
  organizationFor,
  requireAdministrator,
  seesOrganization,
} from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { tellOfOperator } from '../audit/operatorAlert.ts'
import { Failure } from '../failure.ts'
import { checkedName, findUser, type User } from '../identity/identity.ts'
import { checkAttributes } from '../inventory/attributeDefinition.ts'
import type { CustomAttribute } from '../inventory/customAttribute.ts'
import type { CoreTables } from '../tables.ts'
import { text } from '../text.ts'
import { uuidv7 } from '../uuid.ts'

/** People whom rules name together, and to whom certificates belong. */
export interface GroupView {
  uuid: string
  name: string
  organization: string
  description: string | null
  email: string | null
  attributes: CustomAttribute[]
  /** User names; only for administrators and for its members. */
  members: string[] | null
}

/** A group by its uuid, or by its name in an organization: one's own unless another is named. */
export type GroupRef = { uuid: string } | { name: string; organization?: string }

export interface GroupDraft {
  name: string
  organization?: string
  description?: string
  email?: string
  /** Custom attributes, held against what the organization has defined for groups. */
  attributes?: unknown
}

/** What is absent stays; null empties. */
export interface GroupChange {
  name?: string
  description?: string | null
  email?: string | null
  /** All of them, from then on. */
  attributes?: unknown
}

/**
 * The groups of an organization: every user of it sees them, its administrators change them. All throw Failure: forbidden,
 * and notFound alike for a group that is not there and for one of another organization.
 */
export interface Groups {
  /** By name. */
  list(): Promise<GroupView[]>
  /** Throws Failure('conflict') where the organization has a group of that name, 'malformed', 'tooLarge' (attributes). */
  create(draft: GroupDraft): Promise<GroupView>
  /** Rules name groups by name: after a new name they mean another one. Throws as create. */
  change(ref: GroupRef, change: GroupChange): Promise<GroupView>
  delete(ref: GroupRef): Promise<void>
  /** Adding twice changes nothing. Throws Failure('notFound') for a user of another organization. */
  addMember(ref: GroupRef, user: string): Promise<void>
  /** Removing one who is none changes nothing. */
  removeMember(ref: GroupRef, user: string): Promise<void>
}

export function createGroups(context: AdminContext): Groups {
  return {
    list: () => list(context),
    create: (draft) => create(context, draft),
    change: (ref, change) => changed(context, ref, change),
    delete: (ref) => remove(context, ref),
    addMember: (ref, user) => member(context, ref, { name: user, joins: true }),
    removeMember: (ref, user) => member(context, ref, { name: user, joins: false }),
  }
}

const more = z.object({ description: text(500).nullable().optional(), email: z.email().max(254).nullable().optional() })

function checked({ description, email }: GroupChange | GroupDraft): {
  description?: string | null
  email?: string | null
} {
  const read = more.safeParse({ description, email })
  if (!read.success) {
    const [issue] = read.error.issues
    throw new Failure('malformed', `${issue?.path.join('.')}: ${issue?.message}`)
  }
  return {
    ...(description === undefined ? {} : { description }),
    ...(email === undefined ? {} : { email }),
  }
}

async function list({ it, requester }: AdminContext): Promise<GroupView[]> {
  const actor = await actorOf(it.db, requester)
  let query = groupRows(it.db).orderBy('groups.name').orderBy('groups.id')
  if (!isSuperuser(actor) && actor.user) query = query.where('groups.organization_id', '=', actor.user.organizationId)
  const rows = await query.execute()
  return Promise.all(rows.map((row) => toView(it.db, actor, row)))
}

async function create({ it, requester }: AdminContext, draft: GroupDraft): Promise<GroupView> {
  const at = it.clock()
  return transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const { id: organizationId } = await organizationFor(db, actor, draft.organization)
    requireAdministrator(actor, organizationId)
    const set = { description: null, email: null, ...checked(draft) }
    const attributes = await attributesOf(db, organizationId, draft)
    const made = await withTables<CoreTables>(db)
      .insertInto('groups')
      .values({
        ...set,
        ...attributes?.row,
        uuid: uuidv7(at),
        organization_id: organizationId,
        name: checkedName(draft.name),
        created_at: at.getTime(),
      })
      .onConflict((conflict) => conflict.columns(['organization_id', 'name']).doNothing())
      .returning('id')
      .executeTakeFirst()
    if (!made) throw taken(draft.name)
    const subject = { kind: 'group', id: made.id } as const
    await audit(db, requester, at, {
      action: 'group.created',
      organizationId,
      subject,
      details: { name: draft.name, ...set, ...attributes?.told },
    })
    return viewOf(db, actor, made.id)
  })
}

/** As they are stored, and what the audit trail says of them. */
async function attributesOf(db: Database, organizationId: number, { attributes: given }: GroupChange | GroupDraft) {
  if (given === undefined) return undefined
  const attributes = await checkAttributes(db, organizationId, given, 'groups')
  return {
    row: { attributes: JSON.stringify(attributes) },
    told: { attributes: attributes.map(({ name }) => name) },
  }
}

function taken(name: string): Failure {
  return new Failure('conflict', `there is a group ${name} already`)
}

async function changed({ it, requester }: AdminContext, ref: GroupRef, change: GroupChange): Promise<GroupView> {
  const at = it.clock()
  return transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const group = await administered(db, actor, ref)
    const { organization_id: organizationId } = group
    const set = { ...checked(change), ...(change.name === undefined ? {} : { name: checkedName(change.name) }) }
    const attributes = await attributesOf(db, organizationId, change)
    if (Object.keys(set).length === 0 && !attributes) throw new Failure('malformed', 'nothing to change was given')
    if (change.name !== undefined && change.name !== group.name) {
      if (await byName(db, organizationId, change.name)) throw taken(change.name)
      const what = `called the group ${group.name} ${change.name}`
      await tellOfOperator(db, actor, { at, organizationId, subject: { kind: 'group', id: group.id }, what })
    }
    await withTables<CoreTables>(db)
      .updateTable('groups')
      .set({ ...set, ...attributes?.row })
      .where('id', '=', group.id)
      .execute()
    const subject = { kind: 'group', id: group.id } as const
    await audit(db, requester, at, {
      action: 'group.changed',
      organizationId,
      subject,
      details: { ...set, ...attributes?.told },
    })
    return viewOf(db, actor, group.id)
  })
}

async function remove({ it, requester }: AdminContext, ref: GroupRef): Promise<void> {
  await transaction(it.db, async (db) => {
    const { id, name, organization_id: organizationId } = await administered(db, await actorOf(db, requester), ref)
    const tables = withTables<CoreTables>(db)
    // A number may be given again: nothing that points at it may stay.
    await tables.deleteFrom('certificate_groups').where('group_id', '=', id).execute()
    await tables.deleteFrom('group_members').where('group_id', '=', id).execute()
    await tables.deleteFrom('groups').where('id', '=', id).execute()
    const subject = { kind: 'group', id } as const
    await audit(db, requester, it.clock(), { action: 'group.deleted', organizationId, subject, details: { name } })
  })
}

async function member(
  { it, requester }: AdminContext,
  ref: GroupRef,
  { name, joins }: { name: string; joins: boolean },
): Promise<void> {
  const at = it.clock()
  await transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const group = await administered(db, actor, ref)
    const { organization_id: organizationId } = group
    const user = await findUser(db, { name })
    if (user?.organizationId !== organizationId) throw new Failure('notFound', `there is no user ${name}`)
    if (!(await (joins ? join : leave)(db, group.id, user))) return
    await audit(db, requester, at, {
      action: joins ? 'group.member_added' : 'group.member_removed',
      organizationId,
      subject: { kind: 'group', id: group.id },
      details: { group: group.name, user: user.name, userId: user.id },
    })
    if (!joins) return
    const what = `put ${user.name} into the group ${group.name}`
    await tellOfOperator(db, actor, { at, organizationId, subject: { kind: 'user', id: user.id }, what })
  })
}

async function join(db: Database, groupId: number, { id }: User): Promise<boolean> {
  const row = await withTables<CoreTables>(db)
    .insertInto('group_members')
    .values({ group_id: groupId, user_id: id })
    .onConflict((conflict) => conflict.columns(['group_id', 'user_id']).doNothing())
    .returning('group_id')
    .executeTakeFirst()
  return row !== undefined
}

async function leave(db: Database, groupId: number, { id }: User): Promise<boolean> {
  const row = await withTables<CoreTables>(db)
    .deleteFrom('group_members')
    .where('group_id', '=', groupId)
    .where('user_id', '=', id)
    .returning('group_id')
    .executeTakeFirst()
  return row !== undefined
}

/** Its row locked: nobody joins a group that is being deleted. */
async function administered(db: Database, actor: Actor, ref: GroupRef) {
  let query = withTables<CoreTables>(db).selectFrom('groups').selectAll()
  if ('uuid' in ref) query = query.where('uuid', '=', ref.uuid)
  else {
    const { id } = await organizationFor(db, actor, ref.organization)
    query = query.where('name', '=', ref.name).where('organization_id', '=', id)
  }
  const row = await forUpdate(db, query).executeTakeFirst()
  if (!row || !seesOrganization(actor, row.organization_id)) throw new Failure('notFound', 'there is no such group')
  requireAdministrator(actor, row.organization_id)
  return row
}

function byName(db: Database, organizationId: number, name: string) {
  return withTables<CoreTables>(db)
    .selectFrom('groups')
    .select('id')
    .where('organization_id', '=', organizationId)
    .where('name', '=', name)
    .executeTakeFirst()
}

function groupRows(db: Database) {
  return withTables<CoreTables>(db)
    .selectFrom('groups')
    .innerJoin('organizations', 'organizations.id', 'groups.organization_id')
    .selectAll('groups')
    .select('organizations.name as organization')
}

type GroupRow = Awaited<ReturnType<ReturnType<typeof groupRows>['execute']>>[number]

async function viewOf(db: Database, actor: Actor, id: number): Promise<GroupView> {
  return toView(db, actor, await groupRows(db).where('groups.id', '=', id).executeTakeFirstOrThrow())
}

async function toView(db: Database, actor: Actor, row: GroupRow): Promise<GroupView> {
  const { uuid, name, organization, description, email } = row
  const members = await withTables<CoreTables>(db)
    .selectFrom('group_members')
    .innerJoin('users', 'users.id', 'group_members.user_id')
    .select(['users.id', 'users.name'])
    .where('group_members.group_id', '=', row.id)
    .orderBy('users.name')
    .execute()
  const shown = administers(actor, row.organization_id) || members.some(({ id }) => id === actor.user?.id)
  const attributes: CustomAttribute[] = JSON.parse(row.attributes)
  const names = shown ? members.map((one) => one.name) : null
  return { uuid, name, organization, description, email, attributes, members: names }
}
