import { z } from 'zod'
import type { Certificate } from '../../src/core/certificate.ts'
import { Failure } from '../../src/core/failure.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { PkiError } from '../../src/pki/error.ts'
import { type Name, parseNameText, sameName } from '../../src/pki/name.ts'
import type { EndEntityPlace } from './endEntity.ts'
import { Unprocessable } from './errors.ts'
import { operation } from './operation.ts'
import { revocationReason } from './revoke.ts'
import { text } from './text.ts'
import { cannot, V1_PLACE, V1_TAG, v1Place } from './v1Place.ts'

export const legacyRevoke = operation({
  method: 'post',
  path: `${V1_PLACE}/certificate/revoke`,
  tag: V1_TAG,
  summary:
    'Revokes a certificate of the profile, by serial number and issuer. While people have to approve it is 400, and the same call says when it is done.',
  body: z.object({ certificateSN: text(200).min(1), issuerDN: text(4096).min(1), reason: revocationReason }),
  async run(call) {
    const place = await v1Place(call)
    const { certificateSN, issuerDN, reason } = call.body
    const { id: certificate } = await find(place, readSerial(certificateSN), readIssuer(issuerDN))
    await place.door.inventory.refuseArchived(certificate)
    const request = await place.door.revoke({
      protocol: 'ra',
      certificate,
      profile: place.profile,
      ...(reason === 'unspecified' ? {} : { reason }),
      grounds: 'user',
    })
    switch (request.status) {
      case 'revoked':
        return undefined
      case 'requested':
        throw cannot('this revocation waits for approval: the same call says when the certificate is revoked')
      case 'revoking':
        throw cannot('this revocation is under way: send the same call again later')
      default:
        throw cannot(`the certificate is not revoked: ${request.reason ?? request.status}`)
    }
  },
})

/**
 * Lower-case hex without leading zeros, as certificates are stored. Hex in either case, with or without colons, spaces or 0x; digits alone are
 * hex too, unless there are more than the 40 that a serial number can have (RFC 5280 section 4.1.2.2): then they are decimal.
 * Throws Unprocessable.
 */
export function readSerial(given: string): string {
  const digits = given
    .trim()
    .replace(/^0x/i, '')
    .replace(/[:\s]/g, '')
    .replace(/^0+(?=.)/, '')
  if (/^[0-9a-f]{1,40}$/i.test(digits)) return digits.toLowerCase().padStart(digits.length + (digits.length % 2), '0')
  if (!/^\d{41,49}$/.test(digits)) throw new Unprocessable(['certificateSN: a serial number in hexadecimal'])
  const hex = BigInt(digits).toString(16)
  return hex.padStart(hex.length + (hex.length % 2), '0')
}

function readIssuer(given: string): Name {
  try {
    return parseNameText(given)
  } catch (error) {
    if (error instanceof PkiError) throw new Unprocessable([`issuerDN: ${error.message}`])
    throw error
  }
}

/** One of that profile, under that issuer. Throws Failure('notFound'), alike for one of another profile and one that the caller may not read. */
async function find({ door, profile }: EndEntityPlace, serial: string, issuer: Name): Promise<Certificate> {
  const found = await door.findCertificate({ serial, authority: profile.authorityId })
  const named = found?.profileId === profile.id && sameName(readCertificate(found.der).issuer, issuer)
  const [line] = found && named ? await door.inventory.lines([found.id]) : []
  if (!found || !line)
    throw new Failure('notFound', `the profile ${profile.name} has no certificate of this serial number and issuer`)
  return found
}
