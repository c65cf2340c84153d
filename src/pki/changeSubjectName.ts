import type { CsrAttribute } from './csr.ts'
import { children, context, expect, seq, TAG } from './der.ts'
import { malformed } from './error.ts'
import { decodeGeneralNames, type Identifier } from './identifier.ts'
import { decodeName, type Name } from './name.ts'
import { OID } from './oid.ts'

/** The names that a renewed certificate shall have: RFC 6402 section 2.8. */
export interface ChangeSubjectName {
  subject?: Name
  identifiers?: Identifier[]
}

/**
 * ChangeSubjectName among the attributes of a CSR; undefined where it is absent. Its alternative names of forms that are not served are left aside.
 * Throws PkiError('malformed') for one without any name, with several values, or of another form.
 */
export function readChangeSubjectName(attributes: readonly CsrAttribute[]): ChangeSubjectName | undefined {
  const attribute = attributes.find(({ oid }) => oid === OID.cmcChangeSubjectName)
  if (!attribute) return undefined
  const [value, ...more] = attribute.values
  if (!value || more.length > 0) throw malformed('ChangeSubjectName must have one value')
  const out: ChangeSubjectName = {}
  for (const field of children(expect(value, TAG.seq, 'ChangeSubjectName'), 2)) {
    if (field.tag === TAG.seq && out.subject === undefined) out.subject = decodeName(field)
    else if (field.tag === context(1) && out.identifiers === undefined)
      out.identifiers = decodeGeneralNames(seq(field.value)).identifiers
    else throw malformed('ChangeSubjectName has a field that it cannot have')
  }
  if (!out.subject && !out.identifiers) throw malformed('ChangeSubjectName without a name')
  return out
}
