import type { IncomingMessage } from 'node:http'
import type { HttpAnswer } from '../../src/http/answer.ts'

/** Whether the client has these very bytes (RFC 9110 section 13.2.2): by If-None-Match, and only without it by date. */
export function unchanged({ headers }: IncomingMessage, answer: HttpAnswer): boolean {
  if (answer.status !== 200) return false
  const { ETag: tag, 'Last-Modified': modified } = answer.headers
  const wanted = headers['if-none-match']
  if (wanted !== undefined) return tag !== undefined && names(wanted, tag)
  const since = Date.parse(headers['if-modified-since'] ?? '')
  return modified !== undefined && Date.parse(modified) <= since
}

/** Compared weakly, as section 13.1.2 has it. */
function names(list: string, tag: string): boolean {
  return list.trim() === '*' || list.split(',').some((entry) => entry.trim().replace(/^W\//, '') === tag)
}
