import { once } from 'node:events'
import { Agent } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { type Answered, type Asked, ask } from '../helpers/rawHttp.ts'
import { type TestServer, useServers } from '../helpers/testServer.ts'
import { until } from '../helpers/until.ts'

const start = useServers()
const open: Socket[] = []
afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy()
})

const get = ({ ports }: TestServer, path: string, more: Partial<Asked> = {}) =>
  ask({ port: ports.httpPort, path, agent: false, ...more })
const metric = async (server: TestServer, name: string) => {
  const { text } = await get(server, '/metrics')
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
}
const refusals = (server: TestServer, what: string, why: string) =>
  metric(server, `http_${what}_refused_total\\{for="${why}"\\}`)
const becomes = (wanted: string, ask: () => boolean | Promise<boolean>) =>
  until(wanted, async () => (await ask()) || undefined, { within: 10_000, every: 10 })
const underWay = (server: TestServer, count: number) =>
  becomes(`${count} under way`, async () => (await metric(server, 'http_requests_under_way')) === count)

/** A connection that has written this, from one address of loopback. */
async function wire({ ports }: TestServer, text = '', localAddress = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port: ports.httpPort, host: '127.0.0.1', localAddress })
  open.push(socket)
  socket.on('error', () => {})
  await once(socket, 'connect')
  if (text) socket.write(text)
  return socket
}

function isProblem({ headers, text }: Answered, status: number): void {
  expect(headers['content-type']).toBe('application/problem+json')
  expect(JSON.parse(text)).toMatchObject({ type: 'about:blank', status })
  expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(3)
  expect(Number(headers['retry-after'])).toBeLessThanOrEqual(10)
}

describe('places for requests', () => {
  test('one contract takes three quarters of them; who comes then is told when to come back, and health is answered', async () => {
    const server = await start({ overload: { requests: 4 } })
    const waiting = [1, 2, 3].map(() => get(server, '/echo/wait'))
    await underWay(server, 3)
    const refused = await get(server, '/echo/target')
    expect(refused.status).toBe(503)
    isProblem(refused, 503)
    expect(await get(server, '/healthz')).toMatchObject({ status: 200 })
    expect(await get(server, '/readyz')).toMatchObject({ status: 200 })
    expect(await get(server, '/nothing')).toMatchObject({ status: 404 })
    expect(await refusals(server, 'requests', 'protocol')).toBe(1)
    server.echo.release()
    for (const answer of await Promise.all(waiting)) expect(answer.status).toBe(200)
    expect(await get(server, '/echo/target')).toMatchObject({ status: 200 })
    // A line for each would be a flood of its own.
    expect(server.lines.filter(({ path }) => path === '/echo/target')).toHaveLength(1)
  })

  test('a body that nobody has asked for yet is not read', async () => {
    const server = await start({ overload: { requests: 1 } })
    const waiting = get(server, '/echo/wait')
    await server.echo.waiting
    const refused = await get(server, '/echo/body', { method: 'POST', body: Buffer.alloc(90_000) })
    expect(refused.status).toBe(503)
    expect(await metric(server, 'http_body_octets_held')).toBe(0)
    server.echo.release()
    await waiting
  })

  test('an address has its share of them, and no other loses by it', async () => {
    const server = await start({ overload: { requestsPerAddress: 2 } })
    const waiting = [1, 2].map(() => get(server, '/echo/wait'))
    await underWay(server, 2)
    const refused = await get(server, '/echo/target')
    expect(refused.status).toBe(429)
    isProblem(refused, 429)
    expect(await get(server, '/echo/target', { localAddress: '127.0.0.2' })).toMatchObject({ status: 200 })
    expect(await refusals(server, 'requests', 'address')).toBe(1)
    server.echo.release()
    await Promise.all(waiting)
    expect(await get(server, '/echo/target')).toMatchObject({ status: 200 })
  })

  test('behind a proxy the share is that of the address that it names; the proxy itself has none', async () => {
    const server = await start({ overload: { requestsPerAddress: 1 }, trustedProxies: ['127.0.0.1'] })
    const from = (address: string) => ({ headers: { 'X-Forwarded-For': address } })
    const waiting = [get(server, '/echo/wait', from('192.0.2.1')), get(server, '/echo/wait')]
    await underWay(server, 2)
    expect(await get(server, '/echo/target', from('192.0.2.1'))).toMatchObject({ status: 429 })
    expect(await get(server, '/echo/target', from('192.0.2.2'))).toMatchObject({ status: 200 })
    expect(await get(server, '/echo/target')).toMatchObject({ status: 200 })
    server.echo.release()
    await Promise.all(waiting)
  })

  test('a /64 of IPv6 is one address', async () => {
    const server = await start({ overload: { requestsPerAddress: 1 }, trustedProxies: ['127.0.0.1'] })
    const from = (address: string) => ({ headers: { 'X-Forwarded-For': address } })
    const waiting = get(server, '/echo/wait', from('2001:db8::1'))
    await server.echo.waiting
    expect(await get(server, '/echo/target', from('2001:db8::2:1'))).toMatchObject({ status: 429 })
    expect(await get(server, '/echo/target', from('2001:db8:0:1::1'))).toMatchObject({ status: 200 })
    server.echo.release()
    await waiting
  })

  test('devices are told in plain words', async () => {
    const mounts = [{ path: '/echo' as const, listeners: ['mtls' as const] }]
    const server = await start({ overload: { requests: 1 }, mounts })
    const at = { port: server.ports.mtlsPort ?? 0, tls: true }
    const waiting = get(server, '/echo/wait', at)
    await server.echo.waiting
    const refused = await get(server, '/echo/target', at)
    expect(refused).toMatchObject({ status: 503, headers: { 'content-type': 'text/plain; charset=utf-8' } })
    expect(refused.headers).toHaveProperty('retry-after')
    server.echo.release()
    await waiting
  })
})

