import { createPrivateKey, type KeyObject } from 'node:crypto'
import type {
  AlgorithmIdentifier,
  AuthenticatedSafe,
  ContentInfo,
  EncryptedData,
  PFX,
  PKCS8ShroudedKeyBag,
  PrivateKeyInfo,
  SafeContents,
} from 'pkijs'
import { readTlv, type Tlv } from './der.ts'
import { malformed, PkiError, unsupported } from './error.ts'
import { decryptWithPassphrase, formThatFits, type Passphrase, passphraseForms } from './pbe.ts'
import { pemDecode } from './pem.ts'

// Cold path: what people upload. Nothing here runs while certificates are issued.

/** Certificates (DER) in the order of the file, and the private key if there is one. */
export interface ImportedBundle {
  certificates: Buffer[]
  privateKey?: KeyObject
}

const KEY_BLOCK = /-----BEGIN ((?:[A-Z]+ )*PRIVATE KEY)-----[^-]*(?:-(?!----END)[^-]*)*-----END \1-----/g
const CERTIFICATE_LABELS: ReadonlySet<string> = new Set(['CERTIFICATE', 'X509 CERTIFICATE'])
/** Other blocks that stand beside keys and say nothing new. */
const IGNORED_LABELS: ReadonlySet<string> = new Set(['EC PARAMETERS', 'DH PARAMETERS', 'PUBLIC KEY'])

/**
 * Reads a PEM file: certificates, and at most one private key (PKCS #8, also encrypted, or the traditional forms, also encrypted as
 * RFC 1421 does). Throws PkiError: `malformed`, also for a wrong or missing passphrase; `unsupported` for a block of another kind.
 */
export function readPemBundle(text: string, passphrase?: string): ImportedBundle {
  const keys = [...text.matchAll(KEY_BLOCK)].map(([block]) => block)
  if (keys.length > 1) throw malformed('more than one private key')
  const certificates: Buffer[] = []
  for (const { label, der } of pemDecode(text.replace(KEY_BLOCK, ''))) {
    if (CERTIFICATE_LABELS.has(label)) certificates.push(readTlv(der).der)
    else if (!IGNORED_LABELS.has(label)) throw unsupported(`a PEM block of kind ${label} is not supported here`)
  }
  const [key] = keys
  return { certificates, ...(key === undefined ? {} : { privateKey: openKey(key, passphrase) }) }
}

function openKey(pem: string, passphrase: string | undefined): KeyObject {
  try {
    // Without a passphrase OpenSSL would ask on the terminal; an empty one makes it fail.
    return createPrivateKey({ key: pem, format: 'pem', passphrase: passphrase ?? '' })
  } catch (cause) {
    throw malformed('the private key cannot be read: it is damaged, or the passphrase is wrong or missing', { cause })
  }
}

/**
 * Reads a PKCS #12 file (RFC 7292): PBES2 with AES or 3DES, and the older 3DES with SHA-1. A file encrypted with RC2, the default of programs
 * before 2021, is `unsupported`. Throws PkiError: `badSignature` for a wrong passphrase, `malformed`, `unsupported`.
 */
export async function readPkcs12(der: Buffer, passphrase: string): Promise<ImportedBundle> {
  try {
    return await readPfx(der, passphrase)
  } catch (error) {
    if (error instanceof PkiError) throw error
    throw malformed('the file is no PKCS #12 file', { cause: error })
  }
}

type Pkijs = typeof import('pkijs')

const DATA = '1.2.840.113549.1.7.1'
const ENCRYPTED_DATA = '1.2.840.113549.1.7.6'
const X509_CERTIFICATE = '1.2.840.113549.1.9.22.1'

