import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { ask, exchange } from '../helpers/rawHttp.ts'
import { startServer, useServers } from '../helpers/testServer.ts'

const start = useServers()

/** A client that keeps its one connection. `ended`: how that ends. */
function kept(port: number, tls: boolean) {
  const agent = tls
    ? new HttpsAgent({ keepAlive: true, maxSockets: 1 })
    : new HttpAgent({ keepAlive: true, maxSockets: 1 })
  let told = (_how: string) => {}
  const ended = new Promise<string>((resolve) => {
    told = resolve
  })
  agent.once('free', (socket: Socket) =>
    socket.once('error', ({ message }) => told(message)).once('close', () => told('ended')),
  )
  return { ended, get: (path: string) => ask({ port, path, tls, agent }) }
}

describe('start and end', () => {
  test('before it is open: alive, not ready, 503 for the rest', async () => {
    const { ports } = await start({ closed: true })
    const get = (path: string) => ask({ port: ports.httpPort, path })
    expect(await get('/healthz')).toMatchObject({ status: 200 })
    expect(await get('/readyz')).toMatchObject({ status: 503 })
    expect(await get('/echo/target')).toMatchObject({ status: 503, headers: { 'retry-after': '5' } })
  })

  test('a port in use is an error that names the setting', async () => {
    const { ports } = await start()
    const failing = startServer({ listen: { httpPort: ports.httpPort } })
    await expect(failing).rejects.toThrow(
      `COUNTERSIGN_HTTP_PORT: cannot listen on 127.0.0.1:${ports.httpPort}: the port is in use`,
    )
  })

  test('closing lets a request under way end, and takes no other', async () => {
    const { ports, echo, server } = await start()
    const idle = exchange(ports.httpPort, 'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n')
    const waiting = ask({ port: ports.httpPort, path: '/echo/wait', agent: new HttpAgent({ keepAlive: true }) })
    await echo.waiting
    const closed = server.close()
    await expect(ask({ port: ports.httpPort, path: '/healthz', agent: false })).rejects.toThrow('ECONNREFUSED')
    expect(await idle).toMatch(/200 OK/)
    echo.release()
    expect(await waiting).toMatchObject({ status: 200, text: 'at last', headers: { connection: 'close' } })
    await closed
  })

  test('an answer whose head is out ends too', async () => {
    const { ports, echo, server } = await start()
    const waiting = ask({ port: ports.httpPort, path: '/echo/half', agent: new HttpAgent({ keepAlive: true }) })
    await echo.waiting
    const closed = server.close()
    echo.release()
    expect(await waiting).toMatchObject({ status: 200, text: 'half and half' })
    await closed
  })

  test('closing does not wait for ever: not for an answer, not for a handshake', async () => {
    const { ports, echo, server, lines } = await start({ limits: { drainTimeout: 100 } })
    const waiting = ask({ port: ports.httpPort, path: '/echo/wait' })
    const silent = exchange(ports.httpsPort, '')
    await echo.waiting
    await server.close()
    // The process may end now: nothing is to come any more.
    expect(lines.map(({ path, code }) => [path, code])).toEqual([['/echo/wait', 'aborted']])
    expect(await waiting).toMatchObject({ status: 503, headers: { 'retry-after': '5', connection: 'close' } })
    expect(await silent).toBe('')
    // Whoever answers after that is heard by nobody, and breaks nothing.
    echo.release()
  })

  test('closing tells whose request has not come whole to come again', async () => {
    for (const tls of [false, true]) {
      const { ports, echo, server } = await start({ limits: { drainTimeout: 100 } })
      const head = 'POST /echo/body HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n'
      const half = exchange(tls ? ports.httpsPort : ports.httpPort, `${head}half`, { tls })
      await echo.waiting
      await server.close()
      expect(await half).toMatch(/^HTTP\/1\.1 503 [\s\S]*Connection: close\r\nRetry-After: 5\r\n[\s\S]*ask again\n$/)
    }
  })

  test.each([false, true])(
    'from its announcement on connections close after their next answer, TLS %s',
    async (tls) => {
      const { ports, server } = await start()
      const port = tls ? ports.httpsPort : ports.httpPort
      const [one, two] = [kept(port, tls), kept(port, tls)]
      for (const { get } of [one, two])
        expect(await get('/echo/target')).toMatchObject({ headers: { connection: 'keep-alive' } })
      server.announceEnd()
      for (const path of ['/echo/target', '/healthz']) {
        const { get, ended } = path === '/healthz' ? one : two
        expect(await get(path)).toMatchObject({ status: 200, headers: { connection: 'close' } })
        expect(await ended).toBe('ended')
      }
      // Who comes now is served too, and once.
      const later = kept(port, tls)
      expect(await later.get('/echo/fast')).toMatchObject({ status: 418, headers: { connection: 'close' } })
    },
  )

  test.each([false, true])('what waits behind another answer is answered too, TLS %s', async (tls) => {
    const { ports, echo, server } = await start()
    const paths = ['/echo/wait', '/echo/target?1', '/echo/target?2']
    const asked = paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join('')
    const got = exchange(tls ? ports.httpsPort : ports.httpPort, asked, { tls })
    await echo.waiting
    server.announceEnd()
    const closed = server.close()
    echo.release()
    const told = (await got).match(/at last|target\?\d|Connection: close/g)
    expect(told).toEqual(['at last', 'target?1', 'Connection: close', 'target?2'])
    await closed
  })

  test.each([false, true])(
    'what was on its way on a kept connection when the server closed is answered, TLS %s',
    async (tls) => {
      const { ports, server } = await start()
      const port = tls ? ports.httpsPort : ports.httpPort
      const [asking, resting] = [kept(port, tls), kept(port, tls)]
      for (const { get } of [asking, resting]) expect(await get('/echo/target')).toMatchObject({ status: 200 })
      const closed = server.close()
      expect(await asking.get('/echo/target')).toMatchObject({ status: 200, headers: { connection: 'close' } })
      await closed
      expect(await Promise.all([asking.ended, resting.ended])).toEqual(['ended', 'ended'])
    },
  )
})
