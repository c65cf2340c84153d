import { z } from 'zod'
import type { AuditSubject } from '../../src/core/audit/audit.ts'
import { Failure } from '../../src/core/failure.ts'
import { operation } from './operation.ts'
import { defined } from './requests.ts'
import { text } from './text.ts'

const when = z.iso.datetime()

const subjectKinds = [
  'sign_request',
  'revoke_request',
  'certificate',
  'authority',
  'profile',
  'user',
  'token',
  'key',
  'key_pair',
  'key_profile',
  'server_key',
  'credential',
  'challenge',
  'account',
  'group',
  'delegation',
  'standing_approval',
  'location',
  'discovery',
  'webhook',
  'attribute',
  'installation',
] as const satisfies readonly AuditSubject[]

const auditEvent = z.object({
  id: z.int(),
  at: when,
  action: z.string(),
  subject: z.object({ kind: z.string(), id: z.int().nullable() }),
  status: z.string().nullable(),
  actor: z.object({ kind: z.string(), ref: z.string(), name: z.string() }),
  source: z.string().nullable(),
  details: z.record(z.string(), z.unknown()),
})

const alert = z.object({ id: z.int(), kind: z.string(), subject: z.string(), detail: z.string(), createdAt: when })

/** What happened, and what somebody should look at. */
export const recordOperations = [
  operation({
    method: 'get',
    path: '/v1/countersign/audit',
    tag: 'Audit and alerts',
    summary:
      'Searches the audit trail, the newest first; hand `next` back as `after`. `action=vote.` means every action of that noun.',
    query: z.object({
      action: text(100).optional(),
      subjectKind: z.enum(subjectKinds).optional(),
      subjectId: z.coerce.number().int().min(0).optional(),
      actor: text(200).optional(),
      since: when.optional(),
      until: when.optional(),
      after: z.coerce.number().int().min(1).optional(),
      limit: z.coerce.number().int().min(1).max(200).optional(),
    }),
    answer: z.object({ events: z.array(auditEvent), next: z.int().optional() }),
    async run({ door, query }) {
      const { subjectKind, subjectId, since, until, ...rest } = query
      const { rows, next } = await door.list.audit({
        ...defined(rest),
        ...(subjectKind
          ? { subject: { kind: subjectKind, ...(subjectId === undefined ? {} : { id: subjectId }) } }
          : {}),
        ...(since ? { since: new Date(since) } : {}),
        ...(until ? { until: new Date(until) } : {}),
      })
      const events = rows.map(({ organizationId: _, ...row }) => ({ ...row, at: row.at.toISOString() }))
      return { body: { events, ...(next === undefined ? {} : { next }) } }
    },
  }),
  operation({
    method: 'get',
    path: '/v1/countersign/alerts',
    tag: 'Audit and alerts',
    summary: 'Open alerts, the newest first.',
    answer: z.object({ alerts: z.array(alert) }),
    async run({ door }) {
      const alerts = await door.admin.alerts()
      return { body: { alerts: alerts.map((one) => ({ ...one, createdAt: one.createdAt.toISOString() })) } }
    },
  }),
  operation({
    method: 'post',
    path: '/v1/countersign/alerts/{id}/close',
    tag: 'Audit and alerts',
    summary: 'Closes an alert that somebody has looked at.',
    status: 204,
    async run({ door, params }) {
      if (!/^[1-9][0-9]{0,14}$/.test(params.id)) throw new Failure('notFound', 'there is no such alert')
      await door.admin.closeAlert(Number(params.id))
      return undefined
    },
  }),
]
