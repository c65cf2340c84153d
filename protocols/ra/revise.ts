import { z } from 'zod'
import { parseNameText } from '../../src/pki/nameText.ts'
import { moment, when } from './fields.ts'
import { operation } from './operation.ts'
import { defined } from './requests.ts'
import { parseSubjectAltName } from './subjectAltName.ts'
import { text } from './text.ts'

const TAG = 'Requests and decisions'
const ONE = '/v1/countersign/signRequests/{uuid}'

const event = z.object({
  id: z.int(),
  at: when,
  subject: z.enum(['sign_request', 'certificate', 'revoke_request']),
  subjectId: z.int(),
  action: z.string(),
  status: z.string().nullable(),
  actor: z.object({ kind: z.string(), name: z.string() }),
  details: z.record(z.string(), z.unknown()),
})

/** An order that waits is edited, and what became of one is told. */
export const reviseOperations = [
  operation({
    method: 'patch',
    path: ONE,
    tag: TAG,
    summary:
      'Edits an order that is parked or waits: a new revision, for which the rules decide anew and earlier votes are void. Null: as if it had not been asked.',
    body: z.strictObject({
      /** Of the detail that was looked at: another one by now is a conflict. */
      revision: z.int().min(1),
      /** DNS:a.test,IP:192.0.2.1 */
      names: text(10_000).min(1).optional(),
      /** RFC 4514 text. */
      subject: text(1000).min(1).nullable().optional(),
      notBefore: moment.nullable().optional(),
      notAfter: moment.nullable().optional(),
      variant: text(100).min(1).nullable().optional(),
    }),
    answer: z.object({ uuid: z.string(), status: z.string(), revision: z.int() }),
    async run({ door, params, body }) {
      const { names, subject, ...rest } = body
      const { request } = await door.revise(params.uuid, {
        ...defined(rest),
        ...(names === undefined ? {} : { identifiers: parseSubjectAltName(names) }),
        ...(subject === undefined ? {} : { subject: subject === null ? null : parseNameText(subject) }),
      })
      const { uuid, status, revision } = request
      return { body: { uuid, status, revision } }
    },
  }),
  operation({
    method: 'get',
    path: `${ONE}/history`,
    tag: TAG,
    summary: 'What the audit trail tells of an order, of its certificate and of revocations of that, oldest first.',
    answer: z.object({ events: z.array(event) }),
    run: async ({ door, params }) => ({ body: { events: await door.list.history(params.uuid) } }),
  }),
]
