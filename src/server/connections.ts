import type { Socket } from 'node:net'
import type { OverloadConfig } from '../config/overloadConfig.ts'
import { addressOf } from '../http/sourceAddress.ts'
import { shareOf } from './admission.ts'
import { Counts } from './counts.ts'

/** Milliseconds between two looks for connections that rest, when there is no place for another one. */
const SPELL = 1_000

export interface Connections {
  /** Counts a new connection until it is closed, or closes it where there is no place for it. */
  open(socket: Socket): boolean
  readonly count: number
  readonly refused: { server: number; address: number }
}

export interface ConnectionOptions {
  limits: Pick<OverloadConfig, 'connections' | 'connectionsPerAddress'>
  /** Whose connections carry the requests of others: they are counted, but not against their address. */
  isProxy: (address: string) => boolean
  /** Closes the connections that have no request under way. */
  closeIdle: () => void
}

/** How many connections all listeners hold, in all and by address. Where all places are taken, those that rest are closed first. */
export function createConnections({ limits, isProxy, closeIdle }: ConnectionOptions): Connections {
  const ofAddress = new Counts()
  const refused = { server: 0, address: 0 }
  let count = 0
  let made = Number.NEGATIVE_INFINITY

  function makeRoom(): void {
    const now = performance.now()
    if (now - made < SPELL) return
    made = now
    closeIdle()
  }

  function refuse(socket: Socket, why: keyof typeof refused): false {
    refused[why]++
    socket.destroy()
    return false
  }

  return {
    open(socket) {
      if (count >= limits.connections) {
        makeRoom()
        return refuse(socket, 'server')
      }
      const source = addressOf(socket) ?? ''
      const share = shareOf(source)
      const his = ofAddress.of(share)
      if (his.count >= limits.connectionsPerAddress && !isProxy(source)) return refuse(socket, 'address')
      count++
      his.count++
      socket.once('close', () => {
        count--
        his.count--
      })
      return true
    },
    get count() {
      return count
    },
    refused,
  }
}
