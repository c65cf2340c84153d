import type { IncomingMessage, ServerResponse } from 'node:http'
import { Hono } from 'hono'
import type { Host, NodeBindings } from '../protocol.ts'
import { type HttpAnswer, plain, sendAnswer, toResponse } from './answer.ts'
import { requestId } from './requestId.ts'

/** Answers every request below an adapter's mounts. */
export type Direct = (host: Host, incoming: IncomingMessage) => Promise<HttpAnswer>

/** `routes` and `fast` of an adapter that needs no framework: both give the same bytes. */
export function direct(answer: Direct) {
  const answerAlways = (host: Host, incoming: IncomingMessage) =>
    answer(host, incoming).catch((error: unknown) => {
      host.log.error({ err: error, request: requestId(incoming) }, 'a request failed')
      return plain(500, `an error of the server; its log has the details under ${requestId(incoming)}`)
    })
  return {
    fast: (host: Host) => (incoming: IncomingMessage, outgoing: ServerResponse) => {
      void answerAlways(host, incoming).then((ready) => sendAnswer(incoming, outgoing, ready))
      return true
    },
    routes: (host: Host) =>
      new Hono<{ Bindings: NodeBindings }>().all('*', async ({ env: { incoming } }) =>
        toResponse(incoming, await answerAlways(host, incoming)),
      ),
  }
}
