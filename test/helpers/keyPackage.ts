import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { children, explicit, oid, readTlv, seq } from '../../src/pki/der.ts'
import { OID } from '../../src/pki/oid.ts'
import { pem } from './pkiSamples.ts'

/** With what openssl opens an envelope. */
export type OpenWith = { certificate: Buffer; keyPem: string } | { secret: Buffer; identifier: Buffer }

/** What is in a message for whom it is closed, by openssl; throws where it cannot open it. */
export function decryptByOpenssl(envelope: Buffer, by: OpenWith): Buffer {
  const key =
    'secret' in by
      ? ['-secretkey', by.secret.toString('hex'), '-secretkeyid', by.identifier.toString('hex')]
      : ['-recip', 'recipient.pem', '-inkey', 'key.pem']
  const files = 'secret' in by ? {} : { 'recipient.pem': pem(by.certificate), 'key.pem': by.keyPem }
  const args = ['cms', '-decrypt', '-binary', '-inform', 'PEM', '-in', 'envelope', ...key, '-out', 'content']
  return output({ ...files, envelope: pem(envelope, 'CMS') }, args)
}

/** The content of a SignedData, by openssl, which trusts the root; `chain` comes with the message. Throws for a signature that does not hold. */
export function verifyByOpenssl(signedData: Buffer, root: Buffer): Buffer {
  const message = seq(oid(OID.signedData), explicit(0, signedData))
  const args = [
    'cms',
    '-verify',
    '-binary',
    '-inform',
    'PEM',
    '-in',
    'message',
    '-CAfile',
    'root.pem',
    '-purpose',
    'any',
    '-no_check_time',
    '-out',
    'content',
  ]
  return output({ message: pem(message, 'CMS'), 'root.pem': pem(root) }, args)
}

/** The octets of the file `content` that openssl writes. */
function output(files: Record<string, string>, args: string[]): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'key-package-'))
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
    execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
    return readFileSync(join(folder, 'content'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The one PKCS #8 in an AsymmetricKeyPackage. */
export function keyInPackage(content: Buffer): Buffer {
  const [key, ...more] = children(readTlv(content))
  if (!key || more.length > 0) throw new Error('a package without one key')
  return key.der
}
