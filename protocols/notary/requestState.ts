import type { Certificate } from '../../src/core/certificate.ts'
import type { Door } from '../../src/core/core.ts'
import { Failure } from '../../src/core/failure.ts'
import type { SignRequest } from '../../src/core/request/request.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import type { Call } from './operation.ts'
import { ownOrganization } from './profileChoice.ts'
import { findRow, originOf, type RequestRow } from './requestRow.ts'
import { REQUESTOR } from './role.ts'

export type Status = 'Outstanding' | 'Active' | 'Rejected' | 'Revoked'

/** How the reason begins for which an order is withdrawn that is made anew at once: should the server stop in between, somebody signs it again. */
export const ANEW = 'ordered anew over Notary: '

/** A certificate request with what became of it. */
export interface Current {
  row: RequestRow
  /** Of its present round. */
  request: SignRequest
  /** Signed here, or signed elsewhere and uploaded. */
  certificate?: Certificate
  status: Status
}

/** Undefined where the order is not there for whoever opened the door. */
export async function currentOf(door: Door, row: RequestRow): Promise<Current | undefined> {
  const request = await door.findSignRequest(originOf(row))
  if (!request) return undefined
  const uploaded = row.uploaded === null ? undefined : await door.findCertificate({ id: row.uploaded })
  if (uploaded) return { row, request, certificate: uploaded, status: statusOfCertificate(uploaded) }
  const certificate = request.status === 'signed' ? await door.findCertificate({ id: request.id }) : undefined
  return { row, request, status: statusOf(request, certificate), ...(certificate ? { certificate } : {}) }
}

function statusOf({ status, reason }: SignRequest, certificate: Certificate | undefined): Status {
  switch (status) {
    case 'draft':
    case 'requested':
    case 'signing':
    case 'failed':
      return 'Outstanding'
    case 'signed':
      return statusOfCertificate(certificate)
    case 'canceled':
      return reason?.startsWith(ANEW) ? 'Outstanding' : 'Rejected'
    case 'denied':
    case 'expired':
      return 'Rejected'
  }
}

function statusOfCertificate(certificate: Certificate | undefined): Status {
  return certificate?.status === 'revoked' ? 'Revoked' : 'Active'
}

/** The one that a call names, of the caller's organization. Throws Failure('notFound'); 'forbidden' for a requestor who did not make it. */
export async function named(call: Call): Promise<Current> {
  const { host, door, caller, id } = call
  const organizationId = await ownOrganization(call)
  const row = organizationId === undefined ? undefined : await findRow(host.db, organizationId, id)
  const current = row && (await currentOf(door, row))
  if (!current) throw new Failure('notFound', `there is no certificate request ${id}`)
  if (caller.role === REQUESTOR && !isOwn(call, current))
    throw new Failure('forbidden', 'Access denied: a requestor sees what he has asked for himself')
  return current
}

export function isOwn({ caller }: Pick<Call, 'caller'>, { request }: Pick<Current, 'request'>): boolean {
  return request.requester.people.includes(caller.user.id)
}

/** Of an authority that is none of ours: nothing here revokes it, and it goes when it is deleted. */
export function isForeign({ profileId }: Pick<Certificate, 'profileId'>): boolean {
  return profileId === undefined
}

/** As the contract shows it. */
export async function viewOf(door: Door, { row, request, certificate, status }: Current) {
  return {
    id: row.number ?? request.id,
    csr: row.csr,
    certificate_chain: certificate ? (row.chain ?? (await chainOf(door, certificate))) : '',
    status,
    email: request.requester.name,
    ...(request.reason === undefined || status !== 'Rejected' ? {} : { reason: request.reason }),
  }
}

async function chainOf(door: Door, certificate: Certificate): Promise<string> {
  const chain = [certificate.der, ...(await door.chain(certificate))]
  return chain.map((der) => pemEncode('CERTIFICATE', der)).join('')
}
