import { Agent } from 'node:https'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { dnsName, selfSigned } from '../helpers/alpnCertificate.ts'
import { type Asked, ask } from '../helpers/rawHttp.ts'
import { serverCertificate, useServers } from '../helpers/testServer.ts'

const start = useServers()

describe('TLS', () => {
  const subject = (socket: unknown) => (socket as TLSSocket).getPeerCertificate().subject?.CN

  test('a new certificate is for new connections; a kept one lives on', async () => {
    const { ports, server } = await start()
    const names: unknown[] = []
    const agent = () =>
      new Agent({ keepAlive: true, rejectUnauthorized: false }).on('free', (socket) => names.push(subject(socket)))
    const [kept, fresh] = [agent(), agent()]
    const get = (agent: Agent) => ask({ tls: true, port: ports.httpsPort, path: '/healthz', agent })
    await get(kept)
    server.setCertificate(serverCertificate('second'))
    await get(kept)
    await get(fresh)
    expect(names).toEqual(['first', 'first', 'second'])
    kept.destroy()
    fresh.destroy()
  })

  /** Two connections, the second with the session of the first. */
  async function resumes(port: number): Promise<boolean> {
    const dial = (session?: Buffer) =>
      new Promise<{ reused: boolean; session: Buffer | undefined }>((resolve, reject) => {
        let got: Buffer | undefined
        let reused = false
        const to = { host: '127.0.0.1', port, rejectUnauthorized: false, ...(session ? { session } : {}) }
        const socket = connectTls(to, () => {
          reused = socket.isSessionReused()
          socket.write('GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
        })
        socket.on('session', (session) => {
          got = session
        })
        socket.on('error', reject).resume()
        socket.on('close', () => resolve({ reused, session: got }))
      })
    return (await dial((await dial()).session)).reused
  }

  test('sessions are resumed, but not where a client certificate may come', async () => {
    const { ports } = await start({ mounts: [{ path: '/echo', listeners: ['https', 'mtls'] }] })
    expect(await resumes(ports.httpsPort)).toBe(true)
    expect(await resumes(ports.mtlsPort ?? 0)).toBe(false)
  })

  test('a client certificate is asked for on its own port only, and is never required', async () => {
    const { ports, server } = await start({ mounts: [{ path: '/echo', listeners: ['https', 'mtls'] }] })
    const client = selfSigned({ name: 'client', san: [dnsName('client.test')] })
    const get = (port: number | undefined, more: Partial<Asked> = {}) =>
      ask({ tls: true, port: port ?? 0, path: '/echo/client', agent: false, ...more })
    const withOne = { key: client.key, cert: client.certificate }
    expect((await get(ports.mtlsPort)).text).toBe('none')
    expect((await get(ports.mtlsPort, withOne)).text).toBe('DNS:client.test')
    expect((await get(ports.httpsPort, withOne)).text).toBe('none')
    server.setCertificate(serverCertificate('second'))
    expect((await get(ports.mtlsPort, withOne)).text).toBe('DNS:client.test')
    expect(await resumes(ports.mtlsPort ?? 0)).toBe(false)
  })

  test('its port stays closed when nothing is mounted there', async () => {
    expect((await start()).ports.mtlsPort).toBe(undefined)
  })
})
