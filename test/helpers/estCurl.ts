import { expect } from 'vitest'
import { type EstServer, newCsr, newKey } from './estServer.ts'
import { run, succeed } from './program.ts'

/** One exchange by curl. */
export interface CurlAnswer {
  status: number
  /** The head as it came. */
  head: string
  /** Of the body as it came. */
  text: string
}

export interface CurlRequest {
  /** Default: none, for the profile `default`. */
  label?: string
  operation: string
  /** PEM or DER in base64, as --data-binary; absent: GET. */
  body?: string
  contentType?: string
  /** user:password. */
  basic?: string
  bearer?: string
  /** Files of the client's certificate and key. */
  client?: { cert: string; key: string }
  headers?: string[]
  /** In place of the server's. */
  url?: string
  more?: string[]
}

/** Asks with curl, HTTP/1.1 over whatever TLS the two agree on. */
export async function curlEst(server: EstServer, request: CurlRequest): Promise<CurlAnswer> {
  const { label, operation, body, contentType = 'application/pkcs10', basic, bearer, client } = request
  const { headers = [], url = server.url, more = [] } = request
  const path = `${url}/.well-known/est${label === undefined ? '' : `/${label}`}/${operation}`
  const lines = [...headers, ...(body === undefined ? [] : [`Content-Type: ${contentType}`])]
  if (bearer !== undefined) lines.push(`Authorization: Bearer ${bearer}`)
  const args = [
    ...['-sS', '-i', '--http1.1', '--cacert', server.process.rootPem, ...more],
    ...lines.flatMap((line) => ['-H', line]),
    ...(basic === undefined ? [] : ['-u', basic]),
    ...(client ? ['--cert', client.cert, '--key', client.key] : []),
    ...(body === undefined ? [] : ['--data-binary', '@-']),
    path,
  ]
  const { code, stdout, stderr } = await run('curl', args, { input: body ?? '', timeout: 30_000 })
  if (code !== 0) throw new Error(`curl ended with ${code}: ${stderr}`)
  return split(stdout)
}

/** Answers of 100 and of a proxy come before. */
function split(text: string): CurlAnswer {
  const end = text.indexOf('\r\n\r\n')
  const head = text.slice(0, end)
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1])
  const rest = text.slice(end + 4)
  return status === 100 ? split(rest) : { status, head, text: rest }
}

/** PEM of the certificates in a certs-only answer, as openssl reads it. */
export async function certificatesIn(base64: string): Promise<string[]> {
  const pem = `-----BEGIN PKCS7-----\n${base64.trim()}\n-----END PKCS7-----\n`
  const said = await succeed('openssl', ['pkcs7', '-print_certs'], { input: pem })
  return said.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g) ?? []
}

/** What cacerts gives, as files. */
export async function authoritiesOf(server: EstServer, label: string): Promise<{ root: string; issuing: string }> {
  const answer = await curlEst(server, { label, operation: 'cacerts' })
  expect(answer).toMatchObject({ status: 200, head: expect.stringContaining('Content-Type: application/pkcs7-mime\r') })
  const [issuing, root, ...more] = await certificatesIn(answer.text)
  expect(more).toEqual([])
  return { root: server.file(`${label}-root.pem`, root), issuing: server.file(`${label}-issuing.pem`, issuing) }
}

/** openssl's judgement of a certificate, for a TLS client and for a TLS server of that name. */
export async function verifyBelow(
  server: EstServer,
  { label, cert, name }: { label: string; cert: string; name: string },
): Promise<void> {
  const { root, issuing } = await authoritiesOf(server, label)
  const files = ['-CAfile', root, '-untrusted', issuing, cert]
  await succeed('openssl', ['verify', '-x509_strict', '-purpose', 'sslserver', '-verify_hostname', name, ...files])
  await succeed('openssl', ['verify', '-x509_strict', '-purpose', 'sslclient', ...files])
}

export interface CurlOrder extends Pick<CurlRequest, 'basic' | 'bearer' | 'client' | 'headers' | 'url' | 'more'> {
  label: string
  name: string
  kind?: 'EC' | 'RSA'
}

/** A key and its certificate by simpleenroll, which must succeed. */
export async function enrolByCurl(
  server: EstServer,
  { label, name, kind, ...more }: CurlOrder,
): Promise<{ cert: string; key: string }> {
  const key = await newKey(server, name, kind)
  const body = await newCsr(server, { key, name })
  const answer = await curlEst(server, { label, operation: 'simpleenroll', body, ...more })
  expect(answer, answer.text).toMatchObject({
    status: 200,
    head: expect.stringContaining('\r\nContent-Type: application/pkcs7-mime; smime-type=certs-only\r\n'),
  })
  const [pem, ...others] = await certificatesIn(answer.text)
  expect(others).toEqual([])
  const cert = server.file(`${name}.pem`, pem)
  await verifyBelow(server, { label, cert, name })
  return { cert, key }
}
