import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { type HttpAnswer, plain, problem, sendAnswer } from '../http/answer.ts'
import { requestId } from '../http/requestId.ts'
import type { Log } from '../log.ts'
import type { ListenerName } from '../protocol.ts'
import type { Admission, Refusal } from './admission.ts'
import { dropUnread } from './badRequest.ts'
import type { Bag } from './bag.ts'
import { internalError, type Mounted, type Mounts } from './mounting.ts'
import type { Probes } from './probes.ts'
import { pathOf, type Watched } from './requestLog.ts'
import type { UnderWay } from './underWay.ts'

/** What the handlers of all listeners go by at the moment. */
export interface Serving {
  mounts: Mounts
  probes: Probes
  /** Protocols are mounted. */
  open: boolean
  /** The server is about to end: every answer says that its connection closes after it. */
  ending: boolean
  /** Nothing more is waited for on a connection without a request. */
  closing: boolean
  /** Answers that have not ended. */
  active: Bag<ServerResponse>
  underWay: UnderWay
  admission: Admission
}

export interface Reports {
  log: Log
  finished: (request: Watched) => void
}

/** Leads each request of a listener to its protocol, and reports it when its answer has ended. */
export function createHandler(listener: ListenerName, serving: Serving, reports: Reports): RequestListener {
  return (incoming, outgoing) => {
    const started = performance.now()
    toOriginForm(incoming)
    const mounted = findSafely(serving.mounts[listener], incoming.url ?? '/')
    const protocol = mounted?.protocol ?? 'server'
    const watched: Watched = { incoming, outgoing, listener, protocol, started, fast: false, refused: false }
    const place = mounted ? serving.admission.enter(incoming, protocol) : undefined
    const { socket } = incoming
    const held = serving.active.add(outgoing)
    if (serving.ending) closeAfter(outgoing, serving.underWay.lastOn(socket))
    const end = () => {
      serving.active.take(held)
      if (typeof place === 'object') serving.admission.leave(place)
      dropUnread(incoming)
      // One whose head was on its way when the server began to end had promised to keep the connection.
      if (serving.closing && !serving.underWay.lastOn(socket)) socket.end()
      reports.finished(watched)
    }
    const ended = serving.underWay.begin(outgoing, end)
    if (!ended) return
    // Not `once`, which makes two things more of it: it runs once.
    outgoing.on('close', ended)
    if (typeof place === 'string') {
      watched.refused = true
      sendAnswer(incoming, outgoing, refusal(place, listener))
      return
    }
    try {
      route(serving, mounted, watched)?.catch((error: unknown) => fail(error, watched, reports.log))
    } catch (error) {
      fail(error, watched, reports.log)
    }
  }
}

/** The connection closes after this answer, and not after the one before it: what waits behind another is answered too. */
export function closeAfter(outgoing: ServerResponse, before?: ServerResponse): void {
  if (before && !before.headersSent) before.shouldKeepAlive = true
  if (!outgoing.headersSent) outgoing.shouldKeepAlive = false
}

function route(serving: Serving, mounted: Mounted | undefined, watched: Watched): Promise<void> | undefined {
  const { incoming, outgoing, listener } = watched
  if (mounted?.fast?.(incoming, outgoing)) {
    watched.fast = true
    return undefined
  }
  const probe = serving.probes(pathOf(incoming), incoming)
  if (probe) {
    watched.protocol = 'server'
    return probe.then((answer) => sendAnswer(incoming, outgoing, answer))
  }
  const told = tell(listener)
  if (mounted) mounted.routes(incoming, outgoing)
  else if (serving.open) sendAnswer(incoming, outgoing, told(404, 'there is nothing at this path'))
  else sendAnswer(incoming, outgoing, told(503, 'the server is starting', { 'Retry-After': '5' }))
  return undefined
}

// Devices read no JSON.
const tell = (listener: ListenerName) => (listener === 'mtls' ? plain : problem)

/** Seconds after which who was refused may come back: not all in the same one. */
const SOONEST = 3
const SPREAD = 8

function refusal(why: Refusal, listener: ListenerName): HttpAnswer {
  const headers = { 'Retry-After': String(SOONEST + Math.floor(Math.random() * SPREAD)) }
  if (why !== 'address') return tell(listener)(503, 'this server has as much to do as it can: ask again soon', headers)
  return tell(listener)(429, 'too many requests from this address are under way: wait for their answers', headers)
}

function fail(error: unknown, { incoming, outgoing, protocol }: Watched, log: Log): void {
  log.error({ err: error, request: requestId(incoming), protocol }, 'a request failed')
  if (outgoing.headersSent) outgoing.destroy()
  else sendAnswer(incoming, outgoing, internalError(incoming))
}

/**
 * As `find`; nothing for a URL that leads elsewhere once its dot segments and backslashes are resolved (RFC 3986 section 6.2.2.3, WHATWG URL): the
 * framework does that, and would leave the path that a listener has of a protocol.
 */
function findSafely(mounts: readonly Mounted[], url: string): Mounted | undefined {
  const found = find(mounts, url)
  // Nearly none has any of these, and to look for them is quicker than the expression.
  const suspect = url.includes('/.') || url.includes('/%2') || url.includes('\\')
  if (!found || !suspect || !/^[^?#]*(?:\\|\/(?:\.|%2e))/i.test(url)) return found
  try {
    const { pathname } = new URL(`http://localhost${url}`)
    return find(mounts, pathname) === found ? found : undefined
  } catch {
    return undefined
  }
}

function find(mounts: readonly Mounted[], url: string): Mounted | undefined {
  for (const mounted of mounts) {
    const { prefix } = mounted
    if (!url.startsWith(prefix)) continue
    const next = url[prefix.length]
    if (next === '/' || next === undefined || next === '?') return mounted
  }
  return undefined
}

/** A server must take the absolute form too (RFC 9112 section 3.2.2). Whoever reads the path after this knows one form only. */
function toOriginForm(incoming: IncomingMessage): void {
  const { url = '/' } = incoming
  if (url.startsWith('/')) return
  const [, rest = ''] = /^https?:\/\/[^/?#]*(.*)$/i.exec(url) ?? []
  incoming.url = rest.startsWith('/') ? rest : `/${rest}`
}
