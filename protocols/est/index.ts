import { direct } from '../../src/http/direct.ts'
import type { Protocol } from '../../src/protocol.ts'
import { answer } from './answer.ts'
import { estOptions } from './options.ts'
import { REVOKE_REPLACED, revokeReplaced } from './replaced.ts'
import { readAway } from './transfer.ts'

/** RFC 7030 with RFC 8951 and 9908: docs/protocols/est.md. On the listener that asks for a client certificate, and no other. */
export const est: Protocol = {
  name: 'est',
  mounts: [{ path: '/.well-known/est', listeners: ['mtls'] }],
  options: estOptions,
  jobs: { [REVOKE_REPLACED]: revokeReplaced },
  ...direct(async (host, incoming) => {
    const ready = await answer(host, incoming)
    await readAway(incoming)
    return ready
  }),
}