async function readPfx(der: Buffer, text: string): Promise<ImportedBundle> {
  // By pkijs, because many of these files are BER. Loaded late: it costs 60 ms and few processes need it.
  const pkijs: Pkijs = await import('pkijs')
  const pfx: PFX = pkijs.PFX.fromBER(der)
  if (pfx.authSafe.contentType !== DATA) throw unsupported('a PKCS #12 file that is sealed with a public key')
  const content = octetsOf(pfx.authSafe.content)
  const passphrase = checkMac(pfx, content, passphraseForms(text))
  const safe: AuthenticatedSafe = pkijs.AuthenticatedSafe.fromBER(content)
  const bundle: ImportedBundle = { certificates: [] }
  for (const part of safe.safeContents) {
    const plain = part.contentType === DATA ? octetsOf(part.content) : await decryptPart(pkijs, part, passphrase)
    await addBags(pkijs, bundle, pkijs.SafeContents.fromBER(plain), passphrase)
  }
  return bundle
}

function checkMac({ macData }: PFX, content: Buffer, forms: Passphrase[]): Passphrase {
  const [first] = forms
  if (!first) throw malformed('no passphrase')
  if (!macData) return first
  const mac = {
    hashOid: macData.mac.digestAlgorithm.algorithmId,
    digest: Buffer.from(macData.mac.digest.getValue()),
    salt: Buffer.from(macData.macSalt.getValue()),
    iterations: macData.iterations ?? 1,
  }
  return formThatFits(forms, mac, content)
}

/** Contents of an OCTET STRING of asn1js, put together where BER has it in pieces. */
function octetsOf(value: unknown): Buffer {
  const content =
    value instanceof Object && 'getValue' in value && typeof value.getValue === 'function'
      ? value.getValue()
      : undefined
  if (!(content instanceof ArrayBuffer)) throw malformed('a PKCS #12 part without contents')
  return Buffer.from(content)
}

async function decryptPart(pkijs: Pkijs, part: ContentInfo, passphrase: Passphrase): Promise<Buffer> {
  if (part.contentType !== ENCRYPTED_DATA)
    throw unsupported(`a PKCS #12 part of type ${part.contentType} is not supported`)
  const { encryptedContentInfo }: EncryptedData = new pkijs.EncryptedData({ schema: part.content })
  const { contentEncryptionAlgorithm } = encryptedContentInfo
  const content = Buffer.from(encryptedContentInfo.getEncryptedContent())
  return decryptWithPassphrase(algorithmOf(contentEncryptionAlgorithm), content, passphrase)
}

const algorithmOf = (algorithm: AlgorithmIdentifier): Tlv => readTlv(Buffer.from(algorithm.toSchema().toBER()))

async function addBags(
  pkijs: Pkijs,
  bundle: ImportedBundle,
  bags: SafeContents,
  passphrase: Passphrase,
): Promise<void> {
  for (const { bagValue } of bags.safeBags) {
    if (bagValue instanceof pkijs.CertBag) {
      if (bagValue.certId !== X509_CERTIFICATE) throw unsupported('a certificate that is not X.509')
      bundle.certificates.push(readTlv(octetsOf(bagValue.certValue)).der)
    } else if (bagValue instanceof pkijs.PKCS8ShroudedKeyBag || bagValue instanceof pkijs.PrivateKeyInfo) {
      if (bundle.privateKey) throw malformed('more than one private key')
      bundle.privateKey = importKey(await keyOf(pkijs, bagValue, passphrase))
    }
    // CRLs, secrets and nested parts are nothing that a CA is made of.
  }
}

async function keyOf(pkijs: Pkijs, bag: PKCS8ShroudedKeyBag | PrivateKeyInfo, passphrase: Passphrase): Promise<Buffer> {
  if (bag instanceof pkijs.PrivateKeyInfo) return Buffer.from(bag.toSchema().toBER())
  return decryptWithPassphrase(algorithmOf(bag.encryptionAlgorithm), octetsOf(bag.encryptedData), passphrase)
}

function importKey(pkcs8: Buffer): KeyObject {
  try {
    return createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
  } catch (cause) {
    throw malformed('the private key in the file cannot be used', { cause })
  }
}
