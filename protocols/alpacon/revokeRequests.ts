import { z } from 'zod'
import { reasonName } from '../../src/pki/reason.ts'
import { decide } from './decisions.ts'
import { Invalid } from './errors.ts'
import { isId, text } from './input.ts'
import { type Call, operation } from './operation.ts'
import { pageFields, pageOf, requireNumber, requirePage, slice } from './page.ts'
import { revokeStatus, statusesOf } from './requestStatus.ts'
import { revokeRequestRows, revokeRequestView } from './revokeRequestView.ts'
import { ifThere } from './signRequestView.ts'

const ALL = '/api/cert/revoke-requests/'
const ONE = `${ALL}{id}/`

const listQuery = z.object({ ...pageFields, status: text(50).default(''), certificate: text(100).default('') })
type ListCall = Call<z.output<typeof listQuery>>

export const revokeRequestOperations = [
  operation({
    method: 'GET',
    path: ALL,
    query: listQuery,
    run: (call) => (call.query.certificate === '' ? listAll(call) : listOf(call)),
  }),
  operation({
    method: 'POST',
    path: ALL,
    body: z.object({
      certificate: text(100),
      reason: z.int().min(0).max(10).default(0),
      requested_reason: text(1000).nullish(),
    }),
    status: 201,
    async run(call) {
      const { door, body } = call
      const reason = reasonName(body.reason)
      if (!reason || reason === 'removeFromCRL')
        throw new Invalid({ reason: [`"${body.reason}" is not a valid choice: 0 to 6, 9 or 10.`] })
      const certificate = await certificateOf(call, body.certificate)
      let made = false
      const request = await door.revoke(
        {
          protocol: 'alpacon',
          certificate: certificate.id,
          ...(reason === 'unspecified' ? {} : { reason }),
          grounds: 'user',
        },
        async () => {
          made = true
        },
      )
      const said = body.requested_reason?.trim() ?? ''
      if (made && said !== '') await door.approvals.comment('revoke', request.uuid, said)
      return { body: await revokeRequestView(call, request.uuid) }
    },
  }),
  operation({
    method: 'GET',
    path: ONE,
    run: async (call) => ({ body: await revokeRequestView(call, call.id) }),
  }),
  ...(['approve', 'deny'] as const).map((verdict) =>
    operation({
      method: 'POST',
      path: `${ONE}${verdict}/`,
      async run(call) {
        await decide(call, { kind: 'revoke', id: call.id, verdict })
        return { body: await revokeRequestView(call, call.id) }
      },
    }),
  ),
  operation({
    method: 'POST',
    path: `${ONE}retry/`,
    async run(call) {
      await call.door.approvals.retry('revoke', call.id)
      return { body: await revokeRequestView(call, call.id) }
    },
  }),
  operation({
    method: 'DELETE',
    path: ONE,
    status: 204,
    async run({ door, id }) {
      await door.approvals.cancel('revoke', id)
      return undefined
    },
  }),
]

async function listAll(call: ListCall) {
  const { door, query } = call
  const status = statusesOf('revoke', query.status)
  requireNumber(query)
  const { rows, total } = await door.list.searchRequests({
    kind: 'revoke',
    ...(status ? { where: [{ field: 'status', condition: 'equals', value: status }] } : {}),
    page: query.page,
    size: query.page_size,
  })
  requirePage(query, total)
  const ids = rows.map(({ uuid }) => uuid)
  return { body: pageOf(query, total, await revokeRequestRows(call, ids)) }
}

/** Those of one certificate, which its history names. */
async function listOf(call: ListCall) {
  const { door, query } = call
  statusesOf('revoke', query.status)
  const { uuid } = await certificateOf(call, query.certificate)
  const events = await door.list.history(uuid)
  const about = events.filter(({ subject }) => subject === 'revoke_request').map(({ subjectId }) => subjectId)
  const newest = [...new Set(about)].sort((one, other) => other - one)
  const all = (await revokeRequestRows(call, newest)).filter(
    ({ status }) => query.status === '' || status === revokeStatus(query.status),
  )
  requirePage(query, all.length)
  return { body: pageOf(query, all.length, slice(query, all)) }
}

/** Throws Invalid alike for one that is not there and one that is not the caller's to see. */
async function certificateOf({ door }: Pick<Call, 'door'>, given: string) {
  const found = isId(given) ? await ifThere(door.list.record(given.toLowerCase())) : undefined
  if (!found?.certificate) throw new Invalid({ certificate: ['There is no such certificate.'] })
  return found.certificate
}
