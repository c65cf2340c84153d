import { createHash } from 'node:crypto'
import { relative } from 'node:path'

export interface Greeting {
  /** DER of the root. */
  root: Buffer
  rootFile: string
  baseUrl: string
  mtlsBaseUrl: string
  httpBaseUrl: string
  http01Port: number
  /** Where the installation was made by this start: the administrator's one-time secret. */
  setupSecret?: string
  /** Whether the demonstration can work: challenges may reach loopback. */
  loopback: boolean
  /** Whether this process may bind ports below 1024, as certbot must. */
  privileged: boolean
}

/** What the server prints when it is ready: what to trust, where to go, what to type next. */
export function greet(greeting: Greeting): string {
  const { root, baseUrl, mtlsBaseUrl, httpBaseUrl, setupSecret } = greeting
  const rootFile = relative(process.cwd(), greeting.rootFile) || greeting.rootFile
  const lines = [
    'countersign is running.',
    '',
    `  Root certificate   ${rootFile}`,
    `  SHA-256            ${fingerprintText(root)}`,
    `  Web console        ${baseUrl}/console`,
    `  ACME directory     ${baseUrl}/acme/default/directory`,
    `  SCEP               ${httpBaseUrl}/scep/default`,
    `  EST                ${mtlsBaseUrl}/.well-known/est`,
    `  REST               ${baseUrl}/api/docs`,
    `  CRL, OCSP, CA      ${httpBaseUrl}`,
  ]
  if (setupSecret !== undefined) {
    lines.push(
      '',
      'First start. Set the administrator’s password (once, within 72 hours), in a browser:',
      '',
      `  ${baseUrl}/console/setup#${setupSecret}`,
      '',
      'or here, by  npx countersign user set-password --setup-link-file -',
      `and, when it asks for the setup link:  ${setupSecret}`,
    )
  }
  if (greeting.loopback)
    lines.push('', 'A first certificate, with certbot on this machine:', '', `  ${certbotCommand(greeting, rootFile)}`)
  return `${lines.join('\n')}\n\n`
}

function certbotCommand({ baseUrl, http01Port, privileged }: Greeting, rootFile: string): string {
  return [
    ...(privileged || http01Port >= 1024 ? [] : ['sudo']),
    `REQUESTS_CA_BUNDLE=${rootFile}`,
    'certbot certonly --standalone --non-interactive --agree-tos --register-unsafely-without-email',
    ...(http01Port === 80 ? [] : [`--http-01-port ${http01Port}`]),
    '--config-dir certbot --work-dir certbot --logs-dir certbot',
    `--server ${baseUrl}/acme/default/directory -d demo.localhost`,
  ].join(' ')
}

/** Octets in upper-case hex with colons, as openssl prints a fingerprint. */
function fingerprintText(der: Buffer): string {
  return createHash('sha256').update(der).digest('hex').toUpperCase().match(/../g)?.join(':') ?? ''
}
