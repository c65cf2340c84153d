import { randomBytes } from 'node:crypto'

/** Behind the profile's name: a tilde and some hex digits that mean nothing. */
const VARIED = /^((?:https:\/\/[^/]+)?\/acme\/([a-z0-9][a-z0-9-]{0,62}))\/~[0-9a-f]{8}(?=\/)/

/** The profile that a varied URL or path is of; undefined for one that is not varied. */
export function profileOfVaried(url: string): string | undefined {
  return url.includes('/~') ? VARIED.exec(url)?.[2] : undefined
}

/** The URL or path of the same resource without the part that varies. */
export function unvaried(url: string): string {
  return url.replace(VARIED, '$1')
}

/**
 * Another URL for a resource of a profile. The resource that was asked for keeps the URL that it was asked under, as
 * clients compare it; accounts have one for good: their URL is who they are ("kid", RFC 8555 section 6.2).
 */
export function varied(text: string, { root, url }: { root: string; url: string }): string {
  if (!text.startsWith(`${root}/`) || text.startsWith(`${root}/account`)) return text
  if (text === unvaried(url)) return url
  return `${root}/~${randomBytes(4).toString('hex')}${text.slice(root.length)}`
}
