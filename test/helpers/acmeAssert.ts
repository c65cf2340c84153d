import { expect } from 'vitest'
import type { Reply } from './acmeClient.ts'

/** A problem document of that type and status, with all that a client may rely on (RFC 8555 sections 6.5 and 6.7). */
export function expectProblem(reply: Reply, status: number, type: string, detail?: RegExp): void {
  expect(reply.json, reply.text).toMatchObject({
    type: `urn:ietf:params:acme:error:${type}`,
    status,
    detail: expect.any(String),
  })
  expect(reply.status).toBe(status)
  expect(reply.headers.get('content-type')).toBe('application/problem+json')
  expect(reply.headers.get('replay-nonce')).toMatch(/^[A-Za-z0-9_-]{22,}$/)
  expect(reply.json).not.toHaveProperty('identifier')
  if (detail) expect(reply.json.detail).toMatch(detail)
}
