import { ia5, isPrintable, oid, printable, readString, TAG, type Tlv, utf8 } from './der.ts'
import { malformed, PkiError } from './error.ts'
import { OID } from './oid.ts'

/**
 * One attribute of a distinguished name. `type` is a short name of `ATTRIBUTE_TYPES` or a dotted object identifier. `der` is set where the
 * value is no string: then it is the encoding, and `value` is `#` and its hex.
 */
export interface NameAttribute {
  type: string
  value: string
  der?: Buffer
}

/** Short names: those of RFC 4514 section 3 and, beyond, those that people type to openssl. */
export const ATTRIBUTE_TYPES: Readonly<Record<string, string>> = {
  CN: OID.commonName,
  SN: OID.surname,
  serialNumber: OID.serialNumber,
  C: OID.countryName,
  L: OID.localityName,
  ST: OID.stateOrProvinceName,
  street: OID.streetAddress,
  O: OID.organizationName,
  OU: OID.organizationalUnitName,
  title: OID.title,
  description: OID.description,
  businessCategory: OID.businessCategory,
  postalCode: OID.postalCode,
  name: OID.name,
  GN: OID.givenName,
  initials: OID.initials,
  generationQualifier: OID.generationQualifier,
  dnQualifier: OID.dnQualifier,
  pseudonym: OID.pseudonym,
  organizationIdentifier: OID.organizationIdentifier,
  emailAddress: OID.emailAddress,
  unstructuredName: OID.unstructuredName,
  unstructuredAddress: OID.unstructuredAddress,
  UID: OID.userId,
  DC: OID.domainComponent,
  jurisdictionL: OID.jurisdictionLocality,
  jurisdictionST: OID.jurisdictionStateOrProvince,
  jurisdictionC: OID.jurisdictionCountry,
}

const NAME_BY_OID = new Map(Object.entries(ATTRIBUTE_TYPES).map(([name, dotted]) => [dotted, name]))
const PRINTABLE_TYPES = new Set(['C', 'serialNumber', 'dnQualifier', 'jurisdictionC'])
const IA5_TYPES = new Set(['emailAddress', 'DC', 'unstructuredName'])

/** Short name of an attribute type, or its dotted form. */
export const attributeType = (dotted: string): string => NAME_BY_OID.get(dotted) ?? dotted

/** Dotted identifier of an attribute type. Throws PkiError('malformed') for a type that is neither known nor dotted. */
export function attributeOid(type: string): string {
  const dotted = Object.hasOwn(ATTRIBUTE_TYPES, type) ? ATTRIBUTE_TYPES[type] : type
  if (!dotted || !/^[0-2](?:\.\d+)+$/.test(dotted)) throw malformed(`"${type.slice(0, 40)}" is no attribute type`)
  return dotted
}

/** DER of one attribute value: the string type that RFC 5280 appendix A gives its type, else UTF8String. */
export function encodeValue({ type, value, der }: NameAttribute): Buffer {
  if (der) return der
  // nameProblems reports the values that leave their type's alphabet; here they stay readable.
  if (PRINTABLE_TYPES.has(type) && isPrintable(value)) return printable(value)
  if (IA5_TYPES.has(type) && Buffer.byteLength(value) === value.length) return ia5(value)
  return utf8(value)
}

const STRINGS: ReadonlySet<number> = new Set([
  TAG.utf8,
  TAG.printable,
  TAG.numeric,
  TAG.ia5,
  TAG.visible,
  TAG.teletex,
  TAG.bmp,
  TAG.universal,
])

/** A value as a string, or as hex and DER where it is of another type. Throws PkiError('malformed') for a broken string. */
export function decodeValue(value: Tlv): Pick<NameAttribute, 'value' | 'der'> {
  if (STRINGS.has(value.tag)) return { value: readString(value) }
  return { value: `#${value.der.toString('hex')}`, der: value.der }
}

// RFC 5280 appendix A.1; X.520 for street, postalCode and description; a domain component is one label.
const UPPER_BOUND: Readonly<Record<string, number>> = {
  CN: 64,
  SN: 32768,
  GN: 32768,
  initials: 32768,
  generationQualifier: 32768,
  name: 32768,
  serialNumber: 64,
  L: 128,
  ST: 128,
  street: 128,
  O: 64,
  OU: 64,
  title: 64,
  description: 1024,
  businessCategory: 128,
  postalCode: 40,
  pseudonym: 128,
  emailAddress: 255,
  unstructuredName: 255,
  unstructuredAddress: 255,
  UID: 256,
  DC: 63,
}

/** What is wrong with one attribute, see nameProblems. */
export function attributeProblems({ type, value, der }: NameAttribute): string[] {
  if (der) return ['is not a string']
  const problems: string[] = []
  const length = [...value].length
  const bound = UPPER_BOUND[type]
  if (length === 0) problems.push('is empty')
  if (bound !== undefined && length > bound) problems.push(`has ${length} characters, at most ${bound} are allowed`)
  if (/\p{Cc}/u.test(value)) problems.push('contains control characters')
  if ((type === 'C' || type === 'jurisdictionC') && !/^[A-Z]{2}$/.test(value))
    problems.push('is not a country code of two capital letters')
  else if (PRINTABLE_TYPES.has(type) && !isPrintable(value)) problems.push('has characters outside PrintableString')
  if (IA5_TYPES.has(type) && Buffer.byteLength(value) !== value.length) problems.push('has characters outside ASCII')
  if (!Object.hasOwn(ATTRIBUTE_TYPES, type)) {
    try {
      oid(attributeOid(type))
    } catch (error) {
      if (!(error instanceof PkiError)) throw error
      problems.push('is no attribute type')
    }
  }
  return problems
}
