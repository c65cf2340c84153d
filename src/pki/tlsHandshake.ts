const HANDSHAKE = 22
const CERTIFICATE = 11

/**
 * The certificates (DER, as they came, unread) that a TLS server has sent before anything was encrypted: up to TLS 1.2 (RFC 5246 section 7.4.2),
 * also where the handshake failed later. `bytes`: all that it sent, from the first octet on. undefined when no whole Certificate message is there,
 * as in TLS 1.3.
 */
export function plainCertificates(bytes: Buffer): Buffer[] | undefined {
  const messages = handshakeOf(bytes)
  for (let at = 0; at + 4 <= messages.length; ) {
    const length = messages.readUIntBE(at + 1, 3)
    const body = messages.subarray(at + 4, at + 4 + length)
    if (body.length < length) return undefined
    if (messages[at] === CERTIFICATE) return listOf(body)
    at += 4 + length
  }
  return undefined
}

/** What the records of the type handshake carry, up to the first of another type (RFC 5246 section 6.2.1). */
function handshakeOf(bytes: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at + 5 <= bytes.length && bytes[at] === HANDSHAKE; ) {
    const length = bytes.readUInt16BE(at + 3)
    parts.push(bytes.subarray(at + 5, at + 5 + length))
    at += 5 + length
  }
  return Buffer.concat(parts)
}

function listOf(body: Buffer): Buffer[] | undefined {
  if (body.length < 3 || body.readUIntBE(0, 3) !== body.length - 3) return undefined
  const list: Buffer[] = []
  for (let at = 3; at < body.length; ) {
    if (at + 3 > body.length) return undefined
    const length = body.readUIntBE(at, 3)
    const der = body.subarray(at + 3, at + 3 + length)
    if (der.length < length) return undefined
    list.push(der)
    at += 3 + length
  }
  return list
}
