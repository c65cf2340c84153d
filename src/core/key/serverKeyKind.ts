import { generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import type { KeyWish } from '../../pki/csrAttributes.ts'
import { Failure } from '../failure.ts'
import { keyPlaces } from '../key.ts'
import { keyWish, takes } from '../profile/csrAttributes.ts'
import type { CertificateProfile } from '../profile/profile.ts'

/** What the server makes of RSA; a profile that takes none of these gets its least size. */
const rsaSizes = [2048, 3072, 4096]
/** Making a larger one takes minutes. */
const LARGEST_RSA = 8192

/**
 * Which kind of key is made for a client whose request has a key of this kind: the same, where the profile takes it; of RSA the nearest size that it takes, no
 * smaller one if there is one; else what the profile takes. Throws Failure('badKey') where there is none.
 */
export function serverKeyKind(rules: CertificateProfile['keys'], asked: KeyWish | undefined): KeyWish {
  if (asked?.algorithm === 'RSA' && rules.rsa) {
    const { min, max } = rules.rsa
    const sizes = rsaSizes.filter((size) => size >= min && size <= max)
    const size = sizes.find((each) => each >= asked.size) ?? sizes.at(-1) ?? min
    if (size <= max) return { algorithm: 'RSA', size }
  }
  if (asked && asked.algorithm !== 'RSA' && takes(rules, asked)) return asked
  const kind = keyWish(rules, undefined)
  if (!kind) throw new Failure('badKey', 'this profile takes no kind of key that could be made here')
  return kind
}

/** RSA-3072, P-256, Ed25519: one word for people and for the record. */
export function keyText(kind: KeyWish): string {
  if (kind.algorithm === 'RSA') return `RSA-${kind.size}`
  return kind.algorithm === 'EC' ? kind.curve : kind.algorithm
}

/** Whether a profile takes the kind that was stored as this text. */
export function takesStored(rules: CertificateProfile['keys'], text: string): boolean {
  if (text.startsWith('RSA-')) return takes(rules, { algorithm: 'RSA', size: Number(text.slice(4)) })
  if (text === 'P-256' || text === 'P-384' || text === 'P-521') return takes(rules, { algorithm: 'EC', curve: text })
  return takes(rules, { algorithm: 'Ed25519' })
}

const generate = promisify(generateKeyPair)

/** A new private key, made in the thread pool. Throws Failure('unavailable') where too many are wanted at once. */
export async function makeKey(kind: KeyWish): Promise<KeyObject> {
  if (kind.algorithm === 'RSA' && kind.size > LARGEST_RSA)
    throw new Failure('badKey', `RSA keys of ${kind.size} bits are not made here: ${LARGEST_RSA} at most`)
  return keyPlaces.take(() => generated(kind))
}

async function generated(kind: KeyWish): Promise<KeyObject> {
  switch (kind.algorithm) {
    case 'RSA':
      return (await generate('rsa', { modulusLength: kind.size })).privateKey
    case 'EC':
      return (await generate('ec', { namedCurve: kind.curve })).privateKey
    case 'Ed25519':
      return (await generate('ed25519')).privateKey
  }
}
