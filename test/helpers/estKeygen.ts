import { createPrivateKey, type KeyObject } from 'node:crypto'
import { readCertsOnly } from '../../src/pki/certsOnly.ts'
import { octets, oid, seq, utf8 } from '../../src/pki/der.ts'
import { encodeGeneralNames, type Identifier } from '../../src/pki/identifier.ts'
import { nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { attribute, buildCsr, ecKey, extension, extensionRequest } from './csrs.ts'
import type { EstApp, Sent } from './estApp.ts'
import type { Answered } from './rawHttp.ts'

export interface KeygenWishes {
  host: string
  /** Whose kind tells which is wanted; the request is not signed by it. */
  key?: KeyObject
  /** A SubjectPublicKeyInfo in its place. */
  spki?: Buffer
  challenge?: string
  attributes?: Buffer[]
}

/** A request whose signature is nonsense. */
export function keygenRequest({ host, key = ecKey(), spki, challenge, attributes = [] }: KeygenWishes): Buffer {
  const names: Identifier[] = [{ type: 'dns', value: host }]
  return buildCsr({
    key,
    ...(spki ? { spki } : {}),
    subject: nameOf({ CN: host }),
    attributes: [
      extensionRequest(extension(OID.subjectAltName, encodeGeneralNames(names))),
      ...(challenge === undefined ? [] : [attribute(OID.challengePassword, utf8(challenge))]),
      ...attributes,
    ],
    sign: () => Buffer.alloc(8, 7),
  })
}

export function askKey(
  app: EstApp,
  { host, key, spki, challenge, attributes, ...sent }: KeygenWishes & Partial<Omit<Sent, 'key'>>,
): Promise<Answered> {
  const wishes = {
    host,
    ...(key ? { key } : {}),
    ...(spki ? { spki } : {}),
    ...(challenge === undefined ? {} : { challenge }),
    ...(attributes ? { attributes } : {}),
  }
  return app.ask('/serverkeygen', {
    method: 'POST',
    body: keygenRequest(wishes).toString('base64'),
    headers: { 'Content-Type': 'application/pkcs10' },
    ...sent,
  })
}

/** SMIMECapabilities of these identifiers, without parameters, or as they are. */
export const capabilities = (...list: (string | Buffer)[]): Buffer =>
  attribute(OID.smimeCapabilities, seq(...list.map((each) => (typeof each === 'string' ? seq(oid(each)) : each))))

export const decryptKey = (identifier: Buffer | string): Buffer =>
  attribute(OID.decryptKeyID, octets(Buffer.from(identifier)))
export const asymmetricKey = (identifier: Buffer): Buffer => attribute(OID.asymmDecryptKeyID, octets(identifier))

export interface KeyAnswer {
  /** Of both parts, as they stand. */
  types: string[]
  /** The first part, DER. */
  first: Buffer
  certificate: Buffer
}

/** Takes a multipart answer apart, as strictly as libest; throws where it is not one of two parts. */
export function readKeyAnswer({ status, headers, text }: Answered): KeyAnswer {
  if (status !== 200) throw new Error(`${status}: ${text}`)
  const boundary = /^multipart\/mixed; boundary=([A-Za-z0-9]{1,70})$/.exec(String(headers['content-type']))?.[1]
  if (boundary === undefined) throw new Error(`no boundary in ${headers['content-type']}`)
  const [empty, first, second, end, ...more] = `\r\n${text}`.split(`\r\n--${boundary}`)
  if (empty !== '' || end !== '--\r\n' || more.length > 0) throw new Error(`not two parts: ${text}`)
  const parts = [first, second].map((part) => {
    const [, type, base64] =
      /^\r\nContent-Type: ([^\r\n]+)\r\nContent-Transfer-Encoding: base64\r\n\r\n([A-Za-z0-9+/=\n]+)$/.exec(
        part ?? '',
      ) ?? []
    if (type === undefined || base64 === undefined) throw new Error(`a part that libest does not read: ${part}`)
    return { type, base64 }
  })
  const [key, certs] = parts
  const [certificate, ...others] = readCertsOnly(Buffer.from(certs?.base64 ?? '', 'base64')).certificates
  if (!key || !certificate || others.length > 0) throw new Error('one key and one certificate were awaited')
  return { types: parts.map(({ type }) => type), first: Buffer.from(key.base64, 'base64'), certificate }
}

export const privateKeyOf = (pkcs8: Buffer): KeyObject => createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
