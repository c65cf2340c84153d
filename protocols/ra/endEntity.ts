import { randomUUID } from 'node:crypto'
import type { Selectable } from 'kysely'
import type { Door } from '../../src/core/core.ts'
import type { OrderOutcome } from '../../src/core/enrolment/enrolment.ts'
import { Failure } from '../../src/core/failure.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { Requester } from '../../src/core/requester.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import type { Host } from '../../src/protocol.ts'
import type { EndEntityDraft } from './endEntityDraft.ts'
import { type EndEntityStatus, requireMove, statusOf } from './endEntityStatus.ts'
import { approvesEndEntities, waitingStatus, waitsAfter } from './endEntityWait.ts'
import { Unprocessable } from './errors.ts'
import type { RaTables } from './tables.ts'

type Database = Host['db']
type Row = Selectable<RaTables['ra_end_entities']>

/** Whom somebody lets order certificates of a profile by a name and a password. */
export interface EndEntity {
  id: number
  uuid: string
  username: string
  passwordHash: string
  subject: string
  names?: string
  email?: string
  extensionData: { name: string; value: string }[]
  status: EndEntityStatus
  /** Nothing is ordered until somebody else than `people` approves it. */
  awaitsApproval: boolean
  /** In whatever came of its order: in this round only a key that had a certificate gets one. */
  recovering: boolean
  round: number
  version: number
  /** The order that its password was used for last, in this round. */
  order?: { ref: string; outcome: OrderOutcome }
  addedBy: number
  /** Users who added or changed it: none of them approves what is ordered with its password. */
  people: number[]
}

/** What every change of end entities needs. */
export interface EndEntityPlace {
  host: Host
  door: Door
  requester: Requester
  profile: RaProfile
}

/** Another change came first: read it again. */
export class ChangedMeanwhile extends Failure {
  constructor() {
    super('conflict', 'this end entity was changed at the same time: ask again')
  }
}

export async function findEndEntity(
  { host, door, profile }: Omit<EndEntityPlace, 'requester'>,
  username: string,
): Promise<EndEntity | undefined> {
  const row = await withTables<RaTables>(host.db)
    .selectFrom('ra_end_entities')
    .selectAll()
    .where('profile_id', '=', profile.id)
    .where('username', '=', username.normalize('NFC'))
    .executeTakeFirst()
  const [found] = row ? await toEndEntities(door, [row]) : []
  return found
}

/** Throws Failure('notFound'). */
export async function readEndEntity(place: EndEntityPlace, username: string): Promise<EndEntity> {
  const found = await findEndEntity(place, username)
  if (!found) throw new Failure('notFound', 'there is no such end entity')
  return found
}

/** All of a profile, by name. */
export async function listEndEntities({ host, door, profile }: EndEntityPlace): Promise<EndEntity[]> {
  const rows = await withTables<RaTables>(host.db)
    .selectFrom('ra_end_entities')
    .selectAll()
    .where('profile_id', '=', profile.id)
    .orderBy('username')
    .execute()
  return toEndEntities(door, rows)
}

async function toEndEntities(door: Door, rows: readonly Row[]): Promise<EndEntity[]> {
  const outcomes = await door.enrolment.outcomes(
    'ra',
    rows.flatMap(({ order_ref: ref }) => ref ?? []),
  )
  return rows.map((row) => {
    const { order_ref: ref } = row
    const outcome = ref === null ? undefined : outcomes.get(ref)
    return {
      id: row.id,
      uuid: row.uuid,
      username: row.username,
      passwordHash: row.password_hash,
      subject: row.subject,
      ...(row.names === null ? {} : { names: row.names }),
      ...(row.email === null ? {} : { email: row.email }),
      extensionData: JSON.parse(row.extension_data),
      status: statusOf(row, outcome),
      awaitsApproval: row.awaits_approval === 1,
      recovering: row.status === 'KEY_RECOVERY',
      round: row.round,
      version: row.version,
      ...(ref !== null && outcome ? { order: { ref, outcome } } : {}),
      addedBy: row.added_by,
      people: JSON.parse(row.people),
    }
  })
}

/** Throws Failure: malformed (the password), conflict (the name is taken), forbidden (nobody is behind it). */
export async function addEndEntity(
  { host, door, requester, profile }: EndEntityPlace,
  { username, password, draft }: { username: string; password: string; draft: EndEntityDraft },
): Promise<void> {
  const [person] = requester.people
  if (person === undefined) throw new Failure('forbidden', 'an end entity is added by a user')
  const password_hash = await door.enrolment.hash(password)
  const at = host.clock().getTime()
  const waits = approvesEndEntities(profile)
  const status: EndEntityStatus = waits ? 'WAITING_FOR_ADD_APPROVAL' : 'NEW'
  await transaction(host.db, async (db) => {
    const added = await withTables<RaTables>(db)
      .insertInto('ra_end_entities')
      .values({
        uuid: randomUUID(),
        profile_id: profile.id,
        username: username.normalize('NFC'),
        password_hash,
        ...columnsOf(draft),
        status,
        awaits_approval: waits ? 1 : 0,
        round: 0,
        version: 0,
        order_ref: null,
        added_by: person,
        people: JSON.stringify(requester.people),
        created_at: at,
        updated_at: at,
      })
      .onConflict((conflict) => conflict.columns(['profile_id', 'username']).doNothing())
      .returning('id')
      .executeTakeFirst()
    if (!added) throw new Failure('conflict', `an end entity ${username} already exists in the profile ${profile.name}`)
    await record(db, { door, profile }, { change: 'created', id: added.id, details: { username, status, ...draft } })
  })
}

