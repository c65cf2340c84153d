import type { Socket } from 'node:net'

/** What one connection may have asked without waiting for an answer: no client pipelines more. */
const DEEPEST = 64

/** Requests under way by connection: those that wait behind another answer (pipelining) never hear that their connection was closed. */
export interface UnderWay {
  /** `end` runs once: by `ended`, or when the connection closes. False, with the connection cut, where it asks too much at once. */
  begin(socket: Socket, end: () => void): boolean
  ended(socket: Socket, end: () => void): void
}

export function createUnderWay(): UnderWay {
  const ofSocket = new WeakMap<Socket, Set<() => void>>()

  function watch(socket: Socket): Set<() => void> {
    const ends = new Set<() => void>()
    ofSocket.set(socket, ends)
    // The answer that is being written hears of it itself, with the same event.
    socket.once('close', () =>
      setImmediate(() => {
        for (const end of ends) end()
        ends.clear()
      }),
    )
    return ends
  }

  return {
    begin(socket, end) {
      const ends = ofSocket.get(socket) ?? watch(socket)
      ends.add(end)
      if (ends.size <= DEEPEST) return true
      socket.destroy()
      return false
    },
    ended(socket, end) {
      if (ofSocket.get(socket)?.delete(end)) end()
    },
  }
}
