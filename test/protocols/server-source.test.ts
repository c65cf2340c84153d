import { describe, expect, test } from 'vitest'
import { ask } from '../helpers/rawHttp.ts'
import { type TestServer, useServers } from '../helpers/testServer.ts'

const start = useServers()

describe('who asks', () => {
  const from = async (server: TestServer, headers: Record<string, string>) =>
    (await ask({ port: server.ports.httpPort, path: '/echo/source', headers })).text

  test('nobody is believed who is no trusted proxy', async () => {
    const server = await start()
    expect(await from(server, { 'x-forwarded-for': '192.0.2.1', forwarded: 'for=192.0.2.1' })).toBe('127.0.0.1')
  })

  test.each([
    [{}, '127.0.0.1'],
    [{ 'x-forwarded-for': '192.0.2.1' }, '192.0.2.1'],
    [{ 'x-forwarded-for': '192.0.2.9, 192.0.2.1, 10.0.0.7' }, '192.0.2.1'],
    [{ 'x-forwarded-for': '192.0.2.1:4711' }, '192.0.2.1'],
    [{ 'x-forwarded-for': '[2001:DB8::1]:4711' }, '2001:db8::1'],
    [{ 'x-forwarded-for': '::ffff:192.0.2.1' }, '192.0.2.1'],
    [{ 'x-forwarded-for': '10.0.0.8, 10.0.0.7' }, '10.0.0.8'],
    [{ 'x-forwarded-for': '192.0.2.1, unknown' }, 'nobody knows'],
    [{ 'x-forwarded-for': '' }, 'nobody knows'],
    [{ forwarded: 'for=192.0.2.9, For="[2001:db8::1]:80";proto=https;by=10.0.0.7' }, '2001:db8::1'],
    [{ forwarded: 'for="192.0.2.9, for=192.0.2.1' }, '192.0.2.1'],
    [{ forwarded: 'for=192.0.2.1, for=_hidden' }, 'nobody knows'],
    [{ forwarded: 'proto=https' }, 'nobody knows'],
    [{ 'x-forwarded-for': '192.0.2.1', forwarded: 'for=192.0.2.1' }, '192.0.2.1'],
    [{ 'x-forwarded-for': '192.0.2.1', forwarded: 'for=10.1.2.3' }, 'nobody knows'],
  ])('behind trusted proxies: %j is %s', async (headers, address) => {
    const server = await start({ trustedProxies: ['127.0.0.1', '10.0.0.0/24'] })
    expect(await from(server, headers)).toBe(address)
  })

  test('nobody who comes through a proxy without a name reads metrics, also where the port is of both families', async () => {
    const server = await start({ listen: { address: '::' } })
    const at = { port: server.ports.httpPort, path: '/metrics' }
    expect(await ask(at)).toMatchObject({ status: 200 })
    expect(await ask({ ...at, headers: { 'X-Forwarded-For': '198.51.100.7' } })).toMatchObject({ status: 403 })
  })

  test('metrics are for the networks that were named', async () => {
    const get = async (server: TestServer, headers: Record<string, string> = {}) =>
      (await ask({ port: server.ports.httpPort, path: '/metrics', headers })).status
    expect(await get(await start())).toBe(200)
    expect(await get(await start({ metricsNetworks: ['10.0.0.0/8'] }))).toBe(403)
    expect(await get(await start(), { 'x-forwarded-for': '192.0.2.1' })).toBe(403)
    const behind = await start({ trustedProxies: ['127.0.0.1'], metricsNetworks: ['127.0.0.1', '10.0.0.0/8'] })
    expect(await get(behind, { 'x-forwarded-for': '192.0.2.1' })).toBe(403)
    expect(await get(behind, { 'x-forwarded-for': '10.0.0.1' })).toBe(200)
  })
})
