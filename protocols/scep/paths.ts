/** What a request target asks for; nothing of it is decoded but the names. */
export interface Target {
  profile: string
  /** In lower case; absent where the query has none. */
  operation?: string
  /** Value of `message`, as it came. */
  message?: string
}

/** The profile behind the paths that name none. */
const DEFAULT_PROFILE = 'default'

/** Of the request line; GET carries a whole message in it (RFC 8894 section 4.1). */
export const MAX_TARGET = 48 * 1024

const PATH =
  /^\/(?:scep\/([a-z0-9][a-z0-9-]{0,62})(?:\/pkiclient\.exe)?|cgi-bin\/pkiclient\.exe|certsrv\/mscep\/mscep\.dll(?:\/pkiclient\.exe)?)\/?$/
/** Windows does not tell the letters of this path apart, and its administrators write it either way. */
const NDES = /^\/certsrv\/mscep\/mscep\.dll/i

/**
 * Takes a request target apart, as it came: URL parsers turn `+`, which is part of base64, into a space. undefined for a path that is none of ours.
 * The first parameter of a name counts; names and operations are compared without case.
 */
export function readTarget(target: string): Target | undefined {
  const at = target.indexOf('?')
  const path = (at < 0 ? target : target.slice(0, at)).replace(NDES, (found) => found.toLowerCase())
  const match = PATH.exec(path)
  if (!match) return undefined
  const out: Target = { profile: match[1] ?? DEFAULT_PROFILE }
  for (const pair of at < 0 ? [] : target.slice(at + 1).split('&')) {
    const equals = pair.indexOf('=')
    const name = (equals < 0 ? pair : pair.slice(0, equals)).toLowerCase()
    const value = equals < 0 ? '' : pair.slice(equals + 1)
    if (name === 'operation') out.operation ??= value.toLowerCase()
    else if (name === 'message') out.message ??= value
  }
  return out
}

/**
 * The bytes of a message in a query: base64 as clients send it, with `+` as it stands, as %2B or as a space, in lines, without padding, in the alphabet for
 * URLs. undefined when it is not base64.
 */
export function decodeQueryMessage(encoded: string): Buffer | undefined {
  let text: string
  try {
    text = decodeURIComponent(encoded)
  } catch {
    return undefined
  }
  const joined = text.replace(/[\r\n\t]+/g, '').replaceAll(' ', '+')
  if (!/^[A-Za-z0-9+/_-]+={0,3}$/.test(joined)) return undefined
  const bytes = Buffer.from(joined, 'base64')
  return bytes.length > 0 ? bytes : undefined
}
