import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** Keys that were made beforehand and are not given out yet: PKCS#8 in base64, by their size. */
const kept = new Map<number, string[]>()

/** An RSA key pair that nobody else in this process has. Making one takes a tenth of a second, so most were made beforehand: test/vectors. */
export function rsaPair(bits: number): { privateKey: KeyObject; publicKey: KeyObject } {
  const known = keptOf(bits).pop()
  if (known === undefined) return generateKeyPairSync('rsa', { modulusLength: bits })
  const privateKey = createPrivateKey({ key: Buffer.from(known, 'base64'), format: 'der', type: 'pkcs8' })
  return { privateKey, publicKey: createPublicKey(privateKey) }
}

function keptOf(bits: number): string[] {
  if (bits !== 2048 && bits !== 3072) return []
  const already = kept.get(bits)
  if (already) return already
  const text = readFileSync(new URL(`../vectors/rsa-${bits}.txt`, import.meta.url), 'utf8')
  const keys = text.trim().split('\n')
  kept.set(bits, keys)
  return keys
}
