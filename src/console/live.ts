import type { IncomingMessage } from 'node:http'
import type { Context } from 'hono'
import type { Requester } from '../core/requester.ts'
import type { Host } from '../protocol.ts'

const pause = 2000
/** Connections of one process, and of one person; who comes later reads without live updates. */
const most = 500
const mostOfOne = 20
const longest = 15 * 60_000

type SignedIn = (incoming: IncomingMessage) => Promise<{ requester: Requester } | undefined>

/**
 * Server-sent events: `changed` when something that the reader may see has changed. It carries nothing; the page asks for itself anew.
 * Each look is one indexed statement; a session that has ended ends it, and no look keeps one from ending.
 */
export function liveUpdates(host: Host, signedIn: SignedIn) {
  let open = 0
  const openOf = new Map<string, number>()
  const count = (person: string, change: 1 | -1) => {
    open += change
    const his = (openOf.get(person) ?? 0) + change
    if (his > 0) openOf.set(person, his)
    else openOf.delete(person)
  }
  return async (c: Context): Promise<Response> => {
    const { incoming } = c.env as { incoming: IncomingMessage }
    const known = await signedIn(incoming)
    if (!known) return c.text('sign in first', 401)
    const person = known.requester.ref
    if (open >= most || (openOf.get(person) ?? 0) >= mostOfOne)
      return c.text('too many readers', 503, { 'Retry-After': '60' })
    count(person, 1)
    const look = (seen?: number) => host.core.as(known.requester).list.latest(seen)
    const stop = new AbortController()
    const end = () => stop.abort()
    incoming.once('close', end)
    incoming.socket.once('close', end)
    const ends = Date.now() + longest
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => void follow(controller),
      cancel: end,
    })
    async function follow(controller: ReadableStreamDefaultController<Uint8Array>) {
      const say = (text: string) => controller.enqueue(new TextEncoder().encode(text))
      try {
        say('retry: 5000\n\n')
        for (let { seen } = await look(); !stop.signal.aborted && Date.now() < ends; ) {
          await wait(stop.signal)
          if (!(await signedIn(incoming))) break
          const now = await look(seen)
          if (now.changed) say('event: changed\ndata: -\n\n')
          else say(':\n\n')
          seen = now.seen
        }
      } catch (error) {
        if (!stop.signal.aborted) host.log.warn({ err: error }, 'live updates ended')
      } finally {
        count(person, -1)
        incoming.socket.off('close', end)
        if (!stop.signal.aborted) controller.close()
      }
    }
    return c.body(stream, 200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
  }
}

function wait(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(finish, pause)
    function finish() {
      clearTimeout(timer)
      signal.removeEventListener('abort', finish)
      resolve()
    }
    signal.addEventListener('abort', finish)
  })
}
