import { randomBytes } from 'node:crypto'
import { ATTRIBUTE, MESSAGE_TYPE } from '../../protocols/scep/attributes.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { readCertsOnly } from '../../src/pki/certsOnly.ts'
import type { ContentCipher } from '../../src/pki/contentCipher.ts'
import { octets, printable, readOctets, readString, seq, time, utf8 } from '../../src/pki/der.ts'
import type { Digest } from '../../src/pki/digest.ts'
import {
  type EnvelopeRecipient,
  openEnvelopedData,
  readEnvelopedData,
  writeEnvelopedData,
} from '../../src/pki/envelopedData.ts'
import { encodeGeneralNames, type Identifier } from '../../src/pki/identifier.ts'
import { decryptionKey, type KeyTransport } from '../../src/pki/keyTransport.ts'
import { encodeName, nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { readSignedData, verifySignedData } from '../../src/pki/signedData.ts'
import { messageSigner, writeSignedData } from '../../src/pki/signedDataWriter.ts'
import { signerFor } from '../../src/pki/signer.ts'
import { type Party, party } from './cms.ts'
import { attribute, buildCsr, extension, extensionRequest } from './csrs.ts'
import type { KeyKind } from './pkiSamples.ts'

/** A device with a key and the certificate that it made for it. Names that are not given before have new keys. */
export const device = (cn: string, kind: KeyKind = 'RSA-2048'): Party => party(kind, { cn })

export interface CsrWishes {
  subject?: Record<string, string>
  dns?: string[]
  challenge?: string
  extensions?: Buffer[]
}

/** A PKCS#10 request of a device's key. */
export function csrOf({ key }: Party, { subject = {}, dns = [], challenge, extensions = [] }: CsrWishes): Buffer {
  const identifiers: Identifier[] = dns.map((value) => ({ type: 'dns', value }))
  const wanted = [
    ...(dns.length > 0 ? [extension(OID.subjectAltName, encodeGeneralNames(identifiers))] : []),
    ...extensions,
  ]
  return buildCsr({
    key,
    subject: nameOf(subject),
    algorithm: signerFor(key).algorithm,
    attributes: [
      ...(challenge === undefined ? [] : [attribute(OID.challengePassword, utf8(challenge))]),
      ...(wanted.length > 0 ? [extensionRequest(...wanted)] : []),
    ],
  })
}

export interface MessageWishes {
  type?: keyof typeof MESSAGE_TYPE
  /** In place of the number of the type. */
  messageType?: Buffer
  /** What goes into the envelope. */
  data: Buffer
  /** Who signs. */
  by: Party
  /** To whom the envelope goes. */
  to: Buffer
  transactionId?: string
  nonce?: Buffer | 'none'
  cipher?: ContentCipher
  transport?: KeyTransport
  digest?: Digest
  signingTime?: Date
  /** Contents of the SignedData in place of the envelope. */
  content?: Buffer | 'none'
}

/** A pkiMessage, RFC 8894 section 3.2. */
export async function scepMessage(wishes: MessageWishes): Promise<Buffer> {
  const { type = 'PKCSReq', by, transactionId = 'transaction', nonce = randomBytes(16), digest = 'sha256' } = wishes
  const recipient: EnvelopeRecipient = { certificate: wishes.to, transport: wishes.transport ?? 'rsaes-pkcs1' }
  const content = wishes.content ?? (await writeEnvelopedData(wishes.data, recipient, wishes.cipher ?? 'aes-128-cbc'))
  return writeSignedData(
    {
      ...(content === 'none' ? {} : { content }),
      digest,
      attributes: [
        { oid: ATTRIBUTE.messageType, value: wishes.messageType ?? printable(MESSAGE_TYPE[type]) },
        { oid: ATTRIBUTE.transactionId, value: printable(transactionId) },
        ...(nonce === 'none' ? [] : [{ oid: ATTRIBUTE.senderNonce, value: octets(nonce) }]),
        ...(wishes.signingTime ? [{ oid: OID.signingTime, value: time(wishes.signingTime) }] : []),
      ],
    },
    messageSigner(by.certificate, by.key),
  )
}

/** IssuerAndSubject, section 3.3.3. */
export const issuerAndSubject = (issuer: Record<string, string>, subject: Record<string, string>): Buffer =>
  seq(encodeName(nameOf(issuer)), encodeName(nameOf(subject)))

export interface Reply {
  pkiStatus: 'SUCCESS' | 'FAILURE' | 'PENDING' | undefined
  failInfo?: string
  text?: string
  transactionId: string
  senderNonce: Buffer
  recipientNonce?: Buffer
  digest: Digest
  /** DER of the certificate that signed it. */
  signer: Buffer
  /** Of the inner message, in its order. */
  certificates: Buffer[]
  crls: Buffer[]
  cipher?: ContentCipher
  transport?: KeyTransport | 'password'
}

const STATUS = { '0': 'SUCCESS', '2': 'FAILURE', '3': 'PENDING' } as const
const FAIL_INFO = ['badAlg', 'badMessageCheck', 'badRequest', 'badTime', 'badCertId']

/** Checks the signature of a CertRep, and opens it where it has content. */
export async function readReply(bytes: Buffer, reader?: Party, password?: string): Promise<Reply> {
  const digests = ['sha1', 'sha224', 'sha256', 'sha384', 'sha512'] as const
  const signed = verifySignedData(readSignedData(bytes), { digests, contentMayBeAbsent: true })
  const text = (type: string) => {
    const value = signed.attributes.get(type)
    return value === undefined ? undefined : readString(value)
  }
  const nonce = (type: string) => {
    const value = signed.attributes.get(type)
    return value === undefined ? undefined : readOctets(value)
  }
  const failInfo = text(ATTRIBUTE.failInfo)
  const recipientNonce = nonce(ATTRIBUTE.recipientNonce)
  const detail = text(ATTRIBUTE.failInfoText)
  return {
    pkiStatus: STATUS[text(ATTRIBUTE.pkiStatus) as keyof typeof STATUS],
    ...(failInfo === undefined ? {} : { failInfo: FAIL_INFO[Number(failInfo)] ?? failInfo }),
    ...(detail === undefined ? {} : { text: detail }),
    transactionId: text(ATTRIBUTE.transactionId) ?? '',
    senderNonce: nonce(ATTRIBUTE.senderNonce) ?? Buffer.alloc(0),
    ...(recipientNonce ? { recipientNonce } : {}),
    digest: signed.digest,
    signer: signed.signer.der,
    ...(await inner(signed.content, reader, password)),
  }
}

async function inner(
  content: Buffer | undefined,
  reader: Party | undefined,
  password: string | undefined,
): Promise<Pick<Reply, 'certificates' | 'crls' | 'cipher' | 'transport'>> {
  if (!content?.length) return { certificates: [], crls: [] }
  const ciphers = ['aes-128-cbc', 'aes-192-cbc', 'aes-256-cbc', 'des-ede3-cbc', 'des-cbc'] as const
  const keys = reader && reader.key.asymmetricKeyType === 'rsa' ? [decryptionKey(reader.certificate, reader.key)] : []
  const opened = await openEnvelopedData(readEnvelopedData(content), {
    keys,
    ciphers,
    ...(password === undefined ? {} : { password: Buffer.from(password) }),
  })
  const { cipher, transport } = opened
  return { ...readCertsOnly(opened.content), cipher, transport }
}

/** The one certificate of a SUCCESS. */
export function leafOf({ certificates: [leaf] }: Reply) {
  if (!leaf) throw new Error('the answer has no certificate')
  return readCertificate(leaf)
}

/** To whom envelopes go: the first certificate of GetCACert. */
export async function scepRecipient(from: string): Promise<Buffer> {
  const answer = await fetch(from)
  const der = Buffer.from(await answer.arrayBuffer())
  const [first = der] =
    answer.headers.get('content-type') === 'application/x-x509-ca-cert' ? [der] : readCertsOnly(der).certificates
  return first
}
