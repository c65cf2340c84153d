import { Agent as HttpAgent } from 'node:http'
import { describe, expect, test } from 'vitest'
import { ask, exchange } from '../helpers/rawHttp.ts'
import { startServer, useServers } from '../helpers/testServer.ts'

const start = useServers()

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
    const { ports, echo, server } = await start({ limits: { drainTimeout: 100 } })
    const waiting = ask({ port: ports.httpPort, path: '/echo/wait' })
    const silent = exchange(ports.httpsPort, '')
    await echo.waiting
    await Promise.all([server.close(), expect(waiting).rejects.toThrow('socket hang up')])
    expect(await silent).toBe('')
  })
})
