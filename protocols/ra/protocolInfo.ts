import type { Door } from '../../src/core/core.ts'
import type { CertificateRecord } from '../../src/core/listing/certificateRecord.ts'
import type { CertificateDetail } from './certificateSchema.ts'

/** Over which protocol a certificate was ordered, by which protocol profile, and by which account of it. */
export async function protocolPart(
  { optionSets }: Door,
  { request, profile }: CertificateRecord,
): Promise<Pick<CertificateDetail, 'protocolInfo'>> {
  const { protocol, requester } = request
  if (protocol !== 'acme' && protocol !== 'scep' && protocol !== 'cmp' && protocol !== 'est') return {}
  // There are no profiles of CMP and EST.
  const set =
    profile && protocol !== 'cmp' && protocol !== 'est'
      ? ((await optionSets.of(protocol, profile)) ?? profile)
      : undefined
  return {
    protocolInfo: {
      protocol,
      ...(set ? { protocolProfileUuid: set.uuid } : {}),
      ...(requester.kind === 'acme-account' ? { additionalProtocolUuid: requester.ref } : {}),
    },
  }
}
