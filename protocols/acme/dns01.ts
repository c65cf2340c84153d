import { createHash } from 'node:crypto'
import { quote, ValidationFailure } from './outcome.ts'
import type { Reach } from './reach.ts'

const MAX_SHOWN = 3

/** RFC 8555 section 8.4. `name` without "*.". Throws ValidationFailure. */
export async function validateDns01(
  name: string,
  keyAuthorization: string,
  { lookup, deadline }: Reach,
): Promise<void> {
  const at = `_acme-challenge.${name}`
  const expected = createHash('sha256').update(keyAuthorization).digest('base64url')
  const values = await lookup.texts(at, deadline)
  // A name and its wildcard have a record each, and old ones may still be there: any of them will do.
  if (values.includes(expected)) return
  const shown = values.slice(0, MAX_SHOWN).map(quote).join(', ')
  const more = values.length > MAX_SHOWN ? ` and ${values.length - MAX_SHOWN} more` : ''
  throw new ValidationFailure(
    'incorrectResponse',
    `the TXT records of ${at} are ${shown}${more}; expected "${expected}"`,
    true,
  )
}
