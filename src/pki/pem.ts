import { malformed } from './error.ts'

export interface PemBlock {
  /** What stands after BEGIN: CERTIFICATE, CERTIFICATE REQUEST, PRIVATE KEY … */
  label: string
  der: Buffer
}

const BOUNDARY = /^-----(BEGIN|END) ([^\n]*)-----$/
const LABEL = /^(?:[\x21-\x2c\x2e-\x7e]+(?:[ -][\x21-\x2c\x2e-\x7e]+)*)?$/

/** Textual encoding of RFC 7468: lines of 64 characters, LF, ending with one. */
export function pemEncode(label: string, der: Buffer): string {
  const lines = der.toString('base64').replace(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN ${label}-----\n${lines}${lines && '\n'}-----END ${label}-----\n`
}

/**
 * Reads the blocks of a text in order (RFC 7468 section 3). Text outside blocks is skipped, lines end in LF, CRLF or CR, white space at
 * line ends is skipped. Throws PkiError('malformed') for a block that does not end, ends under another label, or is not base64: an old
 * encrypted key with headers (RFC 1421) is such a block.
 */
export function pemDecode(text: string): PemBlock[] {
  const blocks: PemBlock[] = []
  let open: { label: string; base64: string[] } | undefined
  for (const raw of text.split(/\r\n|\n|\r/)) {
    const line = raw.trim()
    const [, side, label = ''] = BOUNDARY.exec(line) ?? []
    if (!open) {
      if (side === 'END') throw malformed('a PEM block that ends without a beginning')
      if (side === 'BEGIN' && !LABEL.test(label)) throw malformed('a PEM block with a bad label')
      if (side === 'BEGIN') open = { label, base64: [] }
    } else if (side === undefined) {
      open.base64.push(line)
    } else {
      if (side === 'BEGIN' || label !== open.label) throw malformed(`the PEM block ${open.label} does not end`)
      blocks.push({ label, der: decodeBase64(open.base64.join(''), label) })
      open = undefined
    }
  }
  if (open) throw malformed(`the PEM block ${open.label} does not end`)
  return blocks
}

function decodeBase64(base64: string, label: string): Buffer {
  const der = Buffer.from(base64, 'base64')
  // Buffer skips what it cannot read; RFC 4648 section 3.5 wants one text for one value.
  if (der.toString('base64') !== base64) throw malformed(`the PEM block ${label} is not canonical base64`)
  return der
}
