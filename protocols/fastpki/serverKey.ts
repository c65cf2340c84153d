import { Failure } from '../../src/core/failure.ts'
import type { CertificateRecord } from '../../src/core/listing/certificateRecord.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import { encodeName, type Name } from '../../src/pki/name.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import type { Call } from './operation.ts'
import { type FastpkiOptions, keySizes } from './options.ts'
import { ordered } from './record.ts'

/** How long who repeats an order gets its key again. */
const REPEAT = 600_000

/** The RSA key to make: of the size asked, which the profile must take; else of the usual one, or the nearest that the profile takes. */
export function keySizeOf(profile: RaProfile, { keySize }: FastpkiOptions, asked: number | null | undefined): number {
  if (asked == null) return keySize
  const { rsa } = profile.settings.certificate.keys
  const sizes = keySizes.filter((size) => rsa && size >= rsa.min && size <= rsa.max)
  if (sizes.some((size) => size === asked)) return asked
  throw new Failure(
    'badKey',
    sizes.length > 0
      ? `key_size: RSA keys of ${sizes.join(', ')} bits are made for this CA`
      : 'key_size: this CA takes no RSA keys of a size that is made here',
  )
}

/** What the server makes a key for. */
export function keyRequest(subject: Name, size: number) {
  return {
    subject,
    subjectDer: encodeName(subject),
    identifiers: [],
    otherNames: [],
    attributes: [],
    extensions: [],
    kind: { algorithm: 'RSA' as const, size },
  }
}

/** How the name begins under which a key is made that nobody gets. */
const UNWANTED = 'unwanted '

/** The name under which the key of an order is made. */
export function keyRef(ref: string, wanted: boolean): string {
  return wanted ? ref : `${UNWANTED}${ref}`
}

/** PEM of the key that was made for an order, to who ordered it: once, and again for ten minutes. Undefined where there is nothing to hand over. */
export async function handOverTo(call: Call, record: CertificateRecord): Promise<string | undefined> {
  const { door, requester } = call
  const { request, certificate } = record
  const ref = askedRef(record)
  if (!certificate || ref === undefined || ref.startsWith(UNWANTED) || !ordered(call, record) || !mayOrder(requester))
    return undefined
  const profile = await profileOf(call, record)
  if (!profile) return undefined
  const slot = await door.serverKeys.slot(profile, { protocol: 'fastpki', ref })
  if (slot.id === undefined || slot.origin.ref !== request.origin?.ref) return undefined
  const key = await door.serverKeys.prepare({
    profile,
    slot,
    request: keyRequest(request.wanted.subject, 0),
    keep: true,
  })
  if (key.csr.publicKey.spkiHash !== certificate.spkiHash) return undefined
  return keyText(await door.serverKeys.handOver(key, { certificate: certificate.id, encrypted: false, repeat: REPEAT }))
}

/** The name under which this adapter asked for the key of an order: the core adds the profile and a number. */
function askedRef({ request: { protocol, origin } }: CertificateRecord): string | undefined {
  return protocol === 'fastpki' ? /^(.+)\/\d+\/\d+$/.exec(origin?.ref ?? '')?.[1] : undefined
}

function mayOrder({ scope }: Call['requester']): boolean {
  return !scope || (scope.readOnly !== true && scope.capabilities.includes('create_cert'))
}

async function profileOf({ door }: Call, { profile }: CertificateRecord): Promise<RaProfile | undefined> {
  if (!profile?.enabled) return undefined
  try {
    return (await door.serving({ uuid: profile.uuid }, 'fastpki')).profile
  } catch (error) {
    if (error instanceof Failure && error.code === 'notFound') return undefined
    throw error
  }
}

export function keyText(pkcs8: Buffer): string {
  return pemEncode('PRIVATE KEY', pkcs8)
}

export const DELIVERY = { encrypted: false, repeat: REPEAT }
