import { z } from 'zod'
import { direct } from '../../src/http/direct.ts'
import type { Protocol } from '../../src/protocol.ts'
import { answer } from './answer.ts'

/** What a CA that signs for an authority of ours looks for to see whose a name is: docs/operate/authorities.md. It has no settings on a profile. */
export const upstream: Protocol = {
  name: 'upstream',
  mounts: [{ path: '/.well-known/acme-challenge', listeners: ['http'] }],
  options: z.strictObject({}),
  ...direct(answer),
}
