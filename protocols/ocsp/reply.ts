import type { IncomingMessage, ServerResponse } from 'node:http'
import { plain } from '../../src/http/answer.ts'

/** An answer as Node takes it fastest: names and values in a row, and the body as text, which goes out in one piece with the head. */
export interface Reply {
  status: number
  head: readonly string[]
  /** One character an octet. */
  body: string
}

/** For people: one line of text. */
export function plainReply(status: number, detail: string, headers: Record<string, string> = {}): Reply {
  const answer = plain(status, detail, headers)
  const text = Buffer.from(`${answer.body}`).toString('latin1')
  return { status, head: [...Object.entries(answer.headers).flat(), 'Content-Length', String(text.length)], body: text }
}

/** Sends it; to HEAD without the body, but with its length. */
export function send(incoming: IncomingMessage, outgoing: ServerResponse, { status, head, body }: Reply): void {
  outgoing.writeHead(status, head as string[])
  outgoing.end(incoming.method === 'HEAD' ? '' : body, 'latin1')
}

/** The same as the framework takes it. */
export function responseOf(incoming: IncomingMessage, { status, head, body }: Reply): Response {
  const headers = new Headers()
  for (let at = 0; at < head.length; at += 2) headers.set(head[at] ?? '', head[at + 1] ?? '')
  const bare = incoming.method === 'HEAD' || status === 304
  return new Response(bare ? null : Buffer.from(body, 'latin1'), { status, headers })
}
