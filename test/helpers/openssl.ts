import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CertificateFiles } from './acmeClients.ts'
import { run, succeed } from './program.ts'
import type { ServerProcess } from './serverProcess.ts'

/** openssl's judgement of a certificate that a client got: the chain to the root, for a TLS server of that name. */
export async function verifyChain(
  server: ServerProcess,
  { cert, chain }: CertificateFiles,
  name: string,
): Promise<string> {
  const host = ['-purpose', 'sslserver', '-verify_hostname', name]
  return succeed('openssl', ['verify', '-x509_strict', ...host, '-CAfile', server.rootPem, '-untrusted', chain, cert])
}

/** Lower-case hex, without leading zeros. */
export async function serialOf(cert: string): Promise<string> {
  const text = await succeed('openssl', ['x509', '-in', cert, '-noout', '-serial'])
  return text.trim().replace('serial=', '').toLowerCase()
}

/** What `openssl ocsp` makes of the answer of the responder that the certificate names. */
export async function ocspStatus(
  server: ServerProcess,
  { cert, chain }: Pick<CertificateFiles, 'cert' | 'chain'>,
): Promise<{ status: string; verified: boolean; text: string }> {
  const url = (await succeed('openssl', ['x509', '-in', cert, '-noout', '-ocsp_uri'])).trim()
  const trust = ['-CAfile', server.rootPem, '-verify_other', chain]
  const args = ['ocsp', '-issuer', chain, '-cert', cert, '-url', url, ...trust]
  const { stdout, stderr } = await run('openssl', args, { timeout: 30_000 })
  const text = `${stdout}${stderr}`
  const status = /: (good|revoked|unknown)/.exec(stdout)?.[1] ?? ''
  return { status, verified: text.includes('Response verify OK'), text }
}

/** The CRL that the certificate names, verified, as `openssl crl -text` shows it. */
export async function crlText(server: ServerProcess, { cert, chain }: CertificateFiles): Promise<string> {
  const points = await succeed('openssl', ['x509', '-in', cert, '-noout', '-ext', 'crlDistributionPoints'])
  const url = /URI:(\S+)/.exec(points)?.[1]
  if (url === undefined) throw new Error(`the certificate names no CRL: ${points}`)
  const answer = await fetch(url)
  if (answer.status !== 200) throw new Error(`${url} answered ${answer.status}`)
  const file = join(server.workFolder, 'crl.der')
  writeFileSync(file, Buffer.from(await answer.arrayBuffer()))
  const { code, stdout, stderr } = await run('openssl', [
    'crl',
    '-inform',
    'DER',
    '-in',
    file,
    '-noout',
    '-text',
    '-CAfile',
    chain,
  ])
  if (code !== 0 || !stderr.includes('verify OK')) throw new Error(`openssl does not trust the CRL: ${stderr}`)
  return stdout
}

/** Whether a CRL lists a serial number, and with which reason. */
export function crlEntry(text: string, serial: string): { listed: boolean; reason?: string } {
  const entries = text.split(/Serial Number: /).slice(1)
  const own = entries.find((entry) => entry.split('\n')[0]?.trim().toLowerCase() === serial)
  const reason = own && /Reason Code:\s*\n\s*(.+)/.exec(own)?.[1]?.trim()
  return { listed: own !== undefined, ...(reason === undefined ? {} : { reason }) }
}
