import type { Kysely, Selectable } from 'kysely'
import type { Database } from '../../db/open.ts'
import { statement } from '../../db/statement.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { type AuditEvent, auditHead, sealAudit } from '../audit/seal.ts'
import type { Installation } from '../installation.ts'
import type { CoreTables } from '../tables.ts'
import { uuidv7 } from '../uuid.ts'
import { type Content, readContents, type Told } from './webhookContent.ts'
import { toldActions, type WebhookEventType, webhookEventOf } from './webhookEvent.ts'

/** For how long a delivery is tried. */
export const WEBHOOK_PATIENCE = 3 * 86_400_000
const BATCH = 200

type Endpoint = Selectable<CoreTables['webhooks']>

/**
 * Makes deliveries of what has happened since. The audit trail is the outbox: its rows are written in the transactions of the changes, and the seal gives
 * them an order in which none appears late. So a change costs nothing more for being told of. Answers how many deliveries were made; several nodes may call it at once.
 */
export async function fillOutboxes(it: Installation): Promise<number> {
  let made = 0
  for (;;) {
    const { rows: endpoints } = await listening(it.db)
    const from = Math.min(...endpoints.map(({ position }) => position))
    if (endpoints.length === 0) return made
    const events = await sealedAfter(it.db, from)
    if (events.length === 0) return made
    made += await handOut(it, endpoints, events)
  }
}

const listening = statement((tables: Kysely<CoreTables>) =>
  tables.selectFrom('webhooks').selectAll().where('enabled', '=', 1).where('url', 'is not', null),
)

type Sealed = AuditEvent & { position: number }

/** Whatever they tell: so that the place in the chain goes on. */
function sealedAfter(db: Database, position: number): Promise<Sealed[]> {
  return withTables<CoreTables>(db)
    .selectFrom('audit_seals')
    .innerJoin('audit_events', 'audit_events.id', 'audit_seals.event_id')
    .selectAll('audit_events')
    .select('audit_seals.position')
    .where('audit_seals.position', '>', position)
    .orderBy('audit_seals.position')
    .limit(BATCH)
    .execute()
}

/** Where the chain ends, once all that has happened by now is sealed: what was before is not told to somebody new. Outside a transaction. */
export async function presentPosition({ db, auditSecret }: Installation): Promise<number> {
  while ((await sealAudit(db, auditSecret)) > 0);
  return (await auditHead(db, auditSecret)).position
}

async function handOut(it: Installation, endpoints: Endpoint[], events: Sealed[]): Promise<number> {
  const upTo = events.at(-1)?.position ?? 0
  const behind = endpoints.filter(({ position }) => position < upTo)
  const wanted = new Set(behind.flatMap((endpoint) => wantsOf(endpoint).map((type) => keyOf(endpoint, type))))
  const told = events.filter(({ action }) => toldActions.includes(action)).flatMap((event) => tell(event, wanted))
  const contents = await readContents(it.db, told)
  const organizations = await organizationsOf(it.db, behind)
  let made = 0
  await transaction(it.db, async (db) => {
    made = 0
    for (const endpoint of behind) {
      const deliveries = told.flatMap((one) => {
        const content = contents.get(one.event.id)
        if (!content || !isFor(endpoint, one, content)) return []
        return [deliveryOf(it.clock(), endpoint, { ...one, content, organization: organizations.get(endpoint.id) })]
      })
      made += await advance(db, endpoint, { upTo, deliveries, at: it.clock() })
    }
  })
  return made
}

const wantsOf = ({ events }: Endpoint): WebhookEventType[] => JSON.parse(events)
const keyOf = ({ organization_id }: Pick<Endpoint, 'organization_id'>, type: string) => `${organization_id} ${type}`

