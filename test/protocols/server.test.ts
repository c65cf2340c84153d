import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Protocol } from '../../src/protocol.ts'
import { type Asked, ask, exchange } from '../helpers/rawHttp.ts'
import { startServer, type TestServer, useServers } from '../helpers/testServer.ts'

const start = useServers()
const json = (text: string) => JSON.parse(text) as unknown

describe('what the server itself answers', () => {
  let shared: TestServer
  const get = (path: string, more: Partial<Asked> = {}) => ask({ port: shared.ports.httpPort, path, ...more })
  beforeAll(async () => {
    shared = await startServer()
  })
  afterAll(() => shared.server.close())

  test('404 as a problem document where nothing is mounted', async () => {
    for (const path of ['/nothing', '/echoes', '/%65cho', '//echo/source', '*']) {
      const answer = await get(path)
      expect(answer.status).toBe(404)
      expect(answer.headers['content-type']).toBe('application/problem+json')
      expect(json(answer.text)).toEqual({
        type: 'about:blank',
        title: 'Not Found',
        status: 404,
        detail: 'there is nothing at this path',
      })
    }
  })

  test('a protocol gets all below its path, and its own answers', async () => {
    expect(await get('/echo')).toMatchObject({ status: 404, text: 'not here' })
    expect(await get('/echo/target?a=%2Fb')).toMatchObject({ status: 200, text: '/echo/target?a=%2Fb' })
    expect(await get('/echo/target', { tls: true, port: shared.ports.httpsPort })).toMatchObject({ status: 200 })
  })

  test('nothing of a protocol from above the path that a listener has of it', async () => {
    const mounts: Protocol['mounts'] = [
      { path: '/echo', listeners: ['https'] },
      { path: '/echo/public', listeners: ['http'] },
    ]
    const { httpPort, httpsPort } = (await start({ mounts })).ports
    expect(await get('/echo/target', { port: httpsPort, tls: true })).toMatchObject({ status: 200 })
    for (const dots of ['/..', '/%2e%2E', '/.%2e', '/./..', '/\u005c../..', '\u005c..']) {
      const { status, text } = await get(`/echo/public${dots}/target`, { port: httpPort })
      expect({ dots, ok: status >= 400, text: text.includes('/target') }).toEqual({ dots, ok: true, text: false })
    }
    expect((await get('/echo/public/../public/x?a=/../b', { port: httpPort })).text).toBe('not here')
  })

  test('fast paths answer before the framework', async () => {
    expect(json((await get('/echo/fast')).text)).toMatchObject({ status: 418, detail: 'quick' })
  })

  test('the absolute form of a request target (RFC 9112 section 3.2.2)', async () => {
    expect(await get('http://elsewhere.test/echo/target')).toMatchObject({ status: 200, text: '/echo/target' })
    expect(await get('http://elsewhere.test')).toMatchObject({ status: 404 })
  })

  test('HTTP/1.0 without Host, as OCSP clients speak it', async () => {
    expect(await exchange(shared.ports.httpPort, 'GET /echo/target HTTP/1.0\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 200 [\s\S]*\/echo\/target$/,
    )
  })

  test.each(['/echo/throw', '/echo/fast-throw'])('500 without any detail for a bug: %s', async (path) => {
    const answer = await get(path)
    expect(answer.status).toBe(500)
    expect(answer.headers['content-type']).toBe('application/problem+json')
    const { detail } = json(answer.text) as { detail: string }
    const [, id] = /^an error of the server; its log has the details under (\S+)$/.exec(detail) ?? []
    expect(shared.lines.filter((line) => line.request === id && line.msg === 'a request failed')).toHaveLength(1)
  })

  test('400 as a problem document for a Host or target that makes no URL', async () => {
    const bad = await get('/echo/target', { headers: { host: 'a b' } })
    expect(bad.status).toBe(400)
    expect(json(bad.text)).toMatchObject({ status: 400, title: 'Bad Request' })
    expect(await get('/echo/\\target')).toMatchObject({ status: 400 })
  })

  test('405 with what is allowed', async () => {
    const answer = await get('/healthz', { method: 'POST' })
    expect(answer).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } })
    expect(json(answer.text)).toMatchObject({ title: 'Method Not Allowed' })
  })

  test('/healthz, /readyz and its reason', async () => {
    expect(await get('/healthz')).toMatchObject({ status: 200, text: 'ok\n' })
    expect(await get('/readyz?x')).toMatchObject({ status: 200 })
    shared.ready.now = false
    expect(await get('/readyz')).toMatchObject({ status: 503, headers: { 'retry-after': '5' } })
    expect(await get('/healthz')).toMatchObject({ status: 200 })
    shared.ready.now = true
  })

  test('every request is counted and logged, without its query', async () => {
    await get('/echo/target?password=1')
    const { text } = await get('/metrics')
    expect(text).toMatch(/^http_requests_total\{protocol="echo",code="200"\} \d/m)
    expect(text).toMatch(/^http_request_duration_seconds_count\{protocol="server"\} \d/m)
    const line = shared.lines.findLast((found) => found.protocol === 'echo')
    expect(line).toMatchObject({
      listener: 'http',
      method: 'GET',
      path: '/echo/target',
      code: '200',
      from: '127.0.0.1',
    })
    expect(JSON.stringify(shared.lines)).not.toContain('password')
  })
})

