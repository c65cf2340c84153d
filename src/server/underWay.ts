import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Bag } from './bag.ts'

/** What one connection may have asked without waiting for an answer: no client pipelines more. */
const DEEPEST = 64

/** Requests under way by connection: those that wait behind another answer (pipelining) never hear that their connection was closed. */
export interface UnderWay {
  /**
   * `end` runs once: when what this answers is called, or when the connection closes. Undefined, with the connection cut, where it asks too much at once.
   */
  begin(outgoing: ServerResponse, end: () => void): (() => void) | undefined
  /** The answer to the newest request under way on a connection, behind which none waits. */
  lastOn(socket: Socket): ServerResponse | undefined
}

interface Line {
  ends: Bag<() => void>
  last: ServerResponse | undefined
}

export function createUnderWay(): UnderWay {
  const ofSocket = new WeakMap<Socket, Line>()

  function watch(socket: Socket): Line {
    const line: Line = { ends: new Bag(), last: undefined }
    ofSocket.set(socket, line)
    // The answer that is being written hears of it itself, with the same event.
    socket.once('close', () =>
      setImmediate(() => {
        for (const held of line.ends.all()) if (line.ends.take(held)) held.one()
      }),
    )
    return line
  }

  return {
    begin(outgoing, end) {
      const { socket } = outgoing.req
      const line = ofSocket.get(socket) ?? watch(socket)
      const held = line.ends.add(end)
      if (line.ends.size > DEEPEST) {
        socket.destroy()
        return undefined
      }
      line.last = outgoing
      return () => {
        if (line.last === outgoing) line.last = undefined
        if (line.ends.take(held)) end()
      }
    },
    lastOn: (socket) => ofSocket.get(socket)?.last,
  }
}
