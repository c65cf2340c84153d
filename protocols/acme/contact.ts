import { AcmeError } from './errors.ts'

const MAX_CONTACTS = 10
const MAX_LENGTH = 320
/** RFC 6068 with one address and no header fields; of RFC 5322 the part that mail systems take. */
const ADDRESS =
  /^[A-Za-z0-9.!#$'*+/=^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*$/

/** Checks the contacts of an account, RFC 8555 section 7.3. Throws AcmeError('unsupportedContact' | 'invalidContact'). */
export function checkContacts(contacts: readonly string[]): void {
  if (contacts.length > MAX_CONTACTS) throw invalid(`an account has at most ${MAX_CONTACTS} contacts`)
  for (const contact of contacts) checkContact(contact)
}

function checkContact(contact: string): void {
  const [, scheme, rest = ''] = /^([A-Za-z][A-Za-z0-9+.-]*):(.*)$/s.exec(contact) ?? []
  const shown = JSON.stringify(contact.slice(0, 100))
  if (scheme === undefined) throw invalid(`the contact ${shown} is no URL: write mailto:name@example.org`)
  if (scheme.toLowerCase() !== 'mailto')
    throw new AcmeError(
      'unsupportedContact',
      `contacts are mailto: URLs; ${JSON.stringify(scheme.slice(0, 40))} is not supported`,
    )
  if (rest.includes('?')) throw invalid(`the contact ${shown} has header fields: give the address alone`)
  if (rest.includes(',')) throw invalid(`the contact ${shown} has several addresses: give one contact for each`)
  if (contact.length > MAX_LENGTH || !ADDRESS.test(rest)) throw invalid(`the contact ${shown} is no e-mail address`)
}

function invalid(detail: string): AcmeError {
  return new AcmeError('invalidContact', detail)
}
