import type { IncomingMessage, ServerResponse } from 'node:http'
import { requestId } from '../http/requestId.ts'
import type { SourceAddress } from '../http/sourceAddress.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { ListenerName } from '../protocol.ts'

export interface RequestLogOptions {
  log: Log
  metrics: Metrics
  sourceAddress: SourceAddress
  /** A line for every request, not only for failures of the server. */
  accessLog: boolean
}

/** One request from its head to the end of its answer. */
export interface Watched {
  incoming: IncomingMessage
  outgoing: ServerResponse
  listener: ListenerName
  /** The protocol that answers, or `server`. */
  protocol: string
  /** performance.now() when the head was complete. */
  started: number
  /** Answered before the framework: many, small and alike, so their lines are for level debug. */
  fast: boolean
  /** There was no place for it: counted, and told of in sum (overloadReport.ts), for a line each would be the next flood. */
  refused: boolean
}

const LONGEST = 200

/** Counts a request whose answer has ended, or that was broken off, and writes its line. */
export function createRequestLog({
  log,
  metrics,
  sourceAddress,
  accessLog,
}: RequestLogOptions): (request: Watched) => void {
  return ({ incoming, outgoing, listener, protocol, started, fast, refused }) => {
    const ms = performance.now() - started
    const { statusCode } = outgoing
    const code = outgoing.writableFinished ? String(statusCode) : 'aborted'
    metrics.request(protocol, code, ms / 1000)
    if (refused) return
    const level = statusCode >= 500 ? 'error' : fast && statusCode < 400 ? 'debug' : 'info'
    if (level !== 'error' && !(accessLog && log.isLevelEnabled(level))) return
    log[level](
      {
        request: requestId(incoming),
        from: sourceAddress(incoming),
        listener,
        protocol,
        method: incoming.method,
        // Without the query, which holds whole messages in SCEP.
        path: pathOf(incoming).slice(0, LONGEST),
        code,
        ms: Math.round(ms * 100) / 100,
      },
      'request',
    )
  }
}

/** Path of the request target, not decoded. */
export function pathOf({ url = '/' }: IncomingMessage): string {
  const end = url.indexOf('?')
  return end === -1 ? url : url.slice(0, end)
}
