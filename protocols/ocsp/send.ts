import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HttpAnswer } from '../../src/http/answer.ts'

/** An answer as Node takes it fastest: names and values in a row, and the body as text, which goes out in one piece with the head. */
interface Prepared {
  status: number
  head: string[]
  /** One character an octet. */
  body: string
}

const prepared = new WeakMap<HttpAnswer, Prepared>()

/** Sends it; to HEAD without the body, but with its length. */
export function send(incoming: IncomingMessage, outgoing: ServerResponse, answer: HttpAnswer): void {
  let ready = prepared.get(answer)
  if (!ready) {
    ready = prepare(answer)
    // What has no validator is given out once.
    if (answer.headers.ETag !== undefined) prepared.set(answer, ready)
  }
  outgoing.writeHead(ready.status, ready.head)
  outgoing.end(incoming.method === 'HEAD' ? '' : ready.body, 'latin1')
}

function prepare({ status, headers, body }: HttpAnswer): Prepared {
  const text = typeof body === 'string' ? Buffer.from(body).toString('latin1') : body.toString('latin1')
  const head: string[] = []
  for (const name of Object.keys(headers)) head.push(name, headers[name] ?? '')
  if (status !== 304) head.push('Content-Length', String(text.length))
  return { status, head, body: text }
}
