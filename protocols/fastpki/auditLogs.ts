import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import type { AuditFilter, AuditRow } from '../../src/core/listing/auditList.ts'
import { id, integer, text, when } from './fields.ts'
import { type Call, operation } from './operation.ts'

/** The contract's words for what the trail calls otherwise; all else has the trail's own. */
const actions = {
  ca_create: 'authority.created',
  ca_delete: 'authority.changed',
  cert_create: 'sign_request.signed',
  cert_revoke: 'certificate.revoked',
  cert_export_private_key: 'server_key.exported',
  login_success: 'session.opened',
  user_create: 'user.created',
  user_update: 'user.changed',
  org_create: 'organization.created',
} as const
const words = new Map<string, string>(Object.entries(actions).map(([word, action]) => [action, word]))

/** What an event is about, in the contract's words. */
const resources: Record<string, string> = {
  authority: 'ca',
  sign_request: 'certificate',
  certificate: 'certificate',
  server_key: 'certificate',
}

const since = z.iso.datetime({ offset: true, local: true })

const entry = z.object({
  id: z.int(),
  created_at: when,
  action: z.string(),
  user_id: z.int().nullable(),
  username: z.string(),
  organization_id: z.int().nullable(),
  resource_type: z.string(),
  resource_id: z.int().nullable(),
  detail: z.string(),
})

const query = z.object({
  action: text(100).optional(),
  user_id: id.optional(),
  resource_type: z.enum(['ca', 'certificate', 'user', 'organization']).optional(),
  resource_id: id.optional(),
  since: since.optional(),
  until: since.optional(),
  skip: integer(0, 10_000).default(0),
  limit: integer(0, 1000).default(100),
})

export const auditOperations = [
  operation({
    method: 'get',
    path: '/audit-logs/',
    tag: 'audit',
    summary: 'The audit trail, the newest first: of the organization for its administrator, all for a superuser.',
    query,
    answer: z.array(entry),
    async run(call) {
      const { skip, limit } = call.query
      return { body: (await eventsOf(call, skip + limit)).slice(skip) }
    },
  }),
]

type Asked = z.output<typeof query>
type Entry = z.output<typeof entry>

/** Pages of the trail that one call looks through: 20 000 events at least. */
const PAGES = 100

async function eventsOf(call: Call<never, Asked>, wanted: number): Promise<Entry[]> {
  const { door, query } = call
  const ids = new Map((await door.admin.users()).map(({ id, name }) => [name, id]))
  const filter = filterOf(query)
  const found: Entry[] = []
  let after: number | undefined
  for (let pages = 0; found.length < wanted && pages < PAGES; pages++) {
    const page = await door.list.audit({ ...filter, limit: 200, ...(after === undefined ? {} : { after }) })
    const entries = await withOrderers(
      call,
      page.rows.map((row) => entryOf(row, ids)),
    )
    found.push(...entries.filter((one) => fits(one, query)))
    if (page.next === undefined) break
    after = page.next
  }
  return found.slice(0, wanted)
}

/** A certificate is made by the server: the contract means who ordered it. */
async function withOrderers({ door }: Pick<Call, 'door'>, entries: Entry[]): Promise<Entry[]> {
  const made = entries.flatMap(({ action, resource_id: id }) => (action === 'cert_create' && id !== null ? [id] : []))
  const lines = await door.inventory.lines(made)
  const orderers = new Map(lines.map(({ record }) => [record.request.id, record.request.requester]))
  return entries.map((one) => {
    const orderer = one.action === 'cert_create' ? orderers.get(one.resource_id ?? 0) : undefined
    return orderer ? { ...one, username: orderer.name, user_id: orderer.people[0] ?? null } : one
  })
}

function filterOf({ action, since, until }: Asked): AuditFilter {
  const own = action !== undefined && Object.hasOwn(actions, action) ? actions[action as keyof typeof actions] : action
  return {
    ...(own === undefined ? {} : { action: own }),
    ...(since === undefined ? {} : { since: momentOf(since) }),
    ...(until === undefined ? {} : { until: momentOf(until) }),
  }
}

/** Without an offset it is UTC. */
function momentOf(given: string): Date {
  const at = new Date(/(Z|[+-]\d\d:?\d\d)$/.test(given) ? given : `${given}Z`)
  if (Number.isNaN(at.getTime())) throw new Failure('malformed', 'since and until are times of RFC 3339')
  return at
}

function fits(one: Entry, asked: Asked): boolean {
  const { action, user_id: user, resource_type: type, resource_id: id } = asked
  return (
    (action === undefined || one.action === action || actions[action as keyof typeof actions] === undefined) &&
    (user === undefined || one.user_id === user) &&
    (type === undefined || one.resource_type === type) &&
    (id === undefined || one.resource_id === id)
  )
}

function entryOf(row: AuditRow, ids: ReadonlyMap<string, number>): Entry {
  const { actor, subject, details } = row
  const word = words.get(row.action) ?? row.action
  return {
    id: row.id,
    created_at: row.at.toISOString(),
    action: word === 'ca_delete' && details.enabled !== false ? row.action : word,
    user_id: ids.get(actor.name) ?? null,
    username: actor.name,
    organization_id: row.organizationId,
    resource_type: row.action === 'organization.created' ? 'organization' : (resources[subject.kind] ?? subject.kind),
    resource_id: row.action === 'server_key.exported' ? Number(details.certificate) : subject.id,
    detail: JSON.stringify(details),
  }
}
