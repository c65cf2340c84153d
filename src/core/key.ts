import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  generateKeyPair,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import { promisify } from 'node:util'
import type { Database } from '../db/open.ts'
import { withTables } from '../db/tables.ts'
import { publicKeyFrom } from '../pki/publicKey.ts'
import { audit } from './audit/audit.ts'
import { Failure } from './failure.ts'
import { createPlaces } from './places.ts'
import type { Requester } from './requester.ts'
import type { CoreTables } from './tables.ts'
import { uuidv7 } from './uuid.ts'

const version = 1

export type KeySpec = 'P-256' | 'P-384' | 'P-521' | 'RSA-2048' | 'RSA-3072' | 'RSA-4096' | 'Ed25519'

export interface StoredKey {
  id: number
  key: KeyObject
}

/**
 * Seals private keys under the installation's key-encryption key with AES-256-GCM. The key's uuid, its purpose and the
 * format's version are authenticated with it, so that a sealed key cannot be moved to another row or purpose.
 */
export interface KeyVault {
  seal(pkcs8: Buffer, uuid: string, purpose: string): Buffer
  /** Throws Failure('internal') when the key-encryption key is another one, or the bytes were changed. */
  open(sealed: Buffer, uuid: string, purpose: string): Buffer
}

/** `secret`: the key-encryption key, 32 octets. */
export function createKeyVault(secret: Buffer): KeyVault {
  if (secret.length !== 32) throw new Error('a key-encryption key has 32 octets')
  const context = (uuid: string, purpose: string) => Buffer.from(`countersign key ${version}\n${uuid}\n${purpose}`)
  return {
    seal(pkcs8, uuid, purpose) {
      const nonce = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', secret, nonce).setAAD(context(uuid, purpose))
      const body = Buffer.concat([cipher.update(pkcs8), cipher.final()])
      return Buffer.concat([Buffer.of(version), nonce, body, cipher.getAuthTag()])
    },
    open(sealed, uuid, purpose) {
      try {
        if (sealed[0] !== version) throw new Error(`sealed in format ${sealed[0]}`)
        const decipher = createDecipheriv('aes-256-gcm', secret, sealed.subarray(1, 13), { authTagLength: 16 })
        decipher.setAAD(context(uuid, purpose)).setAuthTag(sealed.subarray(-16))
        return Buffer.concat([decipher.update(sealed.subarray(13, -16)), decipher.final()])
      } catch (cause) {
        throw new Failure(
          'internal',
          'a stored key cannot be opened: the key-encryption key is not the one that sealed it',
          { cause },
        )
      }
    },
  }
}

const generate = promisify(generateKeyPair)

/** RSA takes a thread of the pool for a second or more, and others need threads too. */
export const keyPlaces = createPlaces({ name: 'keys', atOnce: 2, waiting: 30, full: 'too many keys are being made' })

/** A new private key. One of RSA takes up to seconds, in a thread of its own: the server answers others meanwhile. */
export async function makePrivateKey(spec: KeySpec): Promise<KeyObject> {
  if (!spec.startsWith('RSA-')) return generateKey(spec)
  return (await keyPlaces.take(() => generate('rsa', { modulusLength: Number(spec.slice(4)) }))).privateKey
}

/** A new private key, at once: of RSA, see makePrivateKey. */
export function generateKey(spec: KeySpec): KeyObject {
  switch (spec) {
    case 'P-256':
    case 'P-384':
    case 'P-521':
      return generateKeyPairSync('ec', { namedCurve: spec }).privateKey
    case 'RSA-2048':
    case 'RSA-3072':
    case 'RSA-4096':
      return generateKeyPairSync('rsa', { modulusLength: Number(spec.slice(4)) }).privateKey
    case 'Ed25519':
      return generateKeyPairSync('ed25519').privateKey
  }
}

/** Stores a private key, sealed, in the caller's transaction. */
export async function storeKey(
  db: Database,
  vault: KeyVault,
  key: { key: KeyObject; purpose: string; organizationId: number | null },
  { actor, at }: { actor: Requester; at: Date },
): Promise<number> {
  const uuid = uuidv7(at)
  const { spkiHash } = publicKeyFrom(key.key)
  const pkcs8 = key.key.export({ format: 'der', type: 'pkcs8' })
  const { id } = await withTables<CoreTables>(db)
    .insertInto('sealed_keys')
    .values({
      uuid,
      purpose: key.purpose,
      spki_hash: spkiHash,
      sealed: vault.seal(pkcs8, uuid, key.purpose),
      created_at: at.getTime(),
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  await audit(db, actor, at, {
    action: 'key.stored',
    organizationId: key.organizationId,
    subject: { kind: 'key', id },
    details: { purpose: key.purpose, spkiHash },
  })
  return id
}

/** Opens a stored private key. Throws Failure('internal') when it is not there or cannot be opened. */
export async function loadKey(db: Database, vault: KeyVault, id: number): Promise<KeyObject> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('sealed_keys')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst()
  if (!row) throw new Failure('internal', 'a stored key is missing')
  return createPrivateKey({ key: vault.open(row.sealed, row.uuid, row.purpose), format: 'der', type: 'pkcs8' })
}
