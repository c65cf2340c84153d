import { once } from 'node:events'
import type { Server, Socket } from 'node:net'

/** Opens a server on 127.0.0.1; gives what closes it, with all its connections. */
export async function listening(server: Server, port: number): Promise<() => Promise<void>> {
  const open = new Set<Socket>()
  server.on('connection', (socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return async () => {
    const closed = once(server, 'close')
    server.close()
    for (const socket of open) socket.destroy()
    await closed
  }
}
