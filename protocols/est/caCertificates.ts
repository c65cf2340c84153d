import { Failure } from '../../src/core/failure.ts'
import type { HttpAnswer } from '../../src/http/answer.ts'
import { writeCertsOnly } from '../../src/pki/certsOnly.ts'
import type { Exchange } from './exchange.ts'
import { base64Answer } from './transfer.ts'

/** RFC 7030 section 4.1: the root, and all that leads from what this profile issues up to it. For everybody. */
export async function caCertificates({ door, incoming, profile }: Exchange): Promise<HttpAnswer> {
  const { active } = await door.authorityChain(profile.authorityId)
  if (!active) throw new Failure('unavailable', 'the authority of this profile has no certificate yet')
  const certificates = [active.certificate.der, ...active.chain]
  return base64Answer(incoming, 'application/pkcs7-mime', writeCertsOnly(certificates))
}
