import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { ConsoleContext } from './context.ts'

const compress = promisify(gzip)
/** Octets; less is one or two packets either way. */
const least = 2048

/**
 * Compresses a page that was asked for by a page of the console or by its reader himself.
 * What another site has a browser ask for stays as it is: who chooses a part of a page and sees how long it is when compressed would learn the
 * rest (BREACH). So does the answer to a form, which may show a secret once.
 */
export async function compressPage(c: ConsoleContext): Promise<void> {
  const { method, headers } = c.env.incoming
  if (method !== 'GET' || !(c.res.headers.get('Content-Type') ?? '').startsWith('text/html')) return
  c.res.headers.append('Vary', 'Accept-Encoding, Sec-Fetch-Site')
  const site = headers['sec-fetch-site']
  if (site !== 'same-origin' && site !== 'none') return
  if (!takesGzip(headers['accept-encoding'])) return
  const page = Buffer.from(await c.res.arrayBuffer())
  const { status } = c.res
  const body = page.length < least ? page : await compress(page, { level: 5 })
  c.res = new Response(new Uint8Array(body), { status, headers: c.res.headers })
  if (body !== page) c.res.headers.set('Content-Encoding', 'gzip')
}

/** Whether Accept-Encoding names gzip, and not with a quality of nothing (RFC 9110 section 12.5.3). */
export function takesGzip(accepted: string | undefined): boolean {
  return /(?:^|,)\s*gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))[0-9.]+\s*)?(?:,|$)/i.test(accepted ?? '')
}
