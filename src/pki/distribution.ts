import {
  bool,
  children,
  context,
  expect,
  explicit,
  ia5,
  implicit,
  oid,
  readBits,
  readBool,
  readOid,
  readTlv,
  seq,
  TAG,
  type Tlv,
} from './der.ts'
import { malformed } from './error.ts'
import { namedBits, nonEmpty } from './extensions.ts'
import { OID } from './oid.ts'

// Where revocation and issuer information is found: RFC 5280 sections 4.2.1.13, 4.2.2.1 and 5.2.5.

const URI = context(6, false)

// ASCII is checked and the tag then replaced by uniformResourceIdentifier [6] IMPLICIT IA5String.
const uri = (url: string): Buffer => implicit(6, readTlv(ia5(url)).value)

const fullName = (urls: readonly string[]): Buffer => explicit(0, implicit(0, Buffer.concat(urls.map(uri)), true))

/** GeneralNames of one directoryName, which is a DER Name: the value of certificateIssuer (RFC 5280 section 5.3.3). */
export const encodeDirectoryNames = (name: Buffer): Buffer => seq(explicit(4, name))

/**
 * CRLDistributionPoints: one distribution point for each URL, since each is a whole CRL. Also the value of freshestCRL. `crlIssuer`: the DER
 * Name in the issuer field of these CRLs, where that is not the certificate's issuer.
 */
export function encodeCrlDistributionPoints(urls: readonly string[], crlIssuer?: Buffer): Buffer {
  const issuer = crlIssuer ? [implicit(2, explicit(4, crlIssuer), true)] : []
  return seq(...urls.map((url) => seq(fullName([url]), ...issuer)))
}

/** The URLs of all distribution points; other name forms, reasons and cRLIssuer are left aside. */
export function decodeCrlDistributionPoints(value: Buffer): string[] {
  return pointsOf(value).flatMap((fields) => pointUrls(fields.find((field) => field.tag === context(0))))
}

/** DER Names of those who issue the CRLs, in the distribution points that say it (cRLIssuer). */
export function decodeCrlIssuers(value: Buffer): Buffer[] {
  return pointsOf(value).flatMap((fields) => {
    const names = fields.find((field) => field.tag === context(2))
    if (!names) return []
    return nonEmpty(children(names), 'cRLIssuer').flatMap((name) =>
      name.tag === context(4) ? [expect(readTlv(name.value), TAG.seq, 'directoryName').der] : [],
    )
  })
}

function pointsOf(value: Buffer): Tlv[][] {
  const points = nonEmpty(children(expect(readTlv(value), TAG.seq, 'CRLDistributionPoints')), 'CRLDistributionPoints')
  return points.map((point) => nonEmpty(children(expect(point, TAG.seq, 'DistributionPoint'), 3), 'DistributionPoint'))
}

function pointUrls(point: Tlv | undefined): string[] {
  if (!point) return []
  const name = readTlv(point.value)
  if (name.tag !== context(0)) return []
  return nonEmpty(children(name), 'fullName').flatMap(urlOf)
}

function urlOf(name: Tlv): string[] {
  if (name.tag !== URI) return []
  if (name.value.some((octet) => octet >= 0x80)) throw malformed('a URI with a character outside ASCII')
  return [name.value.toString('latin1')]
}

/** Both lists hold absolute URLs. */
export interface AuthorityInfoAccess {
  ocsp: readonly string[]
  caIssuers: readonly string[]
}

/** AuthorityInfoAccessSyntax. */
export function encodeAuthorityInfoAccess({ ocsp, caIssuers }: AuthorityInfoAccess): Buffer {
  return seq(
    ...ocsp.map((url) => seq(oid(OID.ocsp), uri(url))),
    ...caIssuers.map((url) => seq(oid(OID.caIssuers), uri(url))),
  )
}

/** URLs by access method; other methods and name forms are left aside. */
export function decodeAuthorityInfoAccess(value: Buffer): { ocsp: string[]; caIssuers: string[] } {
  const out: { ocsp: string[]; caIssuers: string[] } = { ocsp: [], caIssuers: [] }
  const list = nonEmpty(
    children(expect(readTlv(value), TAG.seq, 'AuthorityInfoAccessSyntax')),
    'AuthorityInfoAccessSyntax',
  )
  for (const description of list) {
    const [method, location] = children(expect(description, TAG.seq, 'AccessDescription'), 2)
    if (!method || !location) throw malformed('AccessDescription without a location')
    const id = readOid(method)
    if (id === OID.ocsp) out.ocsp.push(...urlOf(location))
    if (id === OID.caIssuers) out.caIssuers.push(...urlOf(location))
  }
  return out
}

/** Which certificates a CRL speaks of. `reasons` are bit numbers of ReasonFlags (RFC 5280 section 4.2.1.13). */
export interface IssuingDistributionPoint {
  urls?: readonly string[]
  onlyUserCertificates?: boolean
  onlyCaCertificates?: boolean
  onlySomeReasons?: readonly number[]
  indirect?: boolean
  /** It speaks of no certificate that is served here. */
  onlyAttributeCertificates?: boolean
}

/** IssuingDistributionPoint. Throws PkiError('malformed') when it would be empty, or both "only" flags are set. */
export function encodeIssuingDistributionPoint(idp: IssuingDistributionPoint): Buffer {
  if (idp.onlyUserCertificates && idp.onlyCaCertificates) throw malformed('a CRL of only users and only CAs')
  const flag = (n: number, set: boolean | undefined) => (set ? [implicit(n, readTlv(bool(true)).value)] : [])
  const reasons = idp.onlySomeReasons?.reduce((mask, bit) => mask | (0x8000 >> bit), 0)
  const parts = [
    ...(idp.urls?.length ? [fullName(idp.urls)] : []),
    ...flag(1, idp.onlyUserCertificates),
    ...flag(2, idp.onlyCaCertificates),
    ...(reasons ? [implicit(3, readTlv(namedBits(reasons)).value)] : []),
    ...flag(4, idp.indirect),
    ...flag(5, idp.onlyAttributeCertificates),
  ]
  return seq(...nonEmpty(parts, 'IssuingDistributionPoint'))
}

export function decodeIssuingDistributionPoint(value: Buffer): IssuingDistributionPoint {
  const out: IssuingDistributionPoint = {}
  for (const field of children(expect(readTlv(value), TAG.seq, 'IssuingDistributionPoint'), 6)) {
    if (field.tag === context(0)) out.urls = pointUrls(field)
    else if (field.tag === context(1, false)) out.onlyUserCertificates = readBool(field, field.tag)
    else if (field.tag === context(2, false)) out.onlyCaCertificates = readBool(field, field.tag)
    else if (field.tag === context(3, false)) out.onlySomeReasons = bitNumbers(readBits(field, field.tag).bytes)
    else if (field.tag === context(4, false)) out.indirect = readBool(field, field.tag)
    else if (field.tag === context(5, false)) out.onlyAttributeCertificates = readBool(field, field.tag)
    else throw malformed('an unknown field of IssuingDistributionPoint')
  }
  return out
}

function bitNumbers(bytes: Buffer): number[] {
  if (bytes.length > 2) throw malformed('ReasonFlags with more than nine bits')
  return Array.from({ length: bytes.length * 8 }, (_, bit) => bit).filter(
    (bit) => (bytes[bit >> 3] ?? 0) & (0x80 >> (bit & 7)),
  )
}
