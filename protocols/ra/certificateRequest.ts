import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import { readCertReqMsg, verifyCertReqMsg } from '../../src/pki/crmf.ts'
import { type Csr, parseCsr } from '../../src/pki/csr.ts'
import { children, expect, readTlv, TAG } from '../../src/pki/der.ts'
import { pemDecode } from '../../src/pki/pem.ts'
import { Unprocessable } from './errors.ts'

export const requestFormat = z.enum(['pkcs10', 'crmf'])
export type RequestFormat = z.output<typeof requestFormat>

/** Names of SSH's kinds of keys and certificates (RFC 4253 section 6.6, OpenSSH's PROTOCOL.certkeys and PROTOCOL.u2f). */
const SSH = /^(?:ssh|ecdsa-sha2|sk-ssh|sk-ecdsa-sha2)-[a-z0-9@.-]{1,80}$/

/** The contract knows certificates of SSH, and nothing here keeps or issues them. Throws Unprocessable for one, and for a key of SSH. */
function refuseSsh(given: string, octets: Buffer, what: string): void {
  const line = /^\s*(\S{1,100})[ \t]+AAAA/
  const [length, isBlob] = octets.length > 4 ? [octets.readUInt32BE(0), true] : [0, false]
  const named = isBlob && length <= 100 ? octets.toString('latin1', 4, 4 + length) : ''
  const words = [line.exec(given)?.[1], line.exec(octets.toString('latin1', 0, 200))?.[1], named]
  const kind = words.find((word) => word !== undefined && SSH.test(word))
  if (kind === undefined && !/^\s*---- BEGIN SSH2 /.test(given)) return
  const is = kind?.includes('-cert-v') ? 'certificate' : 'key'
  throw new Unprocessable([
    `${what}: this is an SSH ${is}${kind ? ` (${kind})` : ''}: the certificateType here is X.509`,
  ])
}

/** DER of what stands as PEM, as base64 of DER, or as base64 of PEM: clients of the contract send all three. Throws PkiError, Failure('malformed'), Unprocessable for SSH. */
export function derOf(given: string, what: string): Buffer {
  refuseSsh(given, Buffer.from(given.slice(0, 1000), 'base64'), what)
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
