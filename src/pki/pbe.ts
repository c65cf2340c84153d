import { createDecipheriv, createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { children, expect, readInteger, readOctets, readOid, readSmallInteger, TAG, type Tlv } from './der.ts'
import { malformed, PkiError, unsupported } from './error.ts'

// Encryption by passphrase, as PKCS #12 files have it: PBES2 (RFC 8018 section 6.2) and the 3DES of RFC 7292 appendix C.

// Ten times what programs write today. More would keep a processor busy for minutes on a file that somebody uploads; the derivation of
// PKCS #12 runs in this thread, a microsecond or two an iteration.
const MAX_ITERATIONS = 10_000_000
const MAX_PKCS12_ITERATIONS = 1_000_000

const deriveInPool = promisify(pbkdf2)

const HASHES: Readonly<Record<string, string>> = {
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
}

const PRFS: Readonly<Record<string, string>> = {
  '1.2.840.113549.2.7': 'sha1',
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
}

const CIPHERS: Readonly<Record<string, { name: string; keyLength: number; ivLength: number }>> = {
  '2.16.840.1.101.3.4.1.2': { name: 'aes-128-cbc', keyLength: 16, ivLength: 16 },
  '2.16.840.1.101.3.4.1.22': { name: 'aes-192-cbc', keyLength: 24, ivLength: 16 },
  '2.16.840.1.101.3.4.1.42': { name: 'aes-256-cbc', keyLength: 32, ivLength: 16 },
  '1.2.840.113549.3.7': { name: 'des-ede3-cbc', keyLength: 24, ivLength: 8 },
}

const PBES2 = '1.2.840.113549.1.5.13'
const PBKDF2 = '1.2.840.113549.1.5.12'
const PBE_SHA1_3DES = '1.2.840.113549.1.12.1.3'

/** A passphrase in the two forms that PKCS #12 uses: UTF-8 for PBES2, big-endian UTF-16 with a closing zero for the rest. */
export interface Passphrase {
  utf8: Buffer
  bmp: Buffer
}

/** The forms to try: for an empty passphrase some programs leave out the closing zero. */
export function passphraseForms(text: string): Passphrase[] {
  const utf8 = Buffer.from(text)
  const bmp = Buffer.from(`${text}\0`, 'utf16le').swap16()
  return text === ''
    ? [
        { utf8, bmp },
        { utf8, bmp: Buffer.alloc(0) },
      ]
    : [{ utf8, bmp }]
}

/**
 * Opens what was encrypted under a passphrase. `algorithm` is the AlgorithmIdentifier. Throws PkiError: `unsupported` for another
 * algorithm (RC2 among them), `malformed` for a wrong passphrase and for damage: the padding cannot tell them apart.
 */
export async function decryptWithPassphrase(algorithm: Tlv, content: Buffer, passphrase: Passphrase): Promise<Buffer> {
  const [oid, parameters] = algorithmParts(algorithm)
  const { cipher, key, iv } =
    oid === PBES2
      ? await pbes2(parameters, passphrase)
      : oid === PBE_SHA1_3DES
        ? tripleDes(parameters, passphrase)
        : refuse(oid)
  try {
    const decipher = createDecipheriv(cipher, key, iv)
    return Buffer.concat([decipher.update(content), decipher.final()])
  } catch (cause) {
    throw malformed('wrong passphrase, or the encrypted part is damaged', { cause })
  }
}

function refuse(oid: string): never {
  throw unsupported(
    `encryption ${oid} is not supported; convert the file with "openssl pkcs12 -legacy -in old.p12 -out new.pem", then import the PEM`,
  )
}

function algorithmParts(algorithm: Tlv | undefined): [string, Tlv] {
  const [oid, parameters] = children(expect(algorithm, TAG.seq, 'AlgorithmIdentifier'), 2)
  return [
    readOid(expect(oid, TAG.oid, 'algorithm')),
    parameters ?? { tag: TAG.null, der: Buffer.alloc(0), value: Buffer.alloc(0) },
  ]
}

function iterationCount(tlv: Tlv | undefined, max: number): number {
  const count = readInteger(expect(tlv, TAG.integer, 'iteration count'))
  if (count < 1n || count > max) throw unsupported(`an iteration count of ${count}`)
  return Number(count)
}

async function pbes2(parameters: Tlv, { utf8 }: Passphrase) {
  const [derivation, encryption] = children(expect(parameters, TAG.seq, 'PBES2 parameters'), 2)
  const [cipherOid, ivOctets] = algorithmParts(encryption)
  const cipher = CIPHERS[cipherOid]
  if (!cipher) throw unsupported(`PBES2 with ${cipherOid}`)
  const iv = readOctets(ivOctets)
  const { keyLength } = cipher
  const key = await pbkdf2Key(derivation, { password: utf8, keyLength, maxIterations: MAX_ITERATIONS })
  return { cipher: cipher.name, key, iv }
}

/** The key that an AlgorithmIdentifier of PBKDF2 (RFC 8018 appendix A.2) makes of a password. Throws PkiError: `malformed`, `unsupported`. */
export async function pbkdf2Key(
  algorithm: Tlv | undefined,
  { password, keyLength, maxIterations }: { password: Buffer; keyLength: number; maxIterations: number },
): Promise<Buffer> {
  const [oid, parameters] = algorithmParts(algorithm)
  if (oid !== PBKDF2) throw unsupported(`the key derivation ${oid} is not supported`)
  const [salt, count, ...optional] = children(expect(parameters, TAG.seq, 'PBKDF2 parameters'), 4)
  const stated = optional.find(({ tag }) => tag === TAG.integer)
  if (stated && readSmallInteger(stated) !== keyLength)
    throw malformed('PBKDF2 with a key length that is not its cipher’s')
  const prf = optional.find(({ tag }) => tag === TAG.seq)
  const hash = PRFS[prf ? algorithmParts(prf)[0] : '1.2.840.113549.2.7']
  if (!hash) throw unsupported('PBKDF2 with a function other than HMAC with SHA-1 or SHA-2')
  const octets = readOctets(expect(salt, TAG.octets, 'salt'))
  return deriveInPool(password, octets, iterationCount(count, maxIterations), keyLength, hash)
}

function tripleDes(parameters: Tlv, { bmp }: Passphrase) {
  const [salt, count] = children(expect(parameters, TAG.seq, 'PBE parameters'), 2)
  const source = {
    hash: 'sha1',
    salt: readOctets(expect(salt, TAG.octets, 'salt')),
    count: iterationCount(count, MAX_PKCS12_ITERATIONS),
    bmp,
  }
  return { cipher: 'des-ede3-cbc', key: deriveKey(source, 1, 24), iv: deriveKey(source, 2, 8) }
}

interface Source {
  hash: string
  salt: Buffer
  count: number
  bmp: Buffer
}

/** Key derivation of RFC 7292 appendix B.2. `id`: 1 key, 2 initial vector, 3 MAC key. */
function deriveKey({ hash, salt, count, bmp }: Source, id: number, length: number): Buffer {
  const block = hash === 'sha1' || hash === 'sha256' ? 64 : 128
  const diversifier = Buffer.alloc(block, id)
  let input = Buffer.concat([repeatToBlocks(salt, block), repeatToBlocks(bmp, block)])
  const out: Buffer[] = []
  for (let have = 0; have < length; ) {
    let digest = createHash(hash).update(diversifier).update(input).digest()
    for (let i = 1; i < count; i++) digest = createHash(hash).update(digest).digest()
    out.push(digest)
    have += digest.length
    input = addToBlocks(input, repeatToBlocks(digest, block).subarray(0, block), block)
  }
  return Buffer.concat(out).subarray(0, length)
}

function repeatToBlocks(bytes: Buffer, block: number): Buffer {
  return bytes.length === 0 ? bytes : Buffer.alloc(Math.ceil(bytes.length / block) * block, bytes)
}

/** Each block of `input` plus `addend` plus 1, modulo 2^(8·block). */
function addToBlocks(input: Buffer, addend: Buffer, block: number): Buffer<ArrayBuffer> {
  const out = Buffer.from(input)
  for (let start = 0; start < out.length; start += block) {
    let carry = 1
    for (let i = block - 1; i >= 0; i--) {
      carry += (out[start + i] ?? 0) + (addend[i] ?? 0)
      out[start + i] = carry & 0xff
      carry >>= 8
    }
  }
  return out
}

/** MacData of a PKCS #12 file, in pieces. */
export interface PassphraseMac {
  hashOid: string
  digest: Buffer
  salt: Buffer
  iterations: number
}

/** HMAC with SHA-256 of a PKCS #12 file that is written, under a passphrase in its UTF-16 form (RFC 7292 section 5.6). */
export function passphraseMac(
  bmp: Buffer,
  { salt, iterations }: Pick<PassphraseMac, 'salt' | 'iterations'>,
  content: Buffer,
): Buffer {
  const key = deriveKey({ hash: 'sha256', salt, count: iterations, bmp }, 3, 32)
  return createHmac('sha256', key).update(content).digest()
}

/** The form of the passphrase under which the MAC fits (RFC 7292 section 4). Throws PkiError: `badSignature` when none does, `unsupported`. */
export function formThatFits(forms: readonly Passphrase[], mac: PassphraseMac, content: Buffer): Passphrase {
  const hash = HASHES[mac.hashOid]
  if (!hash) throw unsupported(`a MAC with hash ${mac.hashOid} is not supported`)
  if (mac.iterations < 1 || mac.iterations > MAX_PKCS12_ITERATIONS)
    throw unsupported(`an iteration count of ${mac.iterations}`)
  const form = forms.find(({ bmp }) => {
    const source = { hash, salt: mac.salt, count: mac.iterations, bmp }
    const key = deriveKey(source, 3, createHash(hash).digest().length)
    const expected = createHmac(hash, key).update(content).digest()
    return expected.length === mac.digest.length && timingSafeEqual(expected, mac.digest)
  })
  if (!form) throw new PkiError('badSignature', 'wrong passphrase, or the file is damaged')
  return form
}
