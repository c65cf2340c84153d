import { createServer, type Socket } from 'node:net'

/** Answers http-01 for every token of one account, on one port of loopback. */
export interface Responder {
  /** RFC 7638, of the account that asks for validations from now on. */
  thumbprint: string
  /** Resolves when this token has been asked for and answered. */
  answered(token: string): Promise<void>
  close(): void
}

const PATH = /^GET \/\.well-known\/acme-challenge\/([A-Za-z0-9_-]+) /

export async function startResponder(port: number): Promise<Responder> {
  const open = new Set<Socket>()
  const done = new Set<string>()
  const waiting = new Map<string, () => void>()
  const responder: Responder = {
    thumbprint: '',
    answered: (token) =>
      new Promise((resolve) => {
        if (done.delete(token)) resolve()
        else waiting.set(token, resolve)
      }),
    close() {
      server.close()
      for (const socket of open) socket.destroy()
    },
  }
  const server = createServer((socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket)).on('error', () => socket.destroy())
    let received = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      received += chunk
      if (!received.includes('\r\n\r\n')) return
      const token = PATH.exec(received)?.[1] ?? ''
      const body = `${token}.${responder.thumbprint}`
      socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`)
      const resolve = waiting.get(token)
      if (!resolve) done.add(token)
      else {
        waiting.delete(token)
        resolve()
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return responder
}
