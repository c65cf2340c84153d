import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import type { Host } from '../../src/protocol.ts'

const NONCE = 12
const TAG = 16

/** The secret of a session as it rests in the database: whoever reads that does not become its user. AES-256-GCM, bound to its row. */
export function sealSession({ secret }: Host, session: string, uuid: string): Buffer {
  const nonce = randomBytes(NONCE)
  const cipher = createCipheriv('aes-256-gcm', keyOf(secret), nonce).setAAD(Buffer.from(uuid))
  const sealed = Buffer.concat([cipher.update(session, 'utf8'), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed])
}

/** Throws for what was not sealed here. */
export function openSealedSession({ secret }: Host, sealed: Buffer, uuid: string): string {
  const decipher = createDecipheriv('aes-256-gcm', keyOf(secret), sealed.subarray(0, NONCE))
    .setAAD(Buffer.from(uuid))
    .setAuthTag(sealed.subarray(NONCE, NONCE + TAG))
  return Buffer.concat([decipher.update(sealed.subarray(NONCE + TAG)), decipher.final()]).toString('utf8')
}

function keyOf(secret: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', 'fastpki sessions', 32))
}
