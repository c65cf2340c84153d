import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import type { Deadline } from './deadline.ts'
import { ValidationFailure } from './outcome.ts'

export interface NameServer {
  address: string
  port: number
}

/** One question to one server. `accept` answers undefined for a message that is not the reply. */
export interface Exchange<T> {
  server: NameServer
  query: Buffer
  accept(message: Buffer): T | undefined
  timeoutMs: number
  deadline: Deadline
}

/**
 * From a socket of its own, so that the port is a new one each time (RFC 5452 section 9.2), and connected, so that the kernel drops what comes
 * from elsewhere. Messages that are not the reply are passed over: whoever guesses must not be able to end the wait.
 * Throws ValidationFailure('dns') and whatever accept throws.
 */
export function overUdp<T>({ server, query, accept, timeoutMs, deadline }: Exchange<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4')
    const end = settleOnce(() => socket.close(), { timeoutMs, deadline, reject })
    socket.on('error', (error) => end(() => reject(unreachable(error))))
    socket.on('message', (message) => {
      try {
        const reply = accept(message)
        if (reply !== undefined) end(() => resolve(reply))
      } catch (error) {
        end(() => reject(error))
      }
    })
    socket.on('connect', () => socket.send(query))
    socket.connect(server.port, server.address)
  })
}

/** With the length in front of each message (RFC 7766). Throws as overUdp does; a message that is not the reply is a failure here. */
export function overTcp<T>({ server, query, accept, timeoutMs, deadline }: Exchange<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: server.address, port: server.port })
    const end = settleOnce(() => socket.destroy(), { timeoutMs, deadline, reject })
    let data: Buffer = Buffer.alloc(0)
    socket.on('error', (error) => end(() => reject(unreachable(error))))
    socket.on('close', () => end(() => reject(failure('closed the connection without an answer'))))
    socket.on('data', (chunk: Buffer) => {
      // Never more than one message of at most 64 KiB.
      data = Buffer.concat([data, chunk])
      if (data.length < 2 || data.length < 2 + data.readUInt16BE(0)) return
      try {
        const reply = accept(data.subarray(2, 2 + data.readUInt16BE(0)))
        end(() => (reply === undefined ? reject(failure('answered another question')) : resolve(reply)))
      } catch (error) {
        end(() => reject(error))
      }
    })
    const length = Buffer.alloc(2)
    length.writeUInt16BE(query.length)
    socket.write(Buffer.concat([length, query]))
  })
}

interface End {
  timeoutMs: number
  deadline: Deadline
  reject(why: unknown): void
}

/** What ends the exchange: the first of an answer, an error, its own time and the time of the whole. */
function settleOnce(close: () => void, { timeoutMs, deadline, reject }: End): (settle: () => void) => void {
  let over = false
  const end = (settle: () => void) => {
    if (over) return
    over = true
    clearTimeout(timer)
    release()
    close()
    settle()
  }
  const timer = setTimeout(() => end(() => reject(failure('did not answer in time'))), timeoutMs)
  const release = deadline.onEnd((why) =>
    // The stop may come before this function has returned.
    setImmediate(() => end(() => reject(why.type === 'connection' ? failure(`gave ${why.message}`) : why))),
  )
  return end
}

function failure(what: string): ValidationFailure {
  return new ValidationFailure('dns', `the name server ${what}`, true)
}

function unreachable(error: Error): ValidationFailure {
  const code = 'code' in error ? ` (${String(error.code)})` : ''
  return failure(`could not be reached${code}`)
}
