import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Door } from '../../src/core/core.ts'
import { Failure } from '../../src/core/failure.ts'
import type { Requester } from '../../src/core/requester.ts'
import { DatabaseUnavailable } from '../../src/db/transaction.ts'
import { type HttpAnswer, plain } from '../../src/http/answer.ts'
import { writeCertsOnly } from '../../src/pki/certsOnly.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import type { Host } from '../../src/protocol.ts'
import { unchanged } from './conditional.ts'
import { readPath, type Wanted } from './paths.ts'

/** How long a cache may keep what we serve, in seconds. A new CRL is made with each revocation: soon it is seen everywhere. */
const CRL_SECONDS = 300
const CERTIFICATE_SECONDS = 3_600

/** RFC 5280 section 4.2.1.13 (CRLs) and RFC 4387 by media type; RFC 5280 section 4.2.2.1 (issuers' certificates). */
export async function answer(host: Host, incoming: IncomingMessage): Promise<HttpAnswer> {
  const wanted = readPath(incoming.url ?? '')
  if (!wanted) return notFound()
  if (incoming.method !== 'GET' && incoming.method !== 'HEAD')
    return plain(405, 'this can only be read', { Allow: 'GET, HEAD' })
  const door = host.core.as(anyone(host, incoming))
  try {
    const found = await find(door, wanted, host.clock())
    return unchanged(incoming, found) ? { ...found, status: 304, body: '' } : found
  } catch (error) {
    return refuse(error)
  }
}

function find(door: Door, wanted: Wanted, now: Date): Promise<HttpAnswer> {
  switch (wanted.kind) {
    case 'crl':
      return findCrl(door, wanted, now)
    case 'certificate':
      return findCertificate(door, wanted)
    case 'chain':
      return findChain(door, wanted.authority)
    case 'bundle':
      return findBundle(door, wanted)
  }
}

async function findCrl(door: Door, { kind: _, ...ref }: Wanted & { kind: 'crl' }, now: Date): Promise<HttpAnswer> {
  const { parts, number, thisUpdate, nextUpdate, settled } = await door.crl(ref)
  const left = Math.floor((nextUpdate.getTime() - now.getTime()) / 1000)
  const seconds = Math.max(0, Math.min(CRL_SECONDS, left))
  return {
    status: 200,
    headers: {
      'Content-Type': 'application/pkix-crl',
      'Cache-Control': `public, max-age=${seconds}, no-transform`,
      Expires: new Date(now.getTime() + seconds * 1000).toUTCString(),
      // Who holds another one of the same second must not take it for this one (RFC 9110 section 8.8.2.2).
      ...(settled ? { 'Last-Modified': thisUpdate.toUTCString() } : {}),
      // One number, one CRL of this issuer and shard (RFC 5280 section 5.2.3).
      ETag: `"${number}"`,
    },
    body: parts,
  }
}

async function findCertificate(door: Door, wanted: Wanted & { kind: 'certificate' }): Promise<HttpAnswer> {
  const found = await findIssuer(door, wanted)
  return found ? certificates('application/pkix-cert', found.certificate.der) : notFound()
}

/** One certificate of an authority and those above it, for who builds a path from it: a "certs-only" CMS message. */
async function findBundle(door: Door, wanted: Wanted & { kind: 'bundle' }): Promise<HttpAnswer> {
  const found = await findIssuer(door, wanted)
  if (!found) return notFound()
  const bundle = writeCertsOnly([found.certificate.der, ...found.chain])
  return certificates('application/pkcs7-mime; smime-type=certs-only', bundle)
}

async function findIssuer(door: Door, { authority, issuer }: { authority: string; issuer?: number }) {
  const { active, earlier, next } = await door.authorityChain(authority)
  return issuer === undefined ? active : [active, ...earlier, next].find((candidate) => candidate?.id === issuer)
}

async function findChain(door: Door, authority: string): Promise<HttpAnswer> {
  const { active } = await door.authorityChain(authority)
  if (!active) return notFound()
  const text = [active.certificate.der, ...active.chain].map((der) => pemEncode('CERTIFICATE', der)).join('')
  return certificates('application/pem-certificate-chain', Buffer.from(text))
}

function certificates(type: string, body: Buffer): HttpAnswer {
  return {
    status: 200,
    headers: {
      'Content-Type': type,
      'Cache-Control': `public, max-age=${CERTIFICATE_SECONDS}, no-transform`,
      ETag: `"${createHash('sha256').update(body).digest('base64url')}"`,
    },
    body,
  }
}

function anyone(host: Host, incoming: IncomingMessage): Requester {
  const source = host.sourceAddress(incoming)
  return {
    kind: 'key-holder',
    ref: 'anonymous',
    name: 'anyone',
    people: [],
    ...(source === undefined ? {} : { source }),
  }
}

/** What is no refusal of the core is thrown again. */
function refuse(error: unknown): HttpAnswer {
  if (error instanceof DatabaseUnavailable) return plain(503, 'ask again', { 'Retry-After': '5' })
  if (!(error instanceof Failure)) throw error
  switch (error.code) {
    case 'notFound':
    case 'unsupported':
      return plain(404, error.detail)
    case 'unavailable':
      return plain(503, error.detail, { 'Retry-After': String(error.retryAfter ?? 5) })
    default:
      throw error
  }
}

function notFound(): HttpAnswer {
  return plain(404, 'there is nothing at this path')
}
