import type { IncomingMessage, ServerResponse } from 'node:http'

/** Answers one request; `batch` is the same object for all that came in the same turn of the event loop. */
export type Respond = (incoming: IncomingMessage, outgoing: ServerResponse, batch: object) => void

/**
 * Gathers what comes in one turn of the event loop and has it answered at the end of it: bodies that came with their heads are
 * read by then, and one look at the database, which begins after the last of them has come, serves them all.
 */
export function eachTurn(respond: Respond): (incoming: IncomingMessage, outgoing: ServerResponse) => void {
  let waiting: [incoming: IncomingMessage, outgoing: ServerResponse][] = []
  const answerAll = () => {
    const came = waiting
    waiting = []
    const batch = {}
    for (const [incoming, outgoing] of came) respond(incoming, outgoing, batch)
  }
  return (incoming, outgoing) => {
    if (waiting.length === 0) setImmediate(answerAll)
    waiting.push([incoming, outgoing])
  }
}
