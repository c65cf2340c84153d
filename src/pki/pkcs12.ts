import { createCipheriv, createHash, pbkdf2, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { encodeCipher } from './contentCipher.ts'
import { explicit, implicit, integer, nullValue, octets, oid, seq, setOf, TAG, tlv } from './der.ts'
import { OID } from './oid.ts'
import { passphraseForms, passphraseMac } from './pbe.ts'

// PKCS #12 files (RFC 7292) as programs of today write them: PBES2 with AES-256 (RFC 8018), and the MAC of RFC 7292 appendix B with SHA-256, which is what all
// programs read; PBMAC1 (RFC 9579) is not yet among that.

/** Passwords are random and long: the counts are those of other programs, not more. */
const ENCRYPTION_ITERATIONS = 10_000
const MAC_ITERATIONS = 2048
const deriveInPool = promisify(pbkdf2)

const DATA = '1.2.840.113549.1.7.1'
const ENCRYPTED_DATA = '1.2.840.113549.1.7.6'
const PBES2 = '1.2.840.113549.1.5.13'
const CERT_BAG = '1.2.840.113549.1.12.10.1.3'
const SHROUDED_KEY_BAG = '1.2.840.113549.1.12.10.1.2'
const X509_CERTIFICATE = '1.2.840.113549.1.9.22.1'
const FRIENDLY_NAME = '1.2.840.113549.1.9.20'
const LOCAL_KEY_ID = '1.2.840.113549.1.9.21'

export interface Pkcs12Content {
  /** DER: the certificate of the key, then its issuers. */
  certificates: readonly Buffer[]
  /** PKCS #8, DER. */
  pkcs8: Buffer
  password: string
  /** What programs show of it. */
  name: string
}

/** A PKCS #12 file, DER. */
export async function writePkcs12({ certificates, pkcs8, password, name }: Pkcs12Content): Promise<Buffer> {
  const [form] = passphraseForms(password)
  if (!form) throw new TypeError('a passphrase has a form')
  const [own = Buffer.alloc(0)] = certificates
  const attributes = setOf(
    attribute(FRIENDLY_NAME, tlv(TAG.bmp, Buffer.from(name, 'utf16le').swap16())),
    // By which the key finds its certificate.
    attribute(LOCAL_KEY_ID, octets(createHash('sha1').update(own).digest())),
  )
  const certificateBags = certificates.map((der, at) => {
    const value = seq(oid(X509_CERTIFICATE), explicit(0, octets(der)))
    return seq(oid(CERT_BAG), explicit(0, value), ...(at === 0 ? [attributes] : []))
  })
  const shut = await encrypt(seq(...certificateBags), form.utf8)
  const key = await encrypt(pkcs8, form.utf8)
  const keyBag = seq(oid(SHROUDED_KEY_BAG), explicit(0, seq(key.algorithm, octets(key.content))), attributes)
  const safe = seq(
    seq(oid(ENCRYPTED_DATA), explicit(0, seq(integer(0), seq(oid(DATA), shut.algorithm, implicit(0, shut.content))))),
    seq(oid(DATA), explicit(0, octets(seq(keyBag)))),
  )
  const salt = randomBytes(16)
  const digest = passphraseMac(form.bmp, { salt, iterations: MAC_ITERATIONS }, safe)
  const mac = seq(seq(seq(oid(OID.sha256), nullValue()), octets(digest)), octets(salt), integer(MAC_ITERATIONS))
  return seq(integer(3), seq(oid(DATA), explicit(0, octets(safe))), mac)
}

function attribute(type: string, value: Buffer): Buffer {
  return seq(oid(type), setOf(value))
}

async function encrypt(plain: Buffer, password: Buffer): Promise<{ algorithm: Buffer; content: Buffer }> {
  const salt = randomBytes(16)
  const iv = randomBytes(16)
  const key = await deriveInPool(password, salt, ENCRYPTION_ITERATIONS, 32, 'sha256')
  const cipher = createCipheriv('aes-256-cbc', key, iv)
  const content = Buffer.concat([cipher.update(plain), cipher.final()])
  const prf = seq(oid(OID.hmacWithSHA256), nullValue())
  const derivation = seq(oid(OID.pbkdf2), seq(octets(salt), integer(ENCRYPTION_ITERATIONS), prf))
  return { algorithm: seq(oid(PBES2), seq(derivation, encodeCipher('aes-256-cbc', iv))), content }
}
