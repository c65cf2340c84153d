import { Failure } from '../../src/core/failure.ts'
import { fields, idText, line, pemText } from './input.ts'
import { operation } from './operation.ts'
import { order, orderAgain } from './ordering.ts'
import { ownOrganization, profileOf, requireManage } from './profileChoice.ts'
import { deleteRow, listRows, numberRow } from './requestRow.ts'
import { type Current, currentOf, isForeign, isOwn, named, viewOf } from './requestState.ts'
import { REQUESTOR } from './role.ts'
import { reject, signWith } from './signing.ts'
import { forgetUploaded, takeChain } from './uploading.ts'

const ALL = '/api/v1/certificate_requests'
const ONE = `${ALL}/:id`
/** The contract knows no pages. */
const MOST_LISTED = 1000

export const requestOperations = [
  operation({
    method: 'get',
    path: ALL,
    roles: [0, 1, 2, 3],
    async run(call) {
      const { host, door, caller } = call
      const organizationId = await ownOrganization(call)
      const asker = caller.role === REQUESTOR ? caller.user.id : undefined
      const rows = organizationId === undefined ? [] : await listRows(host.db, MOST_LISTED, { organizationId, asker })
      const views = []
      for (const row of rows) {
        const current = await currentOf(door, row)
        if (!current || (caller.role === REQUESTOR && !isOwn(call, current))) continue
        // Its first order was stored, and the server stopped before its number was.
        if (row.number === null && row.round === 0) await numberRow(host.db, row.ref, current.request.id)
        views.unshift(await viewOf(door, current))
      }
      return { data: views }
    },
  }),
  operation({
    method: 'post',
    path: ALL,
    roles: [0, 1, 2],
    body: fields({ csr: pemText('csr') }),
    status: 201,
    run: async (call) => ({ id: await order(call) }),
  }),
  operation({
    method: 'get',
    path: ONE,
    roles: [0, 1, 2, 3],
    run: async (call) => ({ data: await viewOf(call.door, await named(call)) }),
  }),
  operation({
    method: 'delete',
    path: ONE,
    roles: [0, 1],
    status: 202,
    async run(call) {
      const current = await named(call)
      const { row, request } = current
      // As for withdrawing what still waits.
      if (!isOwn(call, current) || call.caller.requester.scope) await requireManage(call, request.profileId)
      if (request.status === 'requested' || request.status === 'signing')
        await call.door.approvals.cancel('sign', request.id, 'deleted over Notary')
      await call.door.approvals.comment('sign', request.id, 'deleted over Notary').catch(unlessFull)
      await deleteRow(call.host.db, row)
      return {}
    },
  }),
  operation({
    method: 'post',
    path: `${ONE}/certificate`,
    roles: [0, 1],
    body: fields({ certificate: pemText('certificate') }),
    status: 201,
    conflict: 400,
    async run(call) {
      await takeChain(call, await named(call), call.body.certificate)
      return { id: call.id }
    },
  }),
  operation({
    method: 'delete',
    path: `${ONE}/certificate`,
    roles: [0, 1],
    async run(call) {
      const current = await named(call)
      if (!current.certificate) throw new Failure('malformed', 'Bad Request: it has no certificate')
      const profile = await profileOf(call, current.request.profileId)
      await orderAgain(call, current, profile, 'its certificate was deleted over Notary')
      await forgetUploaded(call.door, current.certificate.id)
      return {}
    },
  }),
  operation({
    method: 'post',
    path: `${ONE}/reject`,
    roles: [0, 1],
    status: 202,
    async run(call) {
      await reject(call, await named(call))
      return {}
    },
  }),
  operation({
    method: 'post',
    path: `${ONE}/sign`,
    roles: [0, 1],
    body: fields({
      certificate_authority_id: idText('certificate_authority_id').optional(),
      signing_method: line('signing_method').optional(),
    }),
    status: 202,
    async run(call) {
      const { certificate_authority_id: authority, signing_method: how = 'ca' } = call.body
      const current = await named(call)
      if (how === 'acme') throw new Failure('unavailable', 'ACME is not configured')
      if (how !== 'ca') throw new Failure('malformed', 'invalid request: signing_method is "ca" or "acme"')
      if (authority === undefined)
        throw new Failure('malformed', 'invalid request: certificate_authority_id is required')
      return { note: await signWith(call, current, authority) }
    },
  }),
  operation({
    method: 'post',
    path: `${ONE}/certificate/revoke`,
    roles: [0, 1],
    status: 202,
    async run(call) {
      const certificate = requireOurs(await named(call))
      const { status, reason } = await call.door.revoke({
        protocol: 'notary',
        certificate: certificate.id,
        grounds: 'user',
      })
      if (status === 'denied') throw new Failure('forbidden', reason ?? 'the revocation was denied')
      return { note: status === 'revoked' ? 'success' : 'success: it is asked for, and waits; until then it is Active' }
    },
  }),
]

/** So many comments that no more are kept: the trail tells who withdrew it. */
function unlessFull(error: unknown): void {
  if (!(error instanceof Failure) || error.code !== 'conflict') throw error
}

function requireOurs({ certificate }: Current) {
  if (!certificate) throw new Failure('unsupported', 'it has no certificate, so there is nothing to revoke')
  if (isForeign(certificate))
    throw new Failure(
      'unsupported',
      'this certificate was not signed by a certificate authority of Notary: revoke it there',
    )
  return certificate
}
