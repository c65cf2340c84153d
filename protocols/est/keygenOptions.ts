import { z } from 'zod'
import { durationText } from '../../src/http/optionFields.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { PkiError } from '../../src/pki/error.ts'
import { pemDecode } from '../../src/pki/pem.ts'
import { keyUse } from './keyRecipient.ts'

const keySpecs = ['P-256', 'P-384', 'P-521', 'RSA-2048', 'RSA-3072', 'RSA-4096', 'Ed25519'] as const

/** What /csrattrs tells clients. */
export const csrattrsOptions = z
  .strictObject({
    /** The list of RFC 7030, the template of RFC 9908, both, or nothing. */
    form: z.enum(['both', 'list', 'template', 'none']).default('both'),
    /** The kind of key that is asked for; absent, or none that the profile takes: the profile's first curve, else RSA, else Ed25519. */
    key: z.enum(keySpecs).optional(),
  })
  .prefault({})

/** Keys that the server makes. */
export const serverkeygenOptions = z
  .strictObject({
    serve: z.boolean().default(true),
    /** Whether a private key goes only to who names a key to encrypt it to, beside TLS. */
    encryption: z.enum(['optional', 'required']).default('optional'),
    /** PEM certificates of keys to which a private key may be encrypted: a client names one by its subjectKeyIdentifier. */
    recipients: z.string().max(200_000).superRefine(checkRecipients).optional(),
    /** Whether a key stays here, sealed, after it was handed over; else it is forgotten. */
    keep: z.boolean().default(false),
    /** How long after the first answer the same request gets the same key again, for clients whose answer was lost. */
    repeat: durationText.default('10m'),
  })
  .prefault({})

function checkRecipients(text: string, context: z.RefinementCtx): void {
  try {
    for (const der of readRecipients(text)) keyUse(readCertificate(der))
  } catch (error) {
    if (!(error instanceof PkiError || error instanceof NoCertificate)) throw error
    context.addIssue({ code: 'custom', message: error.message })
  }
}

class NoCertificate extends Error {}

/** DER of each. */
export function readRecipients(text: string): Buffer[] {
  const blocks = pemDecode(text)
  if (blocks.length === 0 || blocks.some(({ label }) => label !== 'CERTIFICATE'))
    throw new NoCertificate('PEM certificates are needed, and nothing else')
  return blocks.map(({ der }) => der)
}
