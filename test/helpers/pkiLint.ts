import { type CertificateDraft, encodeTbs } from '../../src/pki/certificate.ts'
import { readTbs } from '../../src/pki/certificateReader.ts'
import { explicit, integer, oid, seq, TAG, context as tag, tlv } from '../../src/pki/der.ts'
import { encodeExtension } from '../../src/pki/extensions.ts'
import { type LintContext, type LintFinding, lintCertificate } from '../../src/pki/lint.ts'
import { type Name, nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { publicKeyFrom } from '../../src/pki/publicKey.ts'
import { type Authority, authority, keyPair, leafDraft, now } from './pkiSamples.ts'

// The issuers of the cases.

/** Allows one CA below it. */
export const ca = await authority('P-256', { pathLength: 1 })
export const constrained = await authority('P-256', {
  cn: 'Constrained',
  nameConstraints: {
    permitted: [{ type: 'dns', value: 'example.com' }],
    excluded: [{ type: 'ip', value: '10.0.0.0/8' }],
  },
})
/** Allows no CA below it, and only clients. */
export const limited = await authority('P-256', { cn: 'Limited', pathLength: 0, extendedKeyUsage: [OID.clientAuth] })
export const stapling = await authority('P-256', { cn: 'Stapling', mustStaple: true })

export interface Case {
  /** Draft in order except for this. */
  draft?: Partial<CertificateDraft>
  /** What takes the place of fields of the TBSCertificate, by position after the version. */
  fields?: Partial<Record<'version' | 'serial' | 'algorithm' | 'issuer' | 'validity' | 'subject' | 'spki', Buffer>>
  /** Put in front of the extensions. */
  add?: () => Buffer[]
  /** OIDs of extensions left out. */
  drop?: string[]
  after?: Buffer
  /** No extensions at all. */
  bare?: boolean
  context?: Partial<LintContext>
  issuer?: () => Authority
}

export function lint({
  draft = {},
  fields = {},
  add,
  drop = [],
  after,
  bare,
  context = {},
  issuer = () => ca,
}: Case): LintFinding[] {
  const from = issuer()
  const type = context.type ?? draft.type ?? 'server'
  const plain = encodeTbs(leafDraft(from, { ...draft, type: draft.type ?? type }), from.signer.algorithm)
  const read = readTbs(plain)
  const kept = read.extensions
    .filter((one) => !drop.includes(one.oid))
    .map((one) => encodeExtension(one.oid, one.value, one.critical))
  const tbs = seq(
    fields.version ?? explicit(0, integer(2)),
    fields.serial ?? read.serial.der,
    fields.algorithm ?? read.algorithm,
    fields.issuer ?? read.issuer,
    fields.validity ?? seq(read.notBefore.der, read.notAfter.der),
    fields.subject ?? read.subject,
    fields.spki ?? read.spki,
    ...(after ? [after] : []),
    ...(bare ? [] : [explicit(3, seq(...(add?.() ?? []), ...kept))]),
  )
  return lintCertificate(tbs, { type, issuer: from.fields, now, ...context })
}

export const rsa = publicKeyFrom(keyPair('RSA-2048', 'leaf').publicKey)
export const subject = (name: Name): Case => ({ draft: { subject: name } })
export const dns = (value: string): Case => ({ draft: { subject: [], identifiers: [{ type: 'dns', value }] } })
export const rawName = (name: Buffer): Case => ({
  drop: [OID.subjectAltName],
  add: () => [encodeExtension(OID.subjectAltName, seq(tlv(tag(2, false), Buffer.from('www.example.com')), name))],
})
export const replaced = (id: string, value: () => Buffer, critical = false): Case => ({
  drop: [id],
  add: () => [encodeExtension(id, value(), critical)],
})
/** The extension as it is, its critical flag turned. */
export const turned = (id: string, critical: boolean, draft: Partial<CertificateDraft> = {}): Case => ({
  draft,
  drop: [id],
  add: () => {
    const found = readTbs(encodeTbs(leafDraft(ca, draft), ca.signer.algorithm)).extensions.find((one) => one.oid === id)
    if (!found) throw new Error(`no extension ${id}`)
    return [encodeExtension(id, found.value, critical)]
  },
})
export const rsaKey = (modulus: Buffer, exponent: number): Case => ({
  fields: {
    spki: seq(
      seq(oid(OID.rsaEncryption), tlv(TAG.null, Buffer.alloc(0))),
      tlv(TAG.bits, Buffer.concat([Buffer.of(0), seq(integer(modulus), integer(exponent))])),
    ),
  },
})
export const caDraft: Partial<CertificateDraft> = {
  type: 'ca',
  subject: nameOf({ CN: 'Sub CA' }),
  identifiers: [],
  keyUsage: ['keyCertSign', 'cRLSign'],
  extendedKeyUsage: [],
}
export const shortDraft: Partial<CertificateDraft> = {
  noRevAvail: true,
  crlUrls: [],
  ocspUrls: [],
  notBefore: now,
  notAfter: new Date(now.getTime() + 6 * 86_400_000),
}
export const ocspDraft: Partial<CertificateDraft> = {
  type: 'ocsp',
  subject: nameOf({ CN: 'Responder' }),
  identifiers: [],
  extendedKeyUsage: [OID.OCSPSigning],
  ocspNoCheck: true,
  crlUrls: [],
  ocspUrls: [],
}
export const messageDraft: Partial<CertificateDraft> = {
  type: 'message',
  subject: nameOf({ CN: 'RA' }),
  identifiers: [],
  keyUsage: ['digitalSignature', 'keyEncipherment'],
  extendedKeyUsage: [],
  publicKey: publicKeyFrom(keyPair('RSA-2048').publicKey),
}
