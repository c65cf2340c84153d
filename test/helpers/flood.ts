import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type TLSSocket } from 'node:tls'

/** An answer, as far as a flood looks at it. Header lines in lower case. */
export interface FloodAnswer {
  status: number
  head: string
}

/** One connection that has shaken hands and says nothing yet. */
export interface FloodConnection {
  /** Writes them all at once, and resolves with the answers when there are as many, or when the connection has ended. */
  send(requests: readonly string[]): Promise<FloodAnswer[]>
  close(): void
}

/** Connections to a port of loopback, from so many of its addresses. */
export async function floodConnections(port: number, count: number, addresses: number): Promise<FloodConnection[]> {
  const connections: FloodConnection[] = []
  // Some at a time: what is measured is the flood after them.
  for (let at = 0; at < count; at += 25) {
    const some = Array.from({ length: Math.min(25, count - at) }, (_, n) => floodConnection(port, (at + n) % addresses))
    connections.push(...(await Promise.all(some)))
  }
  return connections
}

async function floodConnection(port: number, address: number): Promise<FloodConnection> {
  const to = { host: '127.0.0.1', port, localAddress: `127.0.1.${address + 1}` }
  const socket: TLSSocket = connect({ ...to, servername: 'localhost', rejectUnauthorized: false })
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  return {
    send: (requests) =>
      new Promise((resolve) => {
        let text = ''
        const answers = () =>
          [...text.matchAll(/HTTP\/1\.1 (\d{3})[^\r]*\r\n([\s\S]*?)\r\n\r\n/g)].map(([, status, head = '']) => ({
            status: Number(status),
            head: head.toLowerCase(),
          }))
        const finish = () => resolve(answers())
        socket.setEncoding('latin1').on('data', (chunk: string) => {
          text += chunk
          if (answers().length >= requests.length) finish()
        })
        socket.once('close', finish)
        socket.write(requests.join(''))
      }),
    close: () => socket.destroy(),
  }
}

export function rawRequest(url: string, body?: string): string {
  const { pathname, host } = new URL(url)
  const start = `${body === undefined ? 'HEAD' : 'POST'} ${pathname} HTTP/1.1\r\nHost: ${host}\r\n`
  if (body === undefined) return `${start}\r\n`
  return `${start}Content-Type: application/jose+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

/** Mebioctets that a process has in memory. */
export function residentMemory(pid: number): number {
  const [, kibi = '0'] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kibi) / 1024
}
