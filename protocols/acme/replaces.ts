import type { Certificate } from '../../src/core/certificate.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import { withTables } from '../../src/db/tables.ts'
import { ownerKey } from './accountRecord.ts'
import { readCertId } from './certId.ts'
import { AcmeError } from './errors.ts'
import type { OrderName } from './identifiers.ts'
import { currentState } from './order.ts'
import { findOrder, type Order } from './orderRecord.ts'
import type { AccountRequest } from './signed.ts'
import type { AcmeTables } from './tables.ts'

/** The certificate that an order replaces. */
export interface Replaced {
  /** As the client wrote it: every answer shows it so (RFC 9773 section 5). */
  text: string
  certificate: Certificate
  /** How many orders wanted to replace it before; of two at the same time one has it. */
  turn: number
}

/** What the core is told of an order that may be a renewal. */
export type Renewal = { action: 'issue' } | { action: 'renew'; renews: number }

/** RFC 9773 section 5. Throws AcmeError: malformed, unauthorized, alreadyReplaced. */
export async function readReplaced(
  request: AccountRequest,
  text: string,
  { profile, names }: { profile: RaProfile; names: readonly OrderName[] },
): Promise<Replaced> {
  const certificate = await request.door.findByCertId(readCertId(text))
  if (certificate?.profileId !== profile.id)
    throw new AcmeError('malformed', 'replaces: no such certificate was issued here; order without it')
  if (certificate.requesterKey !== ownerKey(request.account))
    throw new AcmeError('unauthorized', 'replaces: another account ordered this certificate; order without it')
  if (!names.some(({ identifier }) => isIn(certificate, identifier)))
    throw new AcmeError('malformed', 'replaces: the certificate has none of the names of this order')
  return { text, certificate, turn: await nextTurn(request, certificate) }
}

function isIn({ identifiers }: Certificate, { type, value }: OrderName['identifier']): boolean {
  return identifiers.some((name) => name.type === type && name.value === value)
}

/** Only the last order that replaces a certificate can stand: it was taken when those before had become invalid, which is final. */
async function nextTurn(request: AccountRequest, { id }: Certificate): Promise<number> {
  const { db } = request.server.host
  const last = await withTables<AcmeTables>(db)
    .selectFrom('acme_orders')
    .select(['uuid', 'replaces_turn', 'account_id'])
    .where('replaces_id', '=', id)
    .orderBy('replaces_turn', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (!last) return 0
  const order = await findOrder(db, last.account_id, last.uuid)
  if (order && (await currentState(request, order)).status !== 'invalid') throw alreadyReplaced()
  return (last.replaces_turn ?? 0) + 1
}

/** 409, after which clients order without it. */
export function alreadyReplaced(): AcmeError {
  return new AcmeError('alreadyReplaced', 'replaces: another order replaces this certificate; order without it')
}

/**
 * What has come from the same account, for a certificate that still stands, is a renewal and passes the rules for renewals. After the
 * certificate was revoked or has ended, whoever held it has nothing left to renew.
 */
export function renewalOf(certificate: Certificate | undefined, now: Date): Renewal {
  if (certificate?.status !== 'issued' || certificate.notAfter <= now) return { action: 'issue' }
  return { action: 'renew', renews: certificate.id }
}

/** As renewalOf, when an order is finalized. */
export async function renewalAtFinalize({ door, now }: AccountRequest, { replacesId }: Order): Promise<Renewal> {
  return renewalOf(replacesId === undefined ? undefined : await door.findCertificate({ id: replacesId }), now)
}
