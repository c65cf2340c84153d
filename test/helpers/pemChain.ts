import { readFileSync, writeFileSync } from 'node:fs'
import type { CertificateFiles } from './acmeClients.ts'

/** Cuts the file that a client keeps, the certificate and then its issuers, into those that openssl asks for. */
export function cutChain(fullchain: string, key: string): CertificateFiles {
  const blocks = readFileSync(fullchain, 'utf8').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g)
  const [leaf, ...issuers] = blocks ?? []
  if (leaf === undefined || issuers.length === 0) throw new Error(`${fullchain} is not a certificate and its issuers`)
  const files = { cert: `${fullchain}.leaf`, chain: `${fullchain}.issuers`, fullchain, key }
  writeFileSync(files.cert, leaf)
  writeFileSync(files.chain, issuers.join(''))
  return files
}
