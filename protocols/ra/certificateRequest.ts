import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import { readCertReqMsg, verifyCertReqMsg } from '../../src/pki/crmf.ts'
import { type Csr, parseCsr } from '../../src/pki/csr.ts'
import { children, expect, readTlv, TAG } from '../../src/pki/der.ts'
import { pemDecode } from '../../src/pki/pem.ts'

export const requestFormat = z.enum(['pkcs10', 'crmf'])
export type RequestFormat = z.output<typeof requestFormat>

/** DER of what stands as PEM, as base64 of DER, or as base64 of PEM: clients of the contract send all three. Throws PkiError, Failure('malformed'). */
export function derOf(given: string, what: string): Buffer {
  const octets = given.includes('-----BEGIN') ? Buffer.from(given, 'utf8') : fromBase64(given, what)
  if (octets[0] === 0x30) return octets
  const blocks = pemDecode(octets.toString('utf8'))
  const [block, another] = blocks
  if (!block || another) throw new Failure('malformed', `${what} must be exactly one, as base64 of DER or as PEM`)
  return block.der
}

function fromBase64(given: string, what: string): Buffer {
  const compact = given.replace(/[\r\n\t ]+/g, '')
  if (compact === '' || !/^[A-Za-z0-9+/]+={0,2}$/.test(compact))
    throw new Failure('malformed', `${what} must be base64 of DER, or PEM`)
  return Buffer.from(compact, 'base64')
}

/** A certificate request whose key was proved to be in the hands of who made it. Throws Failure('badCsr') and PkiError. */
export function readRequest(given: string, format: RequestFormat): Csr {
  const der = derOf(given, 'request')
  return format === 'crmf' ? verifyCertReqMsg(readCertReqMsg(onlyMessage(der))) : parseCsr(der)
}

/** CRMF comes as one CertReqMsg or as CertReqMessages with one in it (RFC 4211 section 3). */
function onlyMessage(der: Buffer): Buffer {
  const parts = children(expect(readTlv(der), TAG.seq, 'CertReqMessages'), 100)
  const [first, another] = parts
  const [inner] = first?.tag === TAG.seq ? children(first, 100) : []
  if (!first || inner?.tag !== TAG.seq) return der
  if (another) throw new Failure('malformed', 'request holds several CertReqMsg: send one at a time')
  return first.der
}
