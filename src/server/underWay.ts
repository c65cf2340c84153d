import type { Socket } from 'node:net'
import { Bag } from './bag.ts'

/** What one connection may have asked without waiting for an answer: no client pipelines more. */
const DEEPEST = 64

/** Requests under way by connection: those that wait behind another answer (pipelining) never hear that their connection was closed. */
export interface UnderWay {
  /**
   * `end` runs once: when what this answers is called, or when the connection closes. Undefined, with the connection cut, where it asks too much at once.
   */
  begin(socket: Socket, end: () => void): (() => void) | undefined
}

export function createUnderWay(): UnderWay {
  const ofSocket = new WeakMap<Socket, Bag<() => void>>()

  function watch(socket: Socket): Bag<() => void> {
    const ends = new Bag<() => void>()
    ofSocket.set(socket, ends)
    // The answer that is being written hears of it itself, with the same event.
    socket.once('close', () =>
      setImmediate(() => {
        for (const held of ends.all()) if (ends.take(held)) held.one()
      }),
    )
    return ends
  }

  return {
    begin(socket, end) {
      const ends = ofSocket.get(socket) ?? watch(socket)
      const held = ends.add(end)
      if (ends.size > DEEPEST) {
        socket.destroy()
        return undefined
      }
      return () => {
        if (ends.take(held)) end()
      }
    },
  }
}
