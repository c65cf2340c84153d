import { afterAll, beforeAll } from 'vitest'
import { acme as protocol } from '../../protocols/acme/index.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createServer, type Server } from '../../src/server.ts'
import { type AcmeApp, BASE_URL } from './acmeApp.ts'
import { AcmeClient } from './acmeClient.ts'
import { httpsTransport } from './acmeHttps.ts'
import { exchange } from './rawHttp.ts'
import { serverCertificate } from './testServer.ts'

/** The adapter behind real listeners, for what only the bytes on the connection show. */
export interface AcmeListener {
  client(options?: { register?: boolean }): Promise<AcmeClient>
  /** Request line and headers as they go over TLS, and the whole answer. */
  raw(head: string[], body?: string | Buffer, host?: string): Promise<string>
  /** A POST with this body; headers beside those that every POST has. */
  post(url: string, body: string | Buffer, headers?: string[]): Promise<string>
  /** Over the listener without TLS. */
  plain(head: string[]): Promise<string>
  /** Of the listener with TLS, on 127.0.0.1. */
  port(): number
}

interface Bytes {
  head: string[]
  body?: string | Buffer
  host?: string
}

/** One for all tests of a describe block. */
export function useAcmeListener(acme: { readonly app: AcmeApp }): AcmeListener {
  let server: Server
  let ports: { httpsPort: number; httpPort: number }
  let transport: ReturnType<typeof httpsTransport>
  beforeAll(async () => {
    const { log, sourceAddress } = acme.app.host
    const listen = { address: '127.0.0.1', httpsPort: 0, mtlsPort: 0, httpPort: 0 }
    const options = { log, sourceAddress, metrics: createMetrics(), metricsNetworks: [], accessLog: false }
    server = createServer({ ...options, listen, protocols: [protocol] })
    ports = await server.listen()
    server.open({ host: () => acme.app.host, tls: serverCertificate('localhost'), ready: async () => true })
    transport = httpsTransport({ to: { host: '127.0.0.1', port: ports.httpsPort } })
  })
  afterAll(async () => {
    transport.close()
    await server.close()
  })
  const send = (tls: boolean, { head, body = '', host = 'acme.test' }: Bytes) => {
    const lines = [...head, `Host: ${host}`, 'Connection: close'].join('\r\n')
    const bytes = Buffer.concat([Buffer.from(`${lines}\r\n\r\n`), Buffer.from(body)])
    return exchange(tls ? ports.httpsPort : ports.httpPort, bytes, { tls })
  }
  return {
    async client({ register = true } = {}) {
      const made = await new AcmeClient(`${BASE_URL}/acme/default/directory`, transport).load()
      if (register) await made.register()
      return made
    },
    raw: (head, body = '', host = 'acme.test') => send(true, { head, body, host }),
    post(url, body, headers = ['Content-Type: application/jose+json']) {
      const line = `POST ${url.slice(BASE_URL.length)} HTTP/1.1`
      return send(true, { head: [line, ...headers, `Content-Length: ${Buffer.byteLength(body)}`], body })
    },
    plain: (head) => send(false, { head }),
    port: () => ports.httpsPort,
  }
}