/** Only what somebody wants to hear is looked at further. */
function tell(event: Sealed, wanted: Set<string>): (Told & { event: Sealed })[] {
  const { organization_id } = event
  if (organization_id === null) return []
  const details = JSON.parse(event.details) as Record<string, unknown>
  const tells = webhookEventOf(event, details)
  return tells && wanted.has(keyOf({ organization_id }, tells.type)) ? [{ event, details, tells }] : []
}

async function organizationsOf(db: Database, endpoints: Endpoint[]): Promise<Map<number, string>> {
  if (endpoints.length === 0) return new Map()
  const ids = endpoints.map(({ organization_id }) => organization_id)
  const rows = await withTables<CoreTables>(db)
    .selectFrom('organizations')
    .select(['id', 'name'])
    .where('id', 'in', ids)
    .execute()
  const names = new Map(rows.map(({ id, name }) => [id, name]))
  return new Map(endpoints.map(({ id, organization_id }) => [id, names.get(organization_id) ?? '']))
}

function isFor(
  endpoint: Endpoint,
  { event, tells }: Told & { event: Sealed },
  { profileId }: Pick<Content, 'profileId'>,
): boolean {
  if (event.position <= endpoint.position || event.organization_id !== endpoint.organization_id) return false
  if (!wantsOf(endpoint).includes(tells.type)) return false
  return endpoint.profiles === null || (JSON.parse(endpoint.profiles) as number[]).includes(profileId)
}

interface Telling extends Told {
  event: Sealed
  content: Content
  organization: string | undefined
}

function deliveryOf(at: Date, { with_csr }: Endpoint, { event, tells, content, organization }: Telling) {
  const csr = with_csr === 1 && tells.type === 'requested' ? content.csr?.toString('base64') : undefined
  const data = { ...content.data, ...(csr === undefined ? {} : { csr }) }
  return newDelivery(at, { type: tells.type, position: event.position, happened: event.at, organization, data })
}

interface Message {
  type: string
  position: number | null
  /** Epoch milliseconds. */
  happened: number
  organization: string | undefined
  data: Record<string, unknown>
}

/** A row of webhook_deliveries but for whose it is; its body is the same at each attempt. */
export function newDelivery(at: Date, { type, position, happened, organization, data }: Message) {
  const uuid = uuidv7(at)
  const body = { id: uuid, type, at: new Date(happened).toISOString(), organization: organization ?? '', data }
  return {
    uuid,
    position,
    type,
    body: JSON.stringify({ version: 1, ...body }),
    status: 'pending',
    attempts: 0,
    last_error: null,
    created_at: at.getTime(),
    give_up_at: at.getTime() + WEBHOOK_PATIENCE,
    tried_at: null,
    not_before: null,
  }
}

interface Advance {
  upTo: number
  deliveries: ReturnType<typeof newDelivery>[]
  at: Date
}

/** On to a place in the chain, with the deliveries on the way there. Of two nodes the second one finds that it is done. */
async function advance(db: Database, { id, position }: Endpoint, { upTo, deliveries, at }: Advance): Promise<number> {
  const tables = withTables<CoreTables>(db)
  const now = at.getTime()
  const moved = await tables
    .updateTable('webhooks')
    .set((eb) => ({
      position: upTo,
      // One that does not answer goes on waiting before its next attempt; what was set aside holds nothing up.
      ...(deliveries.length === 0
        ? {}
        : {
            next_at: eb
              .case()
              .when(eb.or([eb('next_at', 'is', null), eb.and([eb('failures', '=', 0), eb('next_at', '>', now)])]))
              .then(now)
              .else(eb.ref('next_at'))
              .end(),
          }),
    }))
    .where('id', '=', id)
    .where('position', '=', position)
    .where('enabled', '=', 1)
    .returning('id')
    .executeTakeFirst()
  if (!moved || deliveries.length === 0) return 0
  await tables
    .insertInto('webhook_deliveries')
    .values(deliveries.map((delivery) => ({ ...delivery, webhook_id: id })))
    .execute()
  return deliveries.length
}
