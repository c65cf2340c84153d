import { Failure } from './failure.ts'

const PATIENCE = 5_000
const LARGEST = 256 * 1024

/** Whether what comes from there can be believed: over TLS, or from this very machine. */
export function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password } = new URL(text)
  if (username || password) return false
  if (protocol === 'https:') return true
  return protocol === 'http:' && /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(hostname)
}

/**
 * Asks the provider for a JSON object: within five seconds, of at most 256 KiB, from exactly that address (no redirect is
 * followed). Answers the status with it. Throws Failure('unavailable').
 */
export async function fetchJson(
  url: string,
  form?: { body: URLSearchParams; authorization?: string },
): Promise<{ status: number; body: unknown }> {
  if (!isSafeUrl(url)) throw unavailable(url, 'it is neither https nor on this machine')
  try {
    const response = await fetch(url, {
      method: form ? 'POST' : 'GET',
      redirect: 'error',
      signal: AbortSignal.timeout(PATIENCE),
      headers: { accept: 'application/json', ...(form?.authorization ? { authorization: form.authorization } : {}) },
      ...(form ? { body: form.body } : {}),
    })
    return { status: response.status, body: JSON.parse(await readText(response)) }
  } catch (error) {
    throw unavailable(url, 'it did not answer, or not with JSON', error)
  }
}

async function readText({ body }: Response): Promise<string> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of body ?? []) {
    length += part.length
    if (length > LARGEST) throw new Error(`an answer of more than ${LARGEST} octets`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

function unavailable(url: string, why: string, cause?: unknown): Failure {
  const detail = 'the OpenID provider cannot be asked now: try again, or log in otherwise'
  return new Failure('unavailable', detail, { cause: cause ?? `${url}: ${why}`, retryAfter: 10 })
}
