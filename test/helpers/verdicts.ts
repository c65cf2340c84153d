import { expect } from 'vitest'
import type { CertificateFiles } from './acmeClients.ts'
import { crlEntry, crlText, ocspStatus, serialOf, verifyChain } from './openssl.ts'
import { succeed } from './program.ts'
import type { ServerProcess } from './serverProcess.ts'

/** openssl trusts it for all these names, the key is its own, and the responder says good. Gives the serial number. */
export async function expectGood(server: ServerProcess, files: CertificateFiles, ...names: string[]): Promise<string> {
  for (const name of names) expect(await verifyChain(server, files, name)).toContain('OK')
  const ofCertificate = await succeed('openssl', ['x509', '-in', files.cert, '-noout', '-pubkey'])
  expect(await succeed('openssl', ['pkey', '-in', files.key, '-pubout'])).toBe(ofCertificate)
  const { status, text } = await ocspStatus(server, files)
  expect(status, text).toBe('good')
  return serialOf(files.cert)
}

/** The responder, whose signature holds, and the CRL say revoked. */
export async function expectRevoked(server: ServerProcess, files: CertificateFiles): Promise<void> {
  const { status, verified, text } = await ocspStatus(server, files)
  expect(status, text).toBe('revoked')
  expect(verified, text).toBe(true)
  expect(crlEntry(await crlText(server, files), await serialOf(files.cert)).listed).toBe(true)
}
