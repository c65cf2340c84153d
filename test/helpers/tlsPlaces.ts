import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'

/** A server on loopback that a test looks at. */
export interface TlsPlace {
  port: number
  /** HOST:PORT, as a target and as a place. */
  text: string
  close(): Promise<void>
}

/** One that shows `cert` (PEM, leaf first), and then says nothing more unless `serve` does; on any port unless one is named. */
export function tlsPlace(options: TlsOptions, serve: (socket: Socket) => void = () => {}, port = 0): Promise<TlsPlace> {
  const server = createTlsServer(options, (socket) => {
    socket.on('error', () => {})
    serve(socket)
  })
  server.on('tlsClientError', () => {})
  return listening(server, port)
}

/** One that does what it likes with a connection. */
export function rawPlace(serve: (socket: Socket) => void): Promise<TlsPlace> {
  return listening(
    createServer((socket) => {
      socket.on('error', () => {})
      serve(socket)
    }),
  )
}

async function listening(server: Server, wanted = 0): Promise<TlsPlace> {
  const open = new Set<Socket>()
  server.on('connection', (socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
  })
  server.listen(wanted, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    text: `127.0.0.1:${port}`,
    async close() {
      server.close()
      for (const socket of open) socket.destroy()
      await once(server, 'close')
    },
  }
}

/** A ServerHello and a Certificate message of TLS 1.2 that holds these (RFC 5246 section 7.4), in one record after the other. */
export function plainHandshake(certificates: readonly Buffer[]): Buffer {
  const hello = Buffer.concat([Buffer.from([3, 3]), Buffer.alloc(32, 7), Buffer.from([0, 0xc0, 0x2f, 0])])
  const list = Buffer.concat(certificates.flatMap((der) => [length24(der), der]))
  return records(Buffer.concat([message(2, hello), message(11, Buffer.concat([length24(list), list]))]))
}

const length24 = (bytes: Buffer): Buffer =>
  Buffer.from([bytes.length >> 16, (bytes.length >> 8) & 255, bytes.length & 255])
const message = (type: number, body: Buffer): Buffer => Buffer.concat([Buffer.from([type]), length24(body), body])

function records(content: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < content.length; at += 16_000) {
    const part = content.subarray(at, at + 16_000)
    parts.push(Buffer.from([22, 3, 3, part.length >> 8, part.length & 255]), part)
  }
  return Buffer.concat(parts)
}