describe('requests in one breath', () => {
  const request = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`

  test('those that wait behind another give their places back when the client goes', async () => {
    const server = await start()
    const socket = await wire(server, request('/echo/wait') + request('/echo/target').repeat(5))
    await underWay(server, 6)
    socket.destroy()
    await underWay(server, 0)
    // The one that was being answered, and those behind it: each has its line, and none was answered.
    await becomes('six lines', () => server.lines.filter(({ code }) => code === 'aborted').length === 6)
  })

  test('more than any client sends cut the connection, and nobody else', async () => {
    const server = await start()
    const socket = await wire(server, request('/echo/wait') + request('/echo/target').repeat(500))
    await once(socket, 'close')
    await underWay(server, 0)
    expect(await get(server, '/echo/target')).toMatchObject({ status: 200 })
  })
})

describe('whatever a client breaks off', () => {
  const head = (line: string, ...fields: string[]) => [`${line} HTTP/1.1`, 'Host: a', ...fields, '', ''].join('\r\n')
  const wait = head('GET /echo/wait')
  const chunked = head('POST /echo/body', 'Transfer-Encoding: chunked')

  test.each([
    ['a body', head('POST /echo/body', 'Content-Length: 90000') + 'x'.repeat(40_000)],
    ['a body of chunks', `${chunked}1000\r\n${'x'.repeat(2_000)}`],
    ['a body that is no chunk', `${chunked}zz\r\n`],
    ['a body behind another request', wait + head('POST /echo/body', 'Content-Length: 5000') + 'x'.repeat(5_000)],
    ['something else behind another request', `${wait}garbage\r\n\r\n`],
    ['HEAD', head('HEAD /echo/wait')],
    ['an upgrade', `${head('GET /echo/wait', 'Connection: Upgrade', 'Upgrade: websocket')}abc`],
    ['CONNECT', head('CONNECT /echo/wait')],
    ['an expectation', head('POST /echo/body', 'Expect: 100-continue', 'Content-Length: 500')],
    ['half of an answer', head('GET /echo/half').repeat(2)],
    ['a GET with a body', head('GET /echo/wait', 'Content-Length: 90000') + 'x'.repeat(1_000)],
  ])('no place is lost: %s', async (_what, text) => {
    const server = await start({ accessLog: false })
    const sockets = await Promise.all(Array.from({ length: 8 }, () => wire(server, text)))
    for (const [n, socket] of sockets.entries()) {
      if (n % 2 === 0) socket.destroy()
      else socket.resume().end()
    }
    // What waits would do so behind a client that has only ended its side.
    await becomes('read', async () => (await metric(server, 'http_connections_open')) <= 5)
    for (const socket of sockets) socket.destroy()
    await underWay(server, 0)
    expect(await metric(server, 'http_body_octets_held')).toBe(0)
    await becomes('closed', async () => (await metric(server, 'http_connections_open')) === 1)
  })
})

describe('bodies in memory', () => {
  const post = (length: number) => `POST /echo/body HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`

  test('an address holds a quarter of the room, and what is refused is told', async () => {
    const server = await start({ overload: { bodies: 1 } })
    const half = post(100_000) + 'x'.repeat(90_000)
    await Promise.all([wire(server, half), wire(server, half)])
    await becomes('held', async () => (await metric(server, 'http_body_octets_held')) === 180_000)
    const sent = ask({ port: server.ports.httpPort, path: '/echo/body', method: 'POST', body: Buffer.alloc(100_000) })
    expect((await sent).status).toBe(400)
    expect(await refusals(server, 'requests', 'bodies')).toBe(1)
    const { status } = await get(server, '/echo/body', {
      method: 'POST',
      body: Buffer.alloc(90_000),
      localAddress: '127.0.0.2',
    })
    expect(status).toBe(200)
    for (const socket of open) socket.destroy()
    await becomes('given back', async () => (await metric(server, 'http_body_octets_held')) === 0)
  })
})

describe('connections', () => {
  test('an address has its share', async () => {
    const server = await start({ overload: { connectionsPerAddress: 2 } })
    await wire(server)
    await wire(server)
    const third = await wire(server)
    await once(third, 'close')
    expect(await get(server, '/healthz', { localAddress: '127.0.0.2' })).toMatchObject({ status: 200 })
    expect((await ask({ port: server.ports.httpPort, path: '/metrics', localAddress: '127.0.0.3' })).text).toMatch(
      /^http_connections_refused_total\{for="address"\} 1$/m,
    )
  })

  test('a proxy has as many as it needs', async () => {
    const server = await start({ overload: { connectionsPerAddress: 1 }, trustedProxies: ['127.0.0.1'] })
    await wire(server)
    await wire(server)
    expect(await get(server, '/healthz')).toMatchObject({ status: 200 })
  })

  test('where no place is left those that rest are closed, those at work are not', async () => {
    const server = await start({ overload: { connections: 3 } })
    const working = get(server, '/echo/wait')
    await server.echo.waiting
    const agent = new Agent({ keepAlive: true, maxSockets: 2 })
    await Promise.all([get(server, '/healthz', { agent }), get(server, '/healthz', { agent })])
    const late = await wire(server)
    await once(late, 'close')
    await becomes('closed', () => Object.keys(agent.freeSockets).length === 0)
    expect(await get(server, '/healthz')).toMatchObject({ status: 200 })
    expect(await refusals(server, 'connections', 'server')).toBe(1)
    server.echo.release()
    expect(await working).toMatchObject({ status: 200 })
    agent.destroy()
  })

  test('one beyond them costs no handshake', async () => {
    const server = await start({ overload: { connectionsPerAddress: 1 } })
    await wire(server)
    await expect(get(server, '/healthz', { tls: true, port: server.ports.httpsPort })).rejects.toThrow()
    expect(
      await get(server, '/healthz', { tls: true, port: server.ports.httpsPort, localAddress: '127.0.0.2' }),
    ).toMatchObject({ status: 200 })
  })

  test('one that says nothing is closed in the time of a head', async () => {
    const server = await start({ limits: { headersTimeout: 100, checkInterval: 20 } })
    const silent = await wire(server)
    const slow = await wire(server, 'GET / HTTP/1.1\r\n')
    await Promise.all([once(silent.resume(), 'close'), once(slow.resume(), 'close')])
    expect(await get(server, '/healthz')).toMatchObject({ status: 200 })
  })
})
