import { z } from 'zod'
import { direct } from '../../src/http/direct.ts'
import type { Protocol } from '../../src/protocol.ts'
import { answer } from './answer.ts'

/** CRLs and the certificates of authorities: docs/protocols/crl.md. It serves authorities, not RA profiles, and has no settings on one. */
export const crl: Protocol = {
  name: 'crl',
  mounts: [
    { path: '/crl', listeners: ['https', 'http'] },
    { path: '/ca', listeners: ['https', 'http'] },
  ],
  options: z.strictObject({}),
  ...direct(answer),
}
