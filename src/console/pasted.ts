import { Failure } from '../core/failure.ts'
import { type Csr, parseCsr } from '../pki/csr.ts'
import { PkiError } from '../pki/error.ts'
import { pemDecode } from '../pki/pem.ts'

/** Runs what reads bytes of others: what it cannot read is the sender's fault. Throws Failure with that code. */
export function reading<T>(code: 'badCsr' | 'malformed', read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof PkiError) throw new Failure(code, error.message, { cause: error })
    throw error
  }
}

/** DER out of base64, blanks and lines as they may be. Throws Failure('malformed'). */
export function derOf(text: string, what: string): Buffer {
  const compact = text.replace(/\s+/g, '')
  if (compact === '' || !/^[A-Za-z0-9+/]+={0,2}$/.test(compact))
    throw new Failure('malformed', `${what} is pasted as PEM, or as base64 of DER`)
  return Buffer.from(compact, 'base64')
}

/** A certificate request as it was pasted or chosen: PEM, base64 of DER, or a file of either, or of DER. Throws Failure: malformed, badCsr. */
export function readCsr(text: string, file: Buffer | undefined): Csr {
  if (file?.[0] === 0x30) return reading('badCsr', () => parseCsr(file))
  const given = file?.toString('utf8') ?? text
  if (given.trim() === '') throw new Failure('malformed', 'paste a certificate request, or choose a file')
  if (!given.includes('-----BEGIN')) return reading('badCsr', () => parseCsr(derOf(given, 'a certificate request')))
  const blocks = reading('malformed', () => pemDecode(given))
  if (blocks.some(({ label }) => label.includes('PRIVATE KEY')))
    throw new Failure(
      'malformed',
      'this holds a private key, which belongs to nobody else: make a new one, and send its request alone',
    )
  const requests = blocks.filter(({ label }) => label === 'CERTIFICATE REQUEST' || label === 'NEW CERTIFICATE REQUEST')
  const [request, another] = requests
  if (!request) throw new Failure('malformed', 'there is no CERTIFICATE REQUEST in it')
  if (another) throw new Failure('malformed', 'there are several requests in it: send one at a time')
  return reading('badCsr', () => parseCsr(request.der))
}
