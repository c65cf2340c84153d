import type { IncomingMessage, ServerResponse } from 'node:http'
import { Hono } from 'hono'
import { z } from 'zod'
import { requestId } from '../../src/http/requestId.ts'
import type { Host, NodeBindings, Protocol } from '../../src/protocol.ts'
import { createAnswering } from './answer.ts'
import { plainReply, type Reply, responseOf, send } from './reply.ts'
import { eachTurn } from './turn.ts'

/** RFC 6960: docs/protocols/ocsp.md. It serves authorities, not RA profiles, and has no settings on one. */
export const ocsp: Protocol = {
  name: 'ocsp',
  mounts: [{ path: '/ocsp', listeners: ['https', 'http'] }],
  options: z.strictObject({}),
  fast(host) {
    const answering = createAnswering(host)
    const failed = (incoming: IncomingMessage, outgoing: ServerResponse, error: unknown) =>
      send(incoming, outgoing, failure(host, incoming, error))
    const later = eachTurn((incoming, outgoing, batch) => {
      try {
        const reply = answering(incoming, batch)
        if (!(reply instanceof Promise)) send(incoming, outgoing, reply)
        else
          reply.then(
            (ready) => send(incoming, outgoing, ready),
            (error: unknown) => failed(incoming, outgoing, error),
          )
      } catch (error) {
        failed(incoming, outgoing, error)
      }
    })
    return (incoming, outgoing) => {
      later(incoming, outgoing)
      return true
    }
  },
  routes(host) {
    const answering = createAnswering(host)
    return new Hono<{ Bindings: NodeBindings }>().all('*', async ({ env: { incoming } }) => {
      const answered = async () => answering(incoming)
      return responseOf(incoming, await answered().catch((error: unknown) => failure(host, incoming, error)))
    })
  },
}

function failure(host: Host, incoming: IncomingMessage, error: unknown): Reply {
  host.log.error({ err: error, request: requestId(incoming) }, 'a request failed')
  return plainReply(500, `an error of the server; its log has the details under ${requestId(incoming)}`)
}
