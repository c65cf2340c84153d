import { z } from 'zod'
import { direct } from '../../src/http/direct.ts'
import type { Protocol } from '../../src/protocol.ts'
import { answer } from './answer.ts'

/** RFC 6960: docs/protocols/ocsp.md. It serves authorities, not RA profiles, and has no settings on one. */
export const ocsp: Protocol = {
  name: 'ocsp',
  mounts: [{ path: '/ocsp', listeners: ['https', 'http'] }],
  options: z.strictObject({}),
  ...direct(answer),
}
