import { connect, type Socket } from 'node:net'

/** Where answers come from. */
export interface Target {
  port: number
  /** A new connection for each request, for a server that closes after every answer. */
  closes?: boolean
}

export const getRequest = (path: string): Buffer => Buffer.from(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)

export function postRequest(path: string, body: Buffer): Buffer {
  const type = 'Content-Type: application/ocsp-request'
  const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${type}\r\nContent-Length: ${body.length}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), body])
}

/**
 * Sends the requests over so many connections, on each one after the other, as fast as answers come. `check` sees the
 * head and the body of every answer. Raw sockets: a client of Node's would cost more than the server.
 */
export async function play(
  target: Target,
  requests: Iterator<Buffer>,
  connections: number,
  check: (answer: Buffer) => void,
): Promise<number> {
  let answered = 0
  const work = async () => {
    let socket: Socket | undefined
    for (let next = requests.next(); !next.done; next = requests.next()) {
      socket ??= await open(target.port)
      check(await exchange(socket, next.value, target.closes ?? false))
      answered++
      if (target.closes) socket = void socket.destroy()
    }
    socket?.destroy()
  }
  await Promise.all(Array.from({ length: connections }, work))
  return answered
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true }, () => resolve(socket))
    socket.once('error', reject)
  })
}

function exchange(socket: Socket, request: Buffer, closes: boolean): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let got: Buffer | undefined
    const done = (answer: Buffer | undefined) => {
      socket.off('data', take).off('end', end).off('error', reject)
      if (answer) resolve(answer)
      else reject(new Error('the server closed without an answer'))
    }
    const take = (chunk: Buffer) => {
      got = got ? Buffer.concat([got, chunk]) : chunk
      const length = lengthOf(got)
      if (length !== undefined && got.length >= length) done(got)
    }
    const end = () => done(closes ? got : undefined)
    socket.on('data', take).once('end', end).once('error', reject)
    socket.write(request)
  })
}

/** Of head and body together; undefined while the head is not complete. */
function lengthOf(answer: Buffer): number | undefined {
  const end = answer.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const [, length = '0'] = /content-length: (\d+)/i.exec(answer.toString('latin1', 0, end)) ?? []
  return end + 4 + Number(length)
}
