import { z } from 'zod'
import type { AuditFilter, AuditRow } from '../../src/core/auditList.ts'
import { Failure } from '../../src/core/failure.ts'
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

async function eventsOf(call: Call<never, z.output<typeof query>>, wanted: number): Promise<z.output<typeof entry>[]> {
  const { door, query } = call
  const ids = new Map((await door.admin.users()).map(({ id, name }) => [name, id]))
  const filter = filterOf(query, ids)
  if (!filter) return []
  const found: z.output<typeof entry>[] = []
  for (let after: number | undefined; found.length < wanted; ) {
    const page = await door.list.audit({ ...filter, limit: 200, ...(after === undefined ? {} : { after }) })
    found.push(...page.rows.map((row) => entryOf(row, ids)).filter((one) => fits(one, query)))
    if (page.next === undefined) break
    after = page.next
  }
  return found.slice(0, wanted)
}

/** Undefined: nothing can be there. */
function filterOf(
  { action, user_id, since, until }: z.output<typeof query>,
  ids: ReadonlyMap<string, number>,
): AuditFilter | undefined {
  const actor = user_id === undefined ? undefined : [...ids].find(([, id]) => id === user_id)?.[0]
  if (user_id !== undefined && actor === undefined) return undefined
  const own = action !== undefined && Object.hasOwn(actions, action) ? actions[action as keyof typeof actions] : action
  return {
    ...(own === undefined ? {} : { action: own }),
    ...(actor === undefined ? {} : { actor }),
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

function fits(one: z.output<typeof entry>, asked: z.output<typeof query>): boolean {
  const { action, resource_type: type, resource_id: id } = asked
  return (
    (action === undefined || one.action === action || actions[action as keyof typeof actions] === undefined) &&
    (type === undefined || one.resource_type === type) &&
    (id === undefined || one.resource_id === id)
  )
}

function entryOf(row: AuditRow, ids: ReadonlyMap<string, number>): z.output<typeof entry> {
  const { actor, subject, details } = row
  const word = words.get(row.action) ?? row.action
  return {
    id: row.id,
    created_at: row.at.toISOString(),
    action: word === 'ca_delete' && details.enabled !== false ? row.action : word,
    user_id: ids.get(actor.name) ?? null,
    username: actor.name,
    organization_id: null,
    resource_type: row.action === 'organization.created' ? 'organization' : (resources[subject.kind] ?? subject.kind),
    resource_id: row.action === 'server_key.exported' ? Number(details.certificate) : subject.id,
    detail: JSON.stringify(details),
  }
}