function columnsOf({ subject, names, email, extensionData }: EndEntityDraft) {
  return {
    subject,
    names: names ?? null,
    email: email ?? null,
    extension_data: JSON.stringify(extensionData),
  }
}

export interface EndEntityEdit {
  status: EndEntityStatus
  draft?: EndEntityDraft
  password?: string
}

/**
 * Changes an end entity. Another status than it has begins a new round: an order that waits is withdrawn, and with NEW the password may be used
 * again, also for the same key. What waits for approval goes on waiting, and where a profile asks for it, another name or password waits
 * anew. Throws Unprocessable (a status that an edit cannot set), Failure: conflict, malformed.
 */
export async function editEndEntity(place: EndEntityPlace, known: EndEntity, edit: EndEntityEdit): Promise<void> {
  requireMove(known.status, edit.status)
  if (known.awaitsApproval && edit.status !== known.status) requireMove('WAITING_FOR_ADD_APPROVAL', edit.status)
  const waits = waitsAfter(place.profile, known, edit)
  await applyEdit(place, known, waits ? { ...edit, status: waitingStatus(known, edit.status), waits } : edit)
}

/** NEW whatever it was: the password may be used once more, and wrong ones before count no more. Throws Unprocessable for one that waits. */
export async function resetPassword(place: EndEntityPlace, known: EndEntity): Promise<void> {
  if (known.awaitsApproval)
    throw new Unprocessable([
      'this end entity waits for approval: somebody who has approve, and neither added nor changed it, sets it to NEW by an edit',
    ])
  await applyEdit(place, known, { status: 'NEW' })
}

async function applyEdit(
  place: EndEntityPlace,
  known: EndEntity,
  edit: EndEntityEdit & { waits?: boolean },
): Promise<void> {
  const { host, door, profile } = place
  const { status, draft, password, waits } = edit
  const password_hash = password === undefined ? undefined : await door.enrolment.hash(password)
  const moved = status !== known.status
  if (moved && known.order) await endOrder(door, known.status, known.order.outcome)
  await transaction(host.db, async (db) => {
    await change(db, place, known, {
      ...(draft ? columnsOf(draft) : {}),
      ...(password_hash === undefined ? {} : { password_hash }),
      ...(waits ? { awaits_approval: 1 } : {}),
      ...(moved ? { status, order_ref: null, round: known.round + 1 } : {}),
    })
    if (password !== undefined || status === 'NEW') await door.enrolment.forgive(db, { profile, name: known.username })
    const details = {
      username: known.username,
      status,
      ...draft,
      ...(password === undefined ? {} : { password: 'set' }),
    }
    await record(db, place, { change: 'changed', id: known.id, details })
  })
}

/** What was ordered in a round that ends yields no certificate later. */
async function endOrder(door: Door, status: EndEntityStatus, { uuid }: OrderOutcome): Promise<void> {
  if (status === 'IN_PROCESS') await door.approvals.cancel('sign', uuid, 'its end entity was changed')
  else await door.answered(uuid)
}

/** One change, if no other came before. Throws ChangedMeanwhile. */
export async function change(
  db: Database,
  { host, requester }: Pick<EndEntityPlace, 'host' | 'requester'>,
  known: EndEntity,
  set: Partial<Omit<Row, 'id'>>,
): Promise<void> {
  const people = [...new Set([...known.people, ...requester.people])]
  const changed = await withTables<RaTables>(db)
    .updateTable('ra_end_entities')
    .set({
      people: JSON.stringify(people),
      ...set,
      version: known.version + 1,
      updated_at: host.clock().getTime(),
    })
    .where('id', '=', known.id)
    .where('version', '=', known.version)
    .returning('id')
    .executeTakeFirst()
  if (!changed) throw new ChangedMeanwhile()
}

interface Recorded {
  change: 'created' | 'changed' | 'deactivated'
  id: number
  details: Record<string, unknown>
}

/** An audit row. */
export async function record(
  db: Database,
  { door, profile }: Pick<EndEntityPlace, 'door' | 'profile'>,
  { change, id, details }: Recorded,
): Promise<void> {
  await door.record(db, {
    change,
    protocol: 'ra',
    profileId: profile.id,
    id,
    details: { kind: 'end entity', ...details },
  })
}
