import { berToDer } from './ber.ts'
import { children, context, expect, explicit, oid, readOid, readTlv, seq, TAG, type Tlv } from './der.ts'
import { malformed } from './error.ts'
import { OID } from './oid.ts'

// ContentInfo, RFC 5652 section 3: what every CMS message is wrapped in.

const NAMES = { signedData: 'SignedData', envelopedData: 'EnvelopedData' } as const
export type MessageType = keyof typeof NAMES

/** The fields of a message of this type, in DER or BER, at most `max` of them. Throws PkiError('malformed') for anything else. */
export function readContentInfo(bytes: Buffer, type: MessageType, max: number): Tlv[] {
  const [contentType, content, ...rest] = children(expect(readTlv(berToDer(bytes)), TAG.seq, 'ContentInfo'), 3)
  if (readOid(expect(contentType, TAG.oid, 'contentType')) !== OID[type])
    throw malformed(`a CMS message that is no ${NAMES[type]}`)
  if (rest.length > 0) throw malformed('a ContentInfo with something left over')
  return children(expect(readTlv(expect(content, context(0), NAMES[type]).value), TAG.seq, NAMES[type]), max)
}

/** DER ContentInfo around the fields of a message of this type. */
export const encodeContentInfo = (type: MessageType, ...fields: Buffer[]): Buffer =>
  seq(oid(OID[type]), explicit(0, seq(...fields)))

/** eContentType and the octets of eContent, absent where it is. Throws PkiError('malformed'). */
export function readEncapsulated(encapsulated: Tlv | undefined): { contentType: string; content?: Buffer } {
  const [type, content, ...rest] = children(expect(encapsulated, TAG.seq, 'encapContentInfo'), 3)
  const contentType = readOid(expect(type, TAG.oid, 'eContentType'))
  if (rest.length > 0) throw malformed('an encapContentInfo with something left over')
  if (!content) return { contentType }
  const inner = readTlv(expect(content, context(0), 'eContent').value)
  return { contentType, content: expect(inner, TAG.octets, 'eContent').value }
}
