import { z } from 'zod'
import { type CertificateFields, readCertificate } from '../pki/certificateReader.ts'
import { PkiError } from '../pki/error.ts'
import { pemDecode } from '../pki/pem.ts'

const certificates = z
  .string()
  .max(200_000)
  .superRefine((text, context) => {
    try {
      if (readAnchors(text).every(({ isCa }) => isCa)) return
      context.addIssue({ code: 'custom', message: 'each certificate must be one of a CA' })
    } catch (error) {
      if (!(error instanceof PkiError || error instanceof NoCertificate)) throw error
      context.addIssue({ code: 'custom', message: error.message })
    }
  })

/** Whose certificates, beside our own, devices may show: such as a manufacturer's. */
const trustAnchor = z.strictObject({
  /** For people: stands in the request and the audit trail. */
  name: z.string().regex(/^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,62}$/u, 'letters, digits, spaces, dots, dashes'),
  /** PEM of one or more CA certificates, each trusted for itself. */
  certificates,
  /** Where the CRLs of these CAs are: then each certificate between device and anchor is looked up. */
  crlUrls: z
    .array(z.url({ protocol: /^https?$/ }))
    .max(10)
    .default([]),
  /** What becomes of a device while a CRL that is needed cannot be had. */
  withoutCrl: z.enum(['refuse', 'accept']).default('refuse'),
  /** What the certificate stands for: for nothing but who asks, for the names that are in it, or for any name that the profile certifies. */
  entitles: z.enum(['nothing', 'ownNames', 'everything']).default('ownNames'),
})

/** The trust anchors in an adapter's options. */
export const trustAnchorOptions = z.array(trustAnchor).max(50).default([])

/** A trust anchor, read. */
export interface TrustAnchor extends Omit<z.output<typeof trustAnchor>, 'certificates'> {
  certificates: readonly CertificateFields[]
}

export const readTrustAnchor = (anchor: z.output<typeof trustAnchor>): TrustAnchor => ({
  ...anchor,
  certificates: readAnchors(anchor.certificates),
})

class NoCertificate extends Error {}

function readAnchors(text: string): CertificateFields[] {
  const blocks = pemDecode(text)
  if (blocks.length === 0 || blocks.some(({ label }) => label !== 'CERTIFICATE'))
    throw new NoCertificate('PEM certificates are needed, and nothing else')
  return blocks.map(({ der }) => readCertificate(der))
}
