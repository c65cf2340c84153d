import { readBareCertificate } from '../../src/pki/certificateIdentifier.ts'
import { certReqIdOf, readCertId, readCertProfile, readCertReqMessages } from '../../src/pki/cmpBody.ts'
import type { CmpMessage } from '../../src/pki/cmpMessage.ts'
import { attestCertReqMsg, type CertReqMsg, readCertReqMsg, verifyCertReqMsg } from '../../src/pki/crmf.ts'
import { type Csr, parseCsr } from '../../src/pki/csr.ts'
import { PkiError } from '../../src/pki/error.ts'
import { decodeName, sameName } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { CmpRefusal } from './errors.ts'
import type { Authenticated, Exchange } from './exchange.ts'
import { NO_ID, type OrderType } from './outcome.ts'
import type { Sender } from './sender.ts'

/** A request for a certificate, its proof of possession found good. */
export interface Requested {
  csr: Csr
  /** What it asks beside what a Csr holds. */
  crmf?: CertReqMsg
}

/** certReqId of a message that may be wrong in all else; what a refusal is about. */
export function askedId(type: OrderType, { content }: CmpMessage): bigint {
  if (type === 'p10cr') return NO_ID
  try {
    return certReqIdOf(readCertReqMessages(content)[0] ?? Buffer.alloc(0)) ?? 0n
  } catch (error) {
    if (error instanceof PkiError) return 0n
    throw error
  }
}

/** Reads the one request of a message. Throws CmpRefusal. */
export function readRequested(type: OrderType, { message, sender }: Authenticated): Requested {
  if (type === 'p10cr') return { csr: proved(() => parseCsr(message.content.der), 'badDataFormat') }
  const [first = Buffer.alloc(0), ...more] = readCertReqMessages(message.content)
  if (more.length > 0) throw new CmpRefusal('badRequest', 'one request in a message: begin a transaction for each')
  const crmf = proved(() => readCertReqMsg(first), 'badCertTemplate')
  return { crmf, csr: possessed(crmf, sender) }
}

/** RFC 9810 section 5.2.8: by a signature, or by the word of a registration authority. */
function possessed(crmf: CertReqMsg, sender: Sender): Csr {
  if (crmf.possession === 'signature') return proved(() => verifyCertReqMsg(crmf), 'badPOP')
  const byAuthority = sender.by === 'certificate' && sender.registrationAuthority
  if (crmf.possession === 'raVerified' && byAuthority) return attestCertReqMsg(crmf)
  throw new CmpRefusal(
    'badPOP',
    crmf.possession === 'raVerified'
      ? 'raVerified is for a registration authority to say, in a message that it signs'
      : 'possession of the key is proved by a signature here: POPOSigningKey',
  )
}

function proved<T>(read: () => T, malformed: 'badDataFormat' | 'badCertTemplate' | 'badPOP'): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    const failInfo = error.kind === 'badSignature' ? 'badPOP' : error.kind === 'unsupported' ? 'badAlg' : malformed
    throw new CmpRefusal(failInfo, error.message, { cause: error })
  }
}

/** Of a CRMF nothing is overlooked. Throws CmpRefusal. */
export async function checkAsked(
  exchange: Exchange,
  { type, sender }: { type: OrderType; sender: Sender },
  { csr, crmf }: Requested,
): Promise<void> {
  if (!crmf) return
  const unknown = csr.attributes.filter(({ oid }) => !(type === 'kur' && oid === OID.oldCertId))
  if (unknown.length > 0) {
    const named = unknown.map(({ oid }) => oid).join(', ')
    throw new CmpRefusal('badCertTemplate', `controls that are not served in this CertRequest: ${named}`)
  }
  checkOldCertId(csr, sender)
  if (crmf.issuer) await checkIssuer(exchange, crmf.issuer)
}

/** RFC 9483 section 4.1.3: what is updated is what signed. */
function checkOldCertId({ attributes }: Csr, sender: Sender): void {
  const [value] = attributes.find(({ oid }) => oid === OID.oldCertId)?.values ?? []
  if (!value || sender.by !== 'certificate') return
  const { issuer, serial } = readCertId(value)
  const { certificate } = sender
  if (serial === certificate.serial && sameName(issuer, decodeName(readBareCertificate(certificate.der).issuer))) return
  throw new CmpRefusal('badCertId', 'oldCertId names another certificate than the one that signed the message')
}

async function checkIssuer({ door, profile }: Exchange, issuer: NonNullable<CertReqMsg['issuer']>): Promise<void> {
  const { active, earlier } = await door.authorityChain(profile.authorityId)
  // A client that renews names the issuer that it had.
  if ([active, ...earlier].some((each) => each && sameName(each.certificate.subject, issuer))) return
  throw new CmpRefusal('wrongAuthority', 'another issuer is asked for than the authority of this profile')
}

/** The profile with the variant that certProfile names. Throws CmpRefusal for one that is not known. */
export function profileFor({ door, profile, options }: Exchange, { header }: CmpMessage): Exchange['profile'] {
  const info = header.generalInfo.find(({ oid }) => oid === OID.cmpCertProfile)
  const name = info && readCertProfile(info.value)
  if (name === undefined) return profile
  const variant = Object.hasOwn(options.certProfiles, name) ? options.certProfiles[name] : undefined
  if (variant !== undefined) return door.variant(profile, variant)
  throw new CmpRefusal('badRequest', `there is no certificate profile ${name} here`)
}
