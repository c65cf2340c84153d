import { type HttpAnswer, plain } from '../../src/http/answer.ts'
import type { ScepOptions } from './options.ts'

/** As clients spell them. strongSwan before 5.9.11 uses AES only where it reads SHA-384. */
const DIGEST_NAMES = [
  ['sha1', 'SHA-1'],
  ['sha224', 'SHA-224'],
  ['sha256', 'SHA-256'],
  ['sha384', 'SHA-384'],
  ['sha512', 'SHA-512'],
] as const

/**
 * GetCACaps (RFC 8894 section 3.5.2): only what this profile takes, no empty line. SCEPStandard stands for AES, SHA-256 and POST, so it goes where one of
 * them is off. `next`: GetNextCACert has an answer now.
 */
export function capabilities({ digests, ciphers }: ScepOptions, next: boolean): HttpAnswer {
  const aes = ciphers.includes('aes-128-cbc')
  const lines = [
    'POSTPKIOperation',
    'Renewal',
    ...(next ? ['GetNextCACert'] : []),
    ...(aes ? ['AES'] : []),
    ...(ciphers.includes('des-ede3-cbc') ? ['DES3'] : []),
    ...DIGEST_NAMES.flatMap(([digest, name]) => (digests.includes(digest) ? [name] : [])),
    ...(aes && digests.includes('sha256') ? ['SCEPStandard'] : []),
  ]
  const { headers, ...rest } = plain(200, lines.join('\n'))
  return { ...rest, headers: { ...headers, 'Content-Type': 'text/plain' } }
}
