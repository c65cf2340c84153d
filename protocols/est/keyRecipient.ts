import { Failure } from '../../src/core/failure.ts'
import { identifies, keptBareCertificate } from '../../src/pki/certificateIdentifier.ts'
import { type CertificateFields, readCertificate } from '../../src/pki/certificateReader.ts'
import type { ContentCipher } from '../../src/pki/contentCipher.ts'
import { unsupported } from '../../src/pki/error.ts'
import type { KeyPackageDraft } from '../../src/pki/keyPackage.ts'
import type { KeyEncryption } from '../../src/pki/keyRequest.ts'
import type { KeyWrap } from '../../src/pki/keyWrap.ts'
import {
  canUnwrap,
  chooseAgreement,
  chooseCipher,
  chooseTransport,
  type SmimeCapabilities,
} from '../../src/pki/smimeCapabilities.ts'
import type { Client } from './client.ts'
import type { Exchange } from './exchange.ts'

type Closing = Pick<KeyPackageDraft, 'recipient' | 'cipher'>

/**
 * To which key a private key is encrypted: one that is known beforehand, and never the one in the request (RFC 7030 sections 4.4.1.1, 4.4.1.2). Throws
 * Failure('badCsr') for one that is not known, PkiError('unsupported') where the client can open nothing that could be closed here.
 */
export async function closingFor(exchange: Exchange, client: Client, encryption: KeyEncryption): Promise<Closing> {
  const { identifier, symmetric, capabilities } = encryption
  if (symmetric) return toSecretKey(exchange, encryption)
  const certificate = known(exchange, client).find((der) =>
    identifies({ keyIdentifier: identifier }, keptBareCertificate(der)),
  )
  if (!certificate) throw unknown('AsymmetricDecryptKeyIdentifier', identifier)
  const fields = readCertificate(certificate)
  if (fields.notBefore > exchange.now || fields.notAfter <= exchange.now)
    throw new Failure('badCsr', 'the certificate of the key to encrypt to is not valid now')
  return toCertificate(fields, capabilities)
}

async function toSecretKey({ door, profile }: Exchange, { identifier, capabilities }: KeyEncryption): Promise<Closing> {
  const kek = await door.serverKeys.kek(profile, identifier)
  if (!kek) throw unknown('DecryptKeyIdentifier', identifier)
  if (!canUnwrap(capabilities, kek.wrap))
    throw unsupported(`the key to encrypt to is for ${kek.wrap}, which the SMIMECapabilities do not name`)
  return { recipient: { kek }, cipher: chooseCipher(capabilities, ciphers[kek.wrap]) }
}

/** The profile's own list, and what the client has shown: the handshake has proved that he has its key. */
function known({ options }: Exchange, { certificate, registrationAuthority, device }: Client): Buffer[] {
  const shown = certificate?.der ?? registrationAuthority?.der ?? device?.certificate.der
  return [...options.serverkeygen.recipients, ...(shown ? [shown] : [])]
}

function unknown(attribute: string, identifier: Buffer): Failure {
  const text = identifier.toString('latin1')
  const shown = /^[\x21-\x7e]{1,100}$/.test(text) ? text : `hex:${identifier.toString('hex')}`
  return new Failure('badCsr', `no key to encrypt to is known here by the ${attribute} ${shown}`)
}

/** As strong as the key that opens it. */
const ciphers = {
  'aes-128-wrap': 'aes-128-cbc',
  'aes-192-wrap': 'aes-192-cbc',
  'aes-256-wrap': 'aes-256-cbc',
} satisfies Record<KeyWrap, ContentCipher>

function toCertificate(certificate: CertificateFields, capabilities: SmimeCapabilities): Closing {
  const by = { certificate: certificate.der, byKeyIdentifier: true }
  if (keyUse(certificate) === 'transport') {
    const transport = chooseTransport(capabilities)
    return { recipient: { ...by, transport }, cipher: chooseCipher(capabilities, 'aes-256-cbc') }
  }
  const agreement = chooseAgreement(capabilities)
  return { recipient: { ...by, agreement }, cipher: chooseCipher(capabilities, ciphers[agreement.wrap]) }
}

const MIN_RSA_BITS = 2048

/**
 * What a certified key is used for: RFC 7030 section 4.4.1.2 wants keyEncipherment or keyAgreement said, or nothing restricted. Throws PkiError('unsupported') for
 * a key that opens nothing.
 */
export function keyUse({ publicKey, keyUsage }: CertificateFields): 'transport' | 'agreement' {
  const may = (usage: 'keyEncipherment' | 'keyAgreement') => keyUsage === undefined || keyUsage.includes(usage)
  const { algorithm, size } = publicKey
  if (algorithm === 'RSA' && size < MIN_RSA_BITS)
    throw unsupported(`private keys are encrypted to RSA keys of ${MIN_RSA_BITS} bits or more`)
  if (algorithm === 'RSA' && may('keyEncipherment')) return 'transport'
  if (algorithm === 'EC' && may('keyAgreement')) return 'agreement'
  throw unsupported(
    'nothing can be encrypted to this key: its certificate must allow keyEncipherment (RSA) or keyAgreement (EC), or restrict nothing',
  )
}
