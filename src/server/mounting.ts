import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { asResponse, type HttpAnswer, problem, toResponse } from '../http/answer.ts'
import { requestId } from '../http/requestId.ts'
import type { Log } from '../log.ts'
import type { Host, ListenerName, NodeBindings, Protocol } from '../protocol.ts'

/** A protocol under one of its paths. */
export interface Mounted {
  /** Without a trailing slash; empty for the whole tree. */
  prefix: string
  protocol: string
  fast: ((incoming: IncomingMessage, outgoing: ServerResponse) => boolean) | undefined
  routes: RequestListener
}

export type Mounts = Record<ListenerName, Mounted[]>

/** What answers where, the longest path first. */
export function mount(protocols: readonly Protocol[], host: (protocol: Protocol) => Host, log: Log): Mounts {
  const mounts: Mounts = { https: [], mtls: [], http: [] }
  for (const protocol of protocols) {
    const its = host(protocol)
    const fast = protocol.fast?.(its)
    const routes = serve(protocol, its, log)
    for (const { path, listeners } of protocol.mounts) {
      const prefix = path.replace(/\/+$/, '')
      for (const listener of listeners) {
        if (mounts[listener].some((other) => other.prefix === prefix))
          throw new Error(`two protocols want ${path} on ${listener}`)
        mounts[listener].push({ prefix, protocol: protocol.name, fast, routes })
      }
    }
  }
  for (const listener of Object.values(mounts)) listener.sort((a, b) => b.prefix.length - a.prefix.length)
  return mounts
}

function serve(protocol: Protocol, host: Host, log: Log): RequestListener {
  const app = protocol.routes(host)
  const failed = (error: unknown, incoming: IncomingMessage) => {
    log.error({ err: error, request: requestId(incoming), protocol: protocol.name }, 'a request failed')
    return toResponse(incoming, internalError(incoming))
  }
  const fetch = (request: Request, bindings: object) => {
    // The adapter's types do not say which server it runs under.
    const node = bindings as NodeBindings
    try {
      const response = app.fetch(request, node)
      return response instanceof Promise ? response.catch((error: unknown) => failed(error, node.incoming)) : response
    } catch (error) {
      return failed(error, node.incoming)
    }
  }
  const listener = getRequestListener(fetch, {
    // Clients of OCSP and SCEP speak HTTP/1.0, some without Host; no URL of ours is made from it.
    hostname: 'localhost',
    // src/server/badRequest.ts does it, and reads less.
    autoCleanupIncoming: false,
    // What the adapter itself refuses: no URL can be made of the request target and Host.
    errorHandler: () => asResponse(problem(400, 'the request target or Host cannot be read')),
  })
  return (incoming, outgoing) => void listener(incoming, outgoing)
}

export function internalError(incoming: IncomingMessage): HttpAnswer {
  return problem(500, `an error of the server; its log has the details under ${requestId(incoming)}`)
}
