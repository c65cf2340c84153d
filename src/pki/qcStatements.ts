import { children, expect, readOid, readString, readTlv, TAG, type Tlv } from './der.ts'
import { malformed } from './error.ts'
import { nonEmpty } from './extensions.ts'

/** Of the extension: RFC 3739 section 3.2.6. */
export const QC_STATEMENTS = '1.3.6.1.5.5.7.1.3'

/** What a qualified certificate says of itself: ETSI EN 319 412-5 section 4. */
export interface QcStatements {
  /** It is a qualified certificate under the law that it names, or under that of the European Union. */
  compliance: boolean
  /** Its private key is in a qualified device for signatures or seals. */
  sscd: boolean
  types: QcType[]
  /** ISO 3166-1 codes of the countries under whose law it is qualified; empty: of the European Union. */
  legislation: string[]
}

export type QcType = 'esign' | 'eseal' | 'web'

// id-etsi-qcs is 0.4.0.1862.1.
const COMPLIANCE = '0.4.0.1862.1.1'
const SSCD = '0.4.0.1862.1.4'
const TYPE = '0.4.0.1862.1.6'
const LEGISLATION = '0.4.0.1862.1.7'
const TYPES = new Map<string, QcType>([
  [`${TYPE}.1`, 'esign'],
  [`${TYPE}.2`, 'eseal'],
  [`${TYPE}.3`, 'web'],
])
const MOST = 64

/** Reads the value of the extension qcStatements; statements and types of others are left aside. Throws PkiError('malformed'). */
export function decodeQcStatements(value: Buffer): QcStatements {
  const statements = children(expect(readTlv(value), TAG.seq, 'qcStatements'), MOST)
  const out: QcStatements = { compliance: false, sscd: false, types: [], legislation: [] }
  for (const statement of nonEmpty(statements, 'qcStatements')) {
    const [id, info, ...rest] = children(expect(statement, TAG.seq, 'QCStatement'), 3)
    if (rest.length > 0) throw malformed('a QCStatement with something left over')
    const oid = readOid(expect(id, TAG.oid, 'statementId'))
    if (oid === COMPLIANCE) out.compliance = withoutInfo(info)
    else if (oid === SSCD) out.sscd = withoutInfo(info)
    else if (oid === TYPE) out.types = typesOf(info)
    else if (oid === LEGISLATION) out.legislation = countriesOf(info)
  }
  return out
}

function withoutInfo(info: Tlv | undefined): true {
  if (info) throw malformed('a QCStatement with a value, where it has none')
  return true
}

function typesOf(info: Tlv | undefined): QcType[] {
  const types = nonEmpty(children(expect(info, TAG.seq, 'QcType'), MOST), 'QcType')
  return types.flatMap((type) => TYPES.get(readOid(type)) ?? [])
}

function countriesOf(info: Tlv | undefined): string[] {
  return nonEmpty(children(expect(info, TAG.seq, 'QcCClegislation'), MOST), 'QcCClegislation').map((country) => {
    const code = readString(expect(country, TAG.printable, 'CountryName'))
    if (!/^[A-Z]{2}$/i.test(code)) throw malformed('a country that is no code of two letters')
    return code.toUpperCase()
  })
}
