import { direct } from '../../src/http/direct.ts'
import type { Protocol } from '../../src/protocol.ts'
import { answer } from './answer.ts'
import { cmpOptions } from './options.ts'
import { UNCONFIRMED, unconfirmed } from './unconfirmed.ts'

/** RFC 9810 over RFC 9811, by the profile of RFC 9483: docs/protocols/cmp.md. Over plain HTTP too: messages protect themselves. */
export const cmp: Protocol = {
  name: 'cmp',
  mounts: [
    { path: '/cmp', listeners: ['https', 'http'] },
    { path: '/.well-known/cmp', listeners: ['https', 'http'] },
  ],
  options: cmpOptions,
  jobs: { [UNCONFIRMED]: unconfirmed },
  ...direct(answer),
}
