import { Failure } from '../../src/core/failure.ts'
import type { HttpAnswer } from '../../src/http/answer.ts'
import { writeCertsOnly } from '../../src/pki/certsOnly.ts'
import type { Exchange } from './exchange.ts'
import { base64Answer } from './transfer.ts'

/**
 * RFC 7030 section 4.1: the root, and all that leads from what this profile issues up to it; while a root rolls over, also the certificates that link its keys
 * (section 4.1.3). For everybody.
 */
export async function caCertificates({ door, incoming, profile }: Exchange): Promise<HttpAnswer> {
  const { active } = await door.authorityChain(profile.authorityId)
  if (!active) throw new Failure('unavailable', 'the authority of this profile has no certificate yet')
  const path = [active.certificate.der, ...active.chain]
  const links = await door.linkCertificates(path.at(-1) ?? active.certificate.der)
  const linking = links ? [links.newWithNew, links.newWithOld, links.oldWithNew, links.oldWithOld] : []
  const certificates = new Map([...path, ...linking].map((der) => [der.toString('latin1'), der]))
  return base64Answer(incoming, 'application/pkcs7-mime', writeCertsOnly([...certificates.values()]))
}
