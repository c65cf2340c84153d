import { createServer, type Socket } from 'node:net'

/** Answers http-01 on one port of loopback. */
export interface Responder {
  /** From now on this token is answered, for the account whose key has this thumbprint (RFC 7638). Resolves when that has been done. */
  proves(token: string, thumbprint: string): Promise<void>
  close(): void
}

const PATH = /^GET \/\.well-known\/acme-challenge\/([A-Za-z0-9_-]+) /

export async function startResponder(port: number): Promise<Responder> {
  const open = new Set<Socket>()
  // They stay: a server may look more than once.
  const proofs = new Map<string, { body: string; answered(): void }>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket)).on('error', () => socket.destroy())
    let received = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      received += chunk
      if (!received.includes('\r\n\r\n')) return
      const proof = proofs.get(PATH.exec(received)?.[1] ?? '')
      const [status, body] = proof ? ['200 OK', proof.body] : ['404 Not Found', '']
      socket.end(`HTTP/1.1 ${status}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`)
      proof?.answered()
    })
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    proves: (token, thumbprint) =>
      new Promise((resolve) => proofs.set(token, { body: `${token}.${thumbprint}`, answered: resolve })),
    close() {
      server.close()
      for (const socket of open) socket.destroy()
    },
  }
}
