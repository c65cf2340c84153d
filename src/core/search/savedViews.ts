import { z } from 'zod'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { AdminContext } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import type { ActingUser } from '../identity/identity.ts'
import { actingUser } from '../request/held.ts'
import type { CoreTables } from '../tables.ts'
import { text } from '../text.ts'
import { uuidv7 } from '../uuid.ts'
import { checkFilters, conditions, type Filter } from './searchFilter.ts'
import type { SearchKind } from './searchTables.ts'

/** What a list was narrowed to: as Searches takes it, less the page. */
export interface ViewFilter {
  where: Filter[]
  archived?: boolean
}

/** A filter of a list under a name, which its user alone sees. */
export interface SavedView {
  uuid: string
  list: SearchKind
  name: string
  filter: ViewFilter
  createdAt: Date
}

export interface ViewDraft {
  list: SearchKind
  /** Unique among his views of the list; up to 100 characters. */
  name: string
  filter: unknown
}

/** All throw Failure('forbidden') for who is no user. */
export interface SavedViews {
  /** By name; of one list, or of all. */
  list(list?: SearchKind): Promise<SavedView[]>
  /** Throws malformed as a search by that filter would, and for more than 100 views; conflict for a name that is there. */
  create(draft: ViewDraft): Promise<SavedView>
  /** Throws notFound alike for none and for another's. */
  remove(uuid: string): Promise<void>
}

export function createSavedViews(context: AdminContext): SavedViews {
  return {
    list: (list) => listViews(context, list),
    create: (draft) => createView(context, draft),
    remove: (uuid) => removeView(context, uuid),
  }
}

const MOST = 100
/** Characters of JSON. */
const LARGEST = 16_384

const value = z.union([z.string(), z.number()])
const viewFilter = z.strictObject({
  where: z
    .array(
      z.strictObject({
        field: z.string(),
        condition: z.enum(conditions),
        value: z.union([value, z.array(value)]).optional(),
      }),
    )
    .default([]),
  archived: z.boolean().optional(),
})
const lists = z.enum(['certificate', 'sign', 'revoke'])

async function userOf({ it, requester }: AdminContext): Promise<ActingUser> {
  const user = await actingUser(it.db, requester)
  if (!user) throw new Failure('forbidden', 'views are saved by people: log in, or name a token of yours')
  return user
}

/** Also one that a search takes no more, as a field may have gone since: the search says so. */
async function listViews(context: AdminContext, list?: SearchKind): Promise<SavedView[]> {
  const user = await userOf(context)
  let query = withTables<CoreTables>(context.it.db)
    .selectFrom('saved_views')
    .selectAll()
    .where('user_id', '=', user.id)
    .orderBy('name')
    .orderBy('id')
  if (list !== undefined) query = query.where('list', '=', list)
  return (await query.execute()).map((row) => ({
    uuid: row.uuid,
    list: row.list as SearchKind,
    name: row.name,
    filter: JSON.parse(row.filter),
    createdAt: new Date(row.created_at),
  }))
}

async function createView(context: AdminContext, draft: ViewDraft): Promise<SavedView> {
  const { it, requester } = context
  const user = await userOf(context)
  const at = it.clock()
  const [list, read] = [lists.safeParse(draft.list), text(100).safeParse(draft.name.trim())]
  if (!list.success) throw new Failure('malformed', `a view is of the list ${lists.options.join(', ')}`)
  if (!read.success)
    throw new Failure('malformed', 'the name of a view has 1 to 100 characters and no control characters')
  const name = read.data
  const filter = checked(list.data, draft.filter, at)
  const view: SavedView = { uuid: uuidv7(at), list: list.data, name, filter, createdAt: at }
  await transaction(it.db, async (db) => {
    const tables = withTables<CoreTables>(db)
    const { n } = await tables
      .selectFrom('saved_views')
      .select((eb) => eb.fn.countAll<number>().as('n'))
      .where('user_id', '=', user.id)
      .executeTakeFirstOrThrow()
    if (Number(n) >= MOST) throw new Failure('malformed', `at most ${MOST} views are kept: remove one first`)
    const { uuid } = view
    const row = { uuid, user_id: user.id, list: view.list, name, filter: JSON.stringify(filter) }
    const stored = await tables
      .insertInto('saved_views')
      .values({ ...row, created_at: at.getTime() })
      .onConflict((conflict) => conflict.doNothing())
      .returning('id')
      .executeTakeFirst()
    if (!stored)
      throw new Failure('conflict', `there is a view ${name} of this list: remove it first, or choose another name`)
    await audit(db, requester, at, about(user, 'view.saved', { list: view.list, name }))
  })
  return view
}

function checked(list: SearchKind, given: unknown, at: Date): ViewFilter {
  const read = viewFilter.safeParse(given)
  if (!read.success)
    throw new Failure('malformed', `the filter of a view cannot be read: ${z.prettifyError(read.error)}`)
  const { where, archived } = read.data
  const filter: ViewFilter = {
    where: where.map(({ field, condition, value }) => ({
      field,
      condition,
      ...(value === undefined ? {} : { value }),
    })),
    ...(archived === undefined ? {} : { archived }),
  }
  checkFilters(list, filter.where, at.getTime())
  if (JSON.stringify(filter).length > LARGEST)
    throw new Failure('malformed', `the filter of a view has at most ${LARGEST} characters`)
  return filter
}

async function removeView(context: AdminContext, uuid: string): Promise<void> {
  const { it, requester } = context
  const user = await userOf(context)
  await transaction(it.db, async (db) => {
    const gone = await withTables<CoreTables>(db)
      .deleteFrom('saved_views')
      .where('uuid', '=', uuid)
      .where('user_id', '=', user.id)
      .returning(['list', 'name'])
      .executeTakeFirst()
    if (!gone) throw new Failure('notFound', 'there is no such view')
    await audit(db, requester, it.clock(), about(user, 'view.removed', gone))
  })
}

function about({ id, organizationId }: ActingUser, action: string, details: { list: string; name: string }) {
  return { action, organizationId, subject: { kind: 'user', id } as const, details }
}
