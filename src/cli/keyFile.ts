import { createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { closeSync, fsyncSync, openSync, writeFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { Failure } from '../core/failure.ts'
import { readText } from './inputFile.ts'

const generate = promisify(generateKeyPair)

/** Kinds of keys that are made here. */
export const keyTypes = ['P-256', 'P-384', 'P-521', 'RSA-2048', 'RSA-3072', 'RSA-4096', 'Ed25519'] as const

/** Throws Failure('badKey'). */
export async function newKey(type: string): Promise<KeyObject> {
  if (!keyTypes.some((one) => one === type)) throw new Failure('badKey', `${type}: a key is ${keyTypes.join(', ')}`)
  if (type === 'Ed25519') return (await generate('ed25519')).privateKey
  if (type.startsWith('RSA-')) return (await generate('rsa', { modulusLength: Number(type.slice(4)) })).privateKey
  return (await generate('ec', { namedCurve: type })).privateKey
}

/** PKCS #8 in PEM, for its owner alone to read. */
export function writeKey(file: string, key: KeyObject): void {
  writeNew(file, key.export({ format: 'pem', type: 'pkcs8' }).toString(), 0o600)
}

/** A file that was not there, all of it on the disk. Throws Failure('malformed'): nothing is ever overwritten. */
export function writeNew(file: string, content: string | Buffer, mode = 0o644): void {
  try {
    const opened = openSync(file, 'wx', mode)
    try {
      writeFileSync(opened, content)
      fsyncSync(opened)
    } finally {
      closeSync(opened)
    }
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    const why = code === 'EEXIST' ? 'is there already, and nothing is overwritten' : `cannot be written (${code})`
    throw new Failure('malformed', `${file}: ${why}`, { cause })
  }
}

/** A private key in PEM. Throws Failure('malformed'). */
export function readKey(file: string): KeyObject {
  try {
    return createPrivateKey(readText(file))
  } catch (cause) {
    if (cause instanceof Failure) throw cause
    throw new Failure('malformed', `${file}: a private key in PEM is needed, without a passphrase`, { cause })
  }
}