describe('bad and slow requests', () => {
  test('a body over the limit: told from its announcement or on its way, and closed', async () => {
    const { ports } = await start()
    const post = (headers: Record<string, string>, octets: number) =>
      ask({ port: ports.httpPort, path: '/echo/body', method: 'POST', headers, body: Buffer.alloc(octets) })
    for (const headers of [{ 'content-length': '100001' }, { 'transfer-encoding': 'chunked' }]) {
      const answer = await post(headers, 100_001)
      expect(answer).toMatchObject({ status: 413, headers: { connection: 'close' } })
      expect(json(answer.text)).toMatchObject({ title: 'Payload Too Large', status: 413 })
    }
    const fits = await post({}, 100_000)
    expect(fits).toMatchObject({ status: 200, text: '100000' })
  })

  test('an endless body that nobody wants is not read', async () => {
    const { ports } = await start()
    const head = 'POST /nothing HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
    const got = await exchange(ports.httpPort, `${head}5\r\nhello\r\n`)
    expect(got).toMatch(/^HTTP\/1\.1 404 /)
  })

  test('a small unread body leaves the connection open', async () => {
    const { ports } = await start()
    const first = 'POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello'
    const got = await exchange(ports.httpPort, `${first}GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    expect(got.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 404', 'HTTP/1.1 200'])
  })

  test('431 for headers over the limit', async () => {
    const { ports } = await start({ limits: { maxHeaderSize: 4096 } })
    const got = await exchange(ports.httpPort, `GET /${'a'.repeat(5000)} HTTP/1.1\r\nHost: a\r\n\r\n`)
    expect(got).toMatch(
      /^HTTP\/1\.1 431 Request Header Fields Too Large\r\n[\s\S]*Connection: close\r\n[\s\S]*too large\n$/,
    )
  })

  test('a request line of 48 KiB, as SCEP sends it, is taken', async () => {
    const { ports } = await start()
    const path = `/echo/target?${'a'.repeat(48 * 1024)}`
    expect(await ask({ port: ports.httpPort, path })).toMatchObject({ status: 200, text: path })
  })

  test.each([
    '\0\0\0\0',
    'GET / HTTP/3.0\r\n\r\n',
    'GET / HTTP/1.1\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
  ])('400 for what is no HTTP: %j', async (bytes) => {
    const { ports } = await start()
    expect(await exchange(ports.httpPort, bytes)).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
  })

  test('a head that never ends is given up', async () => {
    const { ports } = await start({ limits: { headersTimeout: 100, requestTimeout: 200, checkInterval: 20 } })
    const got = await exchange(ports.httpPort, 'GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ')
    expect(got).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/)
  })

  test('a body that never ends is given up', async () => {
    const { ports } = await start({ limits: { headersTimeout: 100, requestTimeout: 200, checkInterval: 20 } })
    const got = await exchange(ports.httpPort, 'POST /echo/body HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345')
    expect(got).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/)
  })

  test('a TLS handshake that never comes is given up', async () => {
    const { ports } = await start({ limits: { headersTimeout: 100 } })
    expect(await exchange(ports.httpsPort, '')).toBe('')
  })

  test('an answer that is on its way is cut, not mixed with an error', async () => {
    const { ports } = await start()
    const got = await exchange(ports.httpPort, 'GET /echo/half HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n\r\n')
    expect(got).not.toContain('400')
    expect(got.split('HTTP/1.1').length).toBeLessThanOrEqual(2)
  })

  test('a client that goes away is counted as such', async () => {
    const { ports, echo, lines } = await start()
    const socket = connect(ports.httpPort, '127.0.0.1')
    socket.write('GET /echo/wait HTTP/1.1\r\nHost: a\r\n\r\n')
    await echo.waiting
    socket.destroy()
    await expect.poll(() => lines.filter(({ code }) => code === 'aborted')).toHaveLength(1)
  })
})

test('without an access log only failures of the server have a line', async () => {
  const { ports, lines } = await start({ accessLog: false })
  for (const path of ['/healthz', '/nothing', '/echo/throw']) await ask({ port: ports.httpPort, path })
  expect(lines.filter(({ msg }) => msg === 'request')).toMatchObject([{ path: '/echo/throw', code: '500' }])
})
