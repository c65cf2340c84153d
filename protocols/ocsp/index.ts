import type { IncomingMessage } from 'node:http'
import { Hono } from 'hono'
import { z } from 'zod'
import { type HttpAnswer, plain, toResponse } from '../../src/http/answer.ts'
import { requestId } from '../../src/http/requestId.ts'
import type { Host, NodeBindings, Protocol } from '../../src/protocol.ts'
import { createAnswering } from './answer.ts'
import { send } from './send.ts'

/** RFC 6960: docs/protocols/ocsp.md. It serves authorities, not RA profiles, and has no settings on one. */
export const ocsp: Protocol = {
  name: 'ocsp',
  mounts: [{ path: '/ocsp', listeners: ['https', 'http'] }],
  options: z.strictObject({}),
  fast(host) {
    const answering = createAnswering(host)
    return (incoming, outgoing) => {
      const answer = answering(incoming)
      if (!(answer instanceof Promise)) send(incoming, outgoing, answer)
      else
        answer.then(
          (ready) => send(incoming, outgoing, ready),
          (error: unknown) => send(incoming, outgoing, failed(host, incoming, error)),
        )
      return true
    }
  },
  routes(host) {
    const answering = createAnswering(host)
    return new Hono<{ Bindings: NodeBindings }>().all('*', async ({ env: { incoming } }) => {
      const answer = await Promise.resolve(answering(incoming)).catch((error: unknown) => failed(host, incoming, error))
      return toResponse(incoming, answer)
    })
  },
}

function failed(host: Host, incoming: IncomingMessage, error: unknown): HttpAnswer {
  host.log.error({ err: error, request: requestId(incoming) }, 'a request failed')
  return plain(500, `an error of the server; its log has the details under ${requestId(incoming)}`)
}
