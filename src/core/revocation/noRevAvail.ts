import { transaction } from '../../db/transaction.ts'
import { readCertificate } from '../../pki/certificateReader.ts'
import { hasNoRevAvail } from '../../pki/extensions.ts'
import type { Verdict } from '../approval/approval.ts'
import { raiseAlert } from '../audit/alert.ts'
import { audit } from '../audit/audit.ts'
import type { Certificate } from '../certificate.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { RevokeDraft } from '../request/request.ts'
import type { Requester } from '../requester.ts'
import { blockCompromisedKey } from './withdraw.ts'

interface Asked {
  draft: RevokeDraft
  requester: Requester
  certificate: Certificate
  verdict: Verdict
  now: Date
}

/**
 * A certificate with noRevAvail is revoked nowhere: no CRL may list it (RFC 9608 section 2), and nobody looks. What asks for
 * it is refused with the day on which it ends: throws Failure('unsupported'). A compromised key is blocked all the
 * same, where the rules would have let the revocation pass without people; it is certified no more.
 */
export async function refuseUnpublished(it: Installation, asked: Asked): Promise<void> {
  const { certificate, draft, verdict } = asked
  if (!hasNoRevAvail(readCertificate(certificate.der).extensions)) return
  const compromised = draft.reason === 'keyCompromise'
  const blocked = compromised && draft.grounds !== 'names' && verdict.outcome.kind === 'auto'
  if (blocked) await block(it, asked)
  const end = `nothing is published about the revocation of this certificate (noRevAvail); it ends on ${certificate.notAfter.toISOString()}`
  const key = blocked
    ? 'its key is blocked: nothing is issued for it any more'
    : compromised
      ? 'tell an administrator, who can block its key'
      : 'if others know its key, ask with the reason keyCompromise, and no other is issued for it'
  throw new Failure('unsupported', `${end}. Stop using it before that where you must; ${key}`)
}

async function block(it: Installation, { certificate, requester, draft, now }: Asked): Promise<void> {
  const { id, organizationId, serial, spkiHash, notAfter } = certificate
  const subject = { kind: 'certificate', id } as const
  await transaction(it.db, async (db) => {
    await blockCompromisedKey(db, spkiHash, now)
    await audit(db, requester, now, {
      action: 'certificate.key_blocked',
      organizationId,
      subject,
      details: { serial, reason: 'keyCompromise', grounds: draft.grounds },
    })
    const detail = `the key of the certificate ${serial} is known to others, and relying parties cannot learn of it: it ends on ${notAfter.toISOString()}`
    await raiseAlert(db, now, { kind: 'key_compromised', organizationId, subject, detail })
  })
}
