import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

const process = randomBytes(4).toString('hex')
let counter = 0
const ids = new WeakMap<IncomingMessage, string>()

/** What a request is called in the log: the same for every line about it, and different in every other process. */
export function requestId(incoming: IncomingMessage): string {
  let id = ids.get(incoming)
  if (id === undefined) {
    counter++
    id = `${process}-${counter.toString(36)}`
    ids.set(incoming, id)
  }
  return id
}
