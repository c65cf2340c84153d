import type { CertificateFields } from '../pki/certificateReader.ts'
import { type CrlFields, readCrl, verifyCrl } from '../pki/crlReader.ts'
import { PkiError } from '../pki/error.ts'
import { pemDecode } from '../pki/pem.ts'
import type { Host } from '../protocol.ts'

/** What is kept of somebody else's CRL. */
interface KeptCrl {
  /** Without its entries. */
  fields: CrlFields
  revoked: ReadonlySet<string>
}

const MAX_OCTETS = 16 * 1024 * 1024
const TIMEOUT = 10_000
/** CRLs are made ahead of time, when something was revoked: an old one is good, and a newer one may be there. */
const REFRESH = 15 * 60_000
/** After a failure, before it is tried again. */
const PAUSE = 60_000

/** What was fetched, and until when nothing is fetched again. */
interface Source {
  crl?: KeptCrl
  again: number
  under?: Promise<void>
}

const sources = new WeakMap<Host, Map<string, Source>>()

export type Standing = 'good' | 'revoked' | 'unknown'

/**
 * What the CRLs at these URLs say of the certificates of a path, the anchor's own aside. The URLs are an administrator's, never a certificate's. unknown: for one
 * of them there is no CRL by its issuer whose time has not passed.
 */
export async function standingOf(
  host: Host,
  urls: readonly string[],
  path: readonly CertificateFields[],
): Promise<Standing> {
  const crls = (await Promise.all(urls.map((url) => fetched(host, url)))).filter((crl) => crl !== undefined)
  const now = host.clock()
  let known = true
  for (const [depth, certificate] of path.slice(0, -1).entries()) {
    const issuer = path[depth + 1]
    const its = crls.filter((crl) => issuer && covers(crl, certificate) && speaksFor(crl, issuer, now))
    if (its.some(({ revoked }) => revoked.has(certificate.serial))) return 'revoked'
    if (its.length === 0) known = false
  }
  return known ? 'good' : 'unknown'
}

/** RFC 5280 section 6.3.3 (b) (2): one of several lists of a CA covers what names it. */
function covers({ fields: { idp } }: KeptCrl, { isCa, crlUrls }: CertificateFields): boolean {
  if (!idp) return true
  if ((idp.onlyUserCertificates && isCa) || (idp.onlyCaCertificates && !isCa)) return false
  return idp.urls === undefined || idp.urls.some((url) => crlUrls.includes(url))
}

function speaksFor({ fields }: KeptCrl, issuer: CertificateFields, now: Date): boolean {
  if (!fields.issuerDer.equals(issuer.subjectDer)) return false
  // RFC 5280 section 6.3.3 (f).
  if (issuer.keyUsage && !issuer.keyUsage.includes('cRLSign')) return false
  if (fields.thisUpdate > now || (fields.nextUpdate && fields.nextUpdate <= now)) return false
  try {
    return verifyCrl(fields, issuer.publicKey)
  } catch (error) {
    if (error instanceof PkiError) return false
    throw error
  }
}

async function fetched(host: Host, url: string): Promise<KeptCrl | undefined> {
  const source = sourceOf(host, url)
  if (host.clock().getTime() >= source.again) {
    source.under ??= renew(host, url, source).finally(() => {
      delete source.under
    })
    // While there is one, nobody waits for a newer.
    if (!source.crl || ended(source.crl, host.clock())) await source.under
  }
  return source.crl
}

function sourceOf(host: Host, url: string): Source {
  const ofHost = sources.get(host) ?? new Map<string, Source>()
  sources.set(host, ofHost)
  const source = ofHost.get(url) ?? { again: 0 }
  ofHost.set(url, source)
  return source
}

function ended({ fields }: KeptCrl, now: Date): boolean {
  return fields.nextUpdate !== undefined && fields.nextUpdate <= now
}

async function renew(host: Host, url: string, source: Source): Promise<void> {
  try {
    source.crl = keep(await download(url))
    source.again = host.clock().getTime() + REFRESH
  } catch (error) {
    source.again = host.clock().getTime() + PAUSE
    host.log.warn({ err: error, url }, 'the CRL of a trust anchor cannot be had')
  }
}

async function download(url: string): Promise<Buffer> {
  const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(TIMEOUT) })
  if (response.status !== 200 || !response.body) throw new Error(`HTTP ${response.status}`)
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body) {
    length += chunk.length
    if (length > MAX_OCTETS) throw new Error(`more than ${MAX_OCTETS} octets`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, length)
}

/** A delta or a part of a list says nothing of what stands in the rest. */
function keep(bytes: Buffer): KeptCrl {
  const der = bytes.subarray(0, 5).toString('latin1') === '-----' ? pemDecode(bytes.toString('latin1'))[0]?.der : bytes
  const { entries, ...fields } = readCrl(der ?? bytes)
  if (fields.deltaBase !== undefined) throw new Error('it is a delta CRL')
  if (fields.idp?.indirect || fields.idp?.onlySomeReasons) throw new Error('it is not the whole list of one CA')
  return { fields: { ...fields, entries: [] }, revoked: new Set(entries.map(({ serial }) => serial)) }
}
