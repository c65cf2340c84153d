import { createHash } from 'node:crypto'
import { quote, ValidationFailure } from './outcome.ts'
import type { Reach } from './reach.ts'

const MAX_SHOWN = 3
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'

/**
 * draft-ietf-acme-dns-account-label-03: as dns-01, at a name that the account's URL makes its own, so that several clients can prove one name
 * at a time. `name` without "*.". Throws ValidationFailure.
 */
export async function validateDnsAccount01(
  name: string,
  { keyAuthorization, accountUrl }: { keyAuthorization: string; accountUrl: string },
  { lookup, deadline }: Reach,
): Promise<void> {
  const at = `${accountLabel(accountUrl)}._acme-challenge.${name}`
  const expected = createHash('sha256').update(keyAuthorization).digest('base64url')
  const values = await lookup.texts(at, deadline).catch((error: unknown) => {
    // The draft, section "Errors": the client should learn which account URL the name was made of.
    if (!(error instanceof ValidationFailure)) throw error
    throw new ValidationFailure(error.type, `${error.message} (the name is that of account ${accountUrl})`, error.retry)
  })
  if (values.includes(expected)) return
  const shown = values.slice(0, MAX_SHOWN).map(quote).join(', ')
  const more = values.length > MAX_SHOWN ? ` and ${values.length - MAX_SHOWN} more` : ''
  throw new ValidationFailure(
    'incorrectResponse',
    `the TXT records of ${at} are ${shown}${more}; expected "${expected}"`,
    true,
  )
}

/** "_" and base32 of the first ten octets of SHA-256 of the account's URL. */
export function accountLabel(accountUrl: string): string {
  return `_${base32(createHash('sha256').update(accountUrl).digest().subarray(0, 10))}`
}

/** RFC 4648 section 6, in lower case, of a whole number of groups of five octets. */
function base32(octets: Buffer): string {
  let bits = BigInt(`0x${octets.toString('hex')}`)
  let text = ''
  for (let at = 0; at < (octets.length * 8) / 5; at++) {
    text = (BASE32[Number(bits & 31n)] ?? '') + text
    bits >>= 5n
  }
  return text
}
