import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { bits, bool, context, explicit, integer, octets, oid, seq, set, time, tlv, utf8 } from '../../src/pki/der.ts'

/** What a certificate for acme-tls/1 may have wrong with it. */
export interface AlpnCertificate {
  /** Subject, and issuer unless that is given. */
  name: string
  issuer?: string
  /** GeneralNames; none: no subjectAltName. */
  san?: Buffer[]
  /** Complete extensions besides the subjectAltName. */
  extensions?: Buffer[]
  /** Signs instead of its own key. */
  signer?: KeyObject
}

const ES256 = seq(oid('1.2.840.10045.4.3.2'))
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })

export const dnsName = (name: string): Buffer => tlv(context(2, false), Buffer.from(name, 'latin1'))
export const ipName = (...address: number[]): Buffer => tlv(context(7, false), Buffer.from(address))

export function acmeIdentifier(value: Buffer, critical = true): Buffer {
  const id = oid('1.3.6.1.5.5.7.1.31')
  return critical ? seq(id, bool(true), octets(value)) : seq(id, octets(value))
}

/** A certificate in PEM and its key. */
export function selfSigned(wanted: AlpnCertificate): { key: string; certificate: string } {
  const { name, issuer = name, san, extensions = [], signer = privateKey } = wanted
  const named = (text: string) => seq(set(seq(oid('2.5.4.3'), utf8(text))))
  const now = Date.now()
  const all = [...(san ? [seq(oid('2.5.29.17'), octets(seq(...san)))] : []), ...extensions]
  const tbs = seq(
    explicit(0, integer(2)),
    integer(1),
    ES256,
    named(issuer),
    seq(time(new Date(now - 3600e3)), time(new Date(now + 3600e3))),
    named(name),
    createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
    ...(all.length > 0 ? [explicit(3, seq(...all))] : []),
  )
  const der = seq(tbs, ES256, bits(sign('sha256', tbs, signer)))
  const base64 = der.toString('base64').replace(/.{64}(?=.)/g, '$&\n')
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
  }
}
