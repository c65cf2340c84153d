import { type Kysely, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { statement } from '../../db/statement.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { Installation } from '../installation.ts'
import type { CoreTables } from '../tables.ts'
import { type Endpoint, LEASE, type PostWebhook, serveEndpoint } from './webhookDelivery.ts'

/** So many endpoints of all are served at a time: one that hangs holds its place for ten seconds. */
const PLACES = 64
/** Of one organization: what hangs there is no trouble for the others. */
const OF_ORGANIZATION = 8
/** Of those whose last attempt failed. */
const OF_TROUBLED = 16
/** For how long one courier goes on with one endpoint. */
const SPELL = 5_000

/** Delivers to endpoints: to each in order and by one courier at a time, among all of all nodes, to many at once. */
export interface WebhookCouriers {
  /** Begins what is due, as far as there are places, and waits for none of it. Answers to how many endpoints it sends one. */
  begin(): Promise<number>
  /** Resolves, when all that was begun has ended, with the number of attempts since it was last asked. */
  settled(): Promise<number>
}

interface UnderWay {
  endpoint: Endpoint
  done: Promise<void>
}

export function createWebhookCouriers(it: Installation, post: PostWebhook): WebhookCouriers {
  const underWay = new Set<UnderWay>()
  let attempts = 0
  let sent = 0

  const taken = (of: (endpoint: Endpoint) => boolean) => [...underWay].filter(({ endpoint }) => of(endpoint)).length

  function hasPlace({ organization_id: id, failures }: Pick<Endpoint, 'organization_id' | 'failures'>): boolean {
    if (underWay.size >= PLACES || taken((one) => one.organization_id === id) >= OF_ORGANIZATION) return false
    return failures === 0 || taken((one) => one.failures > 0) < OF_TROUBLED
  }

  function send(endpoint: Endpoint, courier: string): void {
    const until = it.clock().getTime() + SPELL
    const one: UnderWay = {
      endpoint,
      done: serveEndpoint({ it, post, courier }, endpoint, until)
        .then((made) => {
          attempts += made
        })
        .catch((error: unknown) =>
          it.log.error(
            { err: error, webhook: endpoint.uuid },
            'what became of a delivery is not noted: it is sent again',
          ),
        )
        .finally(() => underWay.delete(one)),
    }
    underWay.add(one)
  }

  return {
    async begin() {
      const now = it.clock().getTime()
      const organizations = new Set([...underWay].map(({ endpoint }) => endpoint.organization_id))
      const full = [...organizations].filter((organization_id) => !hasPlace({ organization_id, failures: 0 }))
      let begun = 0
      for (const due of await dueEndpoints(it.db, {
        now,
        full,
        troubled: taken((one) => one.failures > 0) < OF_TROUBLED,
      })) {
        if (!hasPlace(due)) continue
        sent += 1
        const courier = `${it.node} ${sent}`
        const endpoint = await claim(it.db, due.id, { courier, now })
        if (!endpoint) continue
        send(endpoint, courier)
        begun += 1
      }
      return begun
    },
    async settled() {
      while (underWay.size > 0) await Promise.all([...underWay].map(({ done }) => done))
      const made = attempts
      attempts = 0
      return made
    },
  }
}

/** Delivers as long as something is due, and waits for it. Answers how many attempts it made. */
export async function deliverDue(it: Installation, post: PostWebhook): Promise<number> {
  const couriers = createWebhookCouriers(it, post)
  let attempts = 0
  while ((await couriers.begin()) > 0) attempts += await couriers.settled()
  return attempts
}

interface Wanted {
  now: number
  /** Ids of organizations that have no place left. */
  full: number[]
  /** Whether those are taken whose last attempt failed. */
  troubled: boolean
}

/** Those that wait longest, first. */
async function dueEndpoints(db: Database, { now, full, troubled }: Wanted) {
  if (full.length === 0 && troubled) return (await dueOfAll(db, now)).rows
  let due = endpointsDue(withTables<CoreTables>(db), now)
  if (full.length > 0) due = due.where('organization_id', 'not in', full)
  if (!troubled) due = due.where('failures', '=', 0)
  return due.execute()
}

function endpointsDue(tables: Kysely<CoreTables>, now: number) {
  return tables
    .selectFrom('webhooks')
    .select(['id', 'organization_id', 'failures'])
    .where(unleased(now))
    .where('enabled', '=', 1)
    .where('next_at', '<=', now)
    .orderBy('next_at')
    .limit(sql.lit(PLACES))
}

const dueOfAll = statement(endpointsDue)

/** For this courier alone. */
function claim(db: Database, id: number, { courier, now }: { courier: string; now: number }) {
  return transaction(db, (db) =>
    withTables<CoreTables>(db)
      .updateTable('webhooks')
      .set({ lease_owner: courier, lease_until: now + LEASE })
      .where(unleased(now))
      .where('id', '=', id)
      .where('enabled', '=', 1)
      .where('next_at', '<=', now)
      .returningAll()
      .executeTakeFirst(),
  )
}

const unleased = (now: number) => sql<boolean>`(lease_until is null or lease_until <= ${now})`
