import type { Database } from '../../db/open.ts'
import { forUpdate, withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { type Actor, type AdminContext, actorOf, administers, isSuperuser } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { findAuthorityRow } from '../authority/authorityView.ts'
import { Failure } from '../failure.ts'
import { type ActingUser, findUser, type User } from '../identity/identity.ts'
import { administering } from '../identity/tokenScope.ts'
import { findProfileRow } from '../profile/profileAdmin.ts'
import type { CoreTables } from '../tables.ts'
import { text } from '../text.ts'
import { uuidv7 } from '../uuid.ts'

/** For a time, one user gives the votes of another. */
export interface DelegationView {
  uuid: string
  /** User names. */
  delegator: string
  delegate: string
  /** Null: for all of them. */
  profile: string | null
  authority: string | null
  from: Date
  until: Date
  reason: string | null
  createdAt: Date
  /** When it was ended before its time. */
  endedAt: Date | null
}

export interface DelegationDraft {
  /** User name of the delegate. */
  to: string
  /** Absent: from now on. */
  from?: Date
  until: Date
  /** Only for requests of this profile, or under this authority; by name. */
  profile?: string
  authority?: string
  reason?: string
}

/** Delegations of votes (docs/approval.md). All throw Failure: forbidden, notFound, malformed, conflict. */
export interface Delegations {
  /** Those that a user has made or received; of all in their organization for administrators; the newest first, at most 1000. */
  list(): Promise<DelegationView[]>
  /** Only a user makes one, of his own votes, to another of his organization, and for at most a year. */
  create(draft: DelegationDraft): Promise<DelegationView>
  /** By the user who made it, or an administrator. Votes given by it on requests that still wait count no more. */
  end(uuid: string): Promise<DelegationView>
}

export function createDelegations(context: AdminContext): Delegations {
  return {
    list: () => list(context),
    create: (draft) => create(context, draft),
    end: (uuid) => end(context, uuid),
  }
}

const atMost = 1000
const longest = 366 * 86_400_000

async function list({ it, requester }: AdminContext): Promise<DelegationView[]> {
  const actor = await actorOf(it.db, requester)
  let query = rows(it.db).orderBy('delegations.id', 'desc').limit(atMost)
  const { user } = actor
  if (user && !isSuperuser(actor)) {
    query = query.where(({ or, eb }) =>
      user.admin
        ? eb('delegations.organization_id', '=', user.organizationId)
        : or([eb('delegations.delegator_id', '=', user.id), eb('delegations.delegate_id', '=', user.id)]),
    )
  }
  return (await query.execute()).map(toView)
}

async function create({ it, requester }: AdminContext, draft: DelegationDraft): Promise<DelegationView> {
  const at = it.clock()
  return transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const delegator = requireSelf(actor)
    const delegate = await delegateOf(db, delegator, draft.to)
    const period = checkedPeriod(draft, at)
    const reason = checkedReason(draft.reason)
    const on = await placeOf(db, actor, draft)
    const { id } = await withTables<CoreTables>(db)
      .insertInto('delegations')
      .values({
        uuid: uuidv7(at),
        organization_id: delegator.organizationId,
        delegator_id: delegator.id,
        delegate_id: delegate.id,
        ...on,
        ...period,
        reason,
        created_at: at.getTime(),
        ended_at: null,
      })
      .returning('id')
      .executeTakeFirstOrThrow()
    await audit(db, requester, at, {
      action: 'delegation.created',
      organizationId: delegator.organizationId,
      subject: { kind: 'delegation', id },
      details: {
        delegator: delegator.name,
        delegate: delegate.name,
        profileId: on.profile_id,
        authorityId: on.authority_id,
        from: period.from_at,
        until: period.until_at,
        reason,
      },
    })
    return viewOf(db, id)
  })
}

function requireSelf({ user }: Actor): ActingUser {
  if (!user) throw new Failure('forbidden', 'only a person delegates votes, and only his own')
  if (!administering(user.scope))
    throw new Failure('forbidden', 'this token delegates no votes: its scope has no admin')
  return user
}

