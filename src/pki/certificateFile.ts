import { readCertsOnly } from './certsOnly.ts'
import { TAG } from './der.ts'
import { malformed } from './error.ts'
import { pemDecode } from './pem.ts'

const LABELS: ReadonlySet<string> = new Set(['CERTIFICATE', 'X509 CERTIFICATE', 'PKCS7', 'CMS'])

/**
 * The certificates (DER, unread, in the order of the file) of a file: PEM, where keys and all other blocks are passed over, DER, or a PKCS #7 message of
 * certificates alone. Throws PkiError: `malformed` for anything else, and for PEM without a certificate.
 */
export function certificatesInFile(bytes: Buffer): Buffer[] {
  if (bytes[0] === 0x30) return fromDer(bytes)
  const found = blocksOf(bytes.toString('latin1'))
    .flatMap((block) => pemDecode(block))
    .flatMap(({ der }) => fromDer(der))
  if (found.length === 0) throw malformed('there is no certificate in it')
  return found
}

/** A PKCS #7 message begins with the name of its type, a certificate with what is signed; the former may be BER. */
function fromDer(der: Buffer): Buffer[] {
  const length = der[1] ?? 0
  const first = der[length > 0x80 ? 2 + (length & 0x7f) : 2]
  return first === TAG.oid ? readCertsOnly(der).certificates : [der]
}

/** One pass over the text, whatever stands in it. */
function blocksOf(text: string): string[] {
  const blocks: string[] = []
  for (let at = 0; ; ) {
    const begin = text.indexOf('-----BEGIN ', at)
    if (begin < 0) return blocks
    const labelEnd = text.indexOf('-----', begin + 11)
    if (labelEnd < 0) return blocks
    const label = text.slice(begin + 11, labelEnd)
    if (!LABELS.has(label)) {
      at = labelEnd
      continue
    }
    const closing = `-----END ${label}-----`
    const end = text.indexOf(closing, labelEnd)
    if (end < 0) return blocks
    at = end + closing.length
    blocks.push(text.slice(begin, at))
  }
}
