import { children, readTlvPrefix, TAG } from '../../src/pki/der.ts'

/** How a value is written in BER: length left open, lengths in this many octets, OCTET STRINGs in pieces of this size. */
export interface BerForm {
  open: boolean
  lengthOctets: number
  piece: number
}

const END = Buffer.alloc(2)

/** The same value in BER, all the way down. */
export function asBer(der: Buffer, form: BerForm): Buffer {
  const { tag, value } = readTlvPrefix(der, 0)
  if (tag === TAG.octets && form.piece > 0 && value.length > form.piece) {
    const pieces = []
    for (let at = 0; at < value.length; at += form.piece)
      pieces.push(primitive(TAG.octets, value.subarray(at, at + form.piece), form))
    return constructed(TAG.octets | 0x20, pieces, form)
  }
  if (!(tag & 0x20)) return primitive(tag, value, form)
  return constructed(
    tag,
    children(value).map((inner) => asBer(inner.der, form)),
    form,
  )
}

function primitive(tag: number, value: Buffer, form: BerForm): Buffer {
  return Buffer.concat([header(tag, value.length, form), value])
}

function constructed(tag: number, parts: Buffer[], form: BerForm): Buffer {
  const content = Buffer.concat(parts)
  if (form.open) return Buffer.concat([Buffer.of(tag, 0x80), content, END])
  return Buffer.concat([header(tag, content.length, form), content])
}

function header(tag: number, length: number, { lengthOctets }: BerForm): Buffer {
  if (lengthOctets === 0 && length < 0x80) return Buffer.of(tag, length)
  const octets = Math.max(lengthOctets, 4)
  const out = Buffer.alloc(2 + octets)
  out[0] = tag
  out[1] = 0x80 | octets
  out.writeUInt32BE(length, 2 + octets - 4)
  return out
}