async function delegateOf(db: Database, delegator: User, name: string): Promise<User> {
  const delegate = await findUser(db, { name })
  if (delegate?.organizationId !== delegator.organizationId || !delegate.enabled)
    throw new Failure('notFound', `there is no user ${name}`)
  if (delegate.id === delegator.id) throw new Failure('malformed', 'nobody delegates his votes to himself')
  return delegate
}

function checkedPeriod({ from, until }: DelegationDraft, now: Date): { from_at: number; until_at: number } {
  const begins = from && from > now ? from : now
  if (!(until > begins)) throw new Failure('malformed', 'until lies after now and after from')
  if (until.getTime() - begins.getTime() > longest)
    throw new Failure('malformed', 'a delegation lasts at most a year; make another one then')
  return { from_at: begins.getTime(), until_at: until.getTime() }
}

function checkedReason(reason: string | undefined): string | null {
  if (reason === undefined) return null
  const read = text(500).safeParse(reason.trim())
  if (!read.success) throw new Failure('malformed', 'a reason has 1 to 500 characters, and no control characters')
  return read.data
}

async function placeOf(db: Database, actor: Actor, { profile, authority }: DelegationDraft) {
  const row = profile === undefined ? undefined : await findProfileRow(db, actor, profile)
  if (profile !== undefined && row?.organization_id !== actor.user?.organizationId)
    throw new Failure('notFound', `there is no profile ${profile}`)
  const under = authority === undefined ? undefined : await findAuthorityRow(db, actor, authority)
  if (under && under.organization_id !== actor.user?.organizationId)
    throw new Failure('notFound', `there is no authority ${authority}`)
  return { profile_id: row?.id ?? null, authority_id: under?.id ?? null }
}

async function end({ it, requester }: AdminContext, uuid: string): Promise<DelegationView> {
  const at = it.clock()
  return transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const query = withTables<CoreTables>(db).selectFrom('delegations').selectAll().where('uuid', '=', uuid)
    const row = await forUpdate(db, query).executeTakeFirst()
    if (!row || !concerns(actor, row)) throw new Failure('notFound', 'there is no such delegation')
    if (row.delegator_id === actor.user?.id) requireSelf(actor)
    else if (!administers(actor, row.organization_id))
      throw new Failure('forbidden', 'a delegation is ended by who made it, or by an administrator')
    if (row.ended_at !== null || row.until_at <= at.getTime())
      throw new Failure('conflict', 'this delegation has ended already')
    await withTables<CoreTables>(db)
      .updateTable('delegations')
      .set({ ended_at: at.getTime() })
      .where('id', '=', row.id)
      .execute()
    const subject = { kind: 'delegation', id: row.id } as const
    await audit(db, requester, at, { action: 'delegation.ended', organizationId: row.organization_id, subject })
    return viewOf(db, row.id)
  })
}

interface Between {
  organization_id: number
  delegator_id: number
  delegate_id: number
}

function concerns(actor: Actor, { organization_id, delegator_id, delegate_id }: Between): boolean {
  return administers(actor, organization_id) || [delegator_id, delegate_id].includes(actor.user?.id ?? -1)
}

function rows(db: Database) {
  return withTables<CoreTables>(db)
    .selectFrom('delegations')
    .innerJoin('users as delegator', 'delegator.id', 'delegations.delegator_id')
    .innerJoin('users as delegate', 'delegate.id', 'delegations.delegate_id')
    .leftJoin('ra_profiles', 'ra_profiles.id', 'delegations.profile_id')
    .leftJoin('authorities', 'authorities.id', 'delegations.authority_id')
    .selectAll('delegations')
    .select(['delegator.name as delegator', 'delegate.name as delegate'])
    .select(['ra_profiles.name as profile', 'authorities.name as authority'])
}

type Row = Awaited<ReturnType<ReturnType<typeof rows>['execute']>>[number]

async function viewOf(db: Database, id: number): Promise<DelegationView> {
  return toView(await rows(db).where('delegations.id', '=', id).executeTakeFirstOrThrow())
}

function toView(row: Row): DelegationView {
  const { uuid, delegator, delegate, profile, authority, reason } = row
  return {
    ...{ uuid, delegator, delegate, profile, authority, reason },
    from: new Date(row.from_at),
    until: new Date(row.until_at),
    createdAt: new Date(row.created_at),
    endedAt: row.ended_at === null ? null : new Date(row.ended_at),
  }
}
