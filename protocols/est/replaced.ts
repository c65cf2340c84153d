import { Failure } from '../../src/core/failure.ts'
import type { SignRequest } from '../../src/core/request/request.ts'
import { transaction } from '../../src/db/transaction.ts'
import type { Host } from '../../src/protocol.ts'
import type { Exchange } from './exchange.ts'

export const REVOKE_REPLACED = 'est.revokeReplaced'

/** Plans the end of the certificate that a signed request has replaced, whose successor is handed out now. Asked again, it is planned once. */
export async function scheduleRevocation(
  { host, options, now, door }: Exchange,
  { renews }: SignRequest,
): Promise<void> {
  const { revokeReplaced } = options.reenroll
  if (revokeReplaced === undefined || renews === undefined) return
  const replaced = await door.findCertificate({ id: renews })
  if (replaced?.status !== 'issued') return
  const runAt = new Date(now.getTime() + revokeReplaced)
  await transaction(host.db, (db) => host.enqueue(db, REVOKE_REPLACED, replaced.uuid, { runAt }))
}

/** The job: its holder has asked for it by renewing the certificate with its key. The rules for revocations decide. */
export async function revokeReplaced({ core }: Host, uuid: string): Promise<void> {
  const nobody = core.as({ kind: 'key-holder', ref: 'anonymous', name: 'anyone', people: [] })
  const certificate = await nobody.findCertificate({ uuid })
  if (!certificate || certificate.status === 'revoked') return
  const holder = core.as({
    kind: 'client-certificate',
    ref: certificate.fingerprint,
    name: `the holder of ${certificate.subject || 'a certificate'}, serial ${certificate.serial}`,
    people: [],
  })
  const draft = { protocol: 'est', certificate: certificate.id, reason: 'superseded', grounds: 'key' } as const
  try {
    await holder.revoke(draft)
  } catch (error) {
    if (!(error instanceof Failure && error.code === 'alreadyRevoked')) throw error
  }
}
