import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { certificatesIn, verifyBelow } from '../helpers/estCurl.ts'
import { type EstServer, newCsr, newKey, SETUP_WITHIN, startEstServer } from '../helpers/estServer.ts'
import { type BoundConnection, linkedCsr, nodeConnection, opensslConnection } from '../helpers/tlsExporter.ts'

const clients = [
  { client: 'openssl s_client, TLS 1.3', open: opensslConnection },
  { client: 'Node, TLS 1.3', open: (server: EstServer) => byNode(server, 'TLSv1.3') },
  { client: 'Node, TLS 1.2', open: (server: EstServer) => byNode(server, 'TLSv1.2') },
]

function byNode(server: EstServer, version: 'TLSv1.2' | 'TLSv1.3'): Promise<BoundConnection> {
  const ca = readFileSync(server.process.rootPem, 'utf8')
  return nodeConnection(server, ca, { minVersion: version, maxVersion: version })
}

/** No packaged EST client knows it: these are TLS clients that can say what their exporter gives. */
describe('RFC 9266: tls-exporter', () => {
  let server: EstServer
  let key: string
  const name = 'exporter.localhost'

  beforeAll(async () => {
    server = await startEstServer()
    await server.save({ name: 'open' })
    await server.save({ name: 'bound', est: { channelBinding: 'required' } })
    key = await newKey(server, 'exporter')
  }, SETUP_WITHIN)
  afterAll(() => server.stop())

  describe.each(clients)('by $client', ({ open }) => {
    type CsrFor = (connection: BoundConnection) => Promise<string>

    async function answer(path: string, csrFor: CsrFor, headers = ['Connection: close']): Promise<string> {
      const connection = await open(server)
      return connection.post(path, await csrFor(connection), [
        `Authorization: Bearer ${server.admin.token}`,
        ...headers,
      ])
    }

    it('the right one is taken, and the connection closes after it', async () => {
      for (const label of ['bound', 'open']) {
        const said = await answer(`/${label}/simpleenroll`, ({ binding }) => linkedCsr(server, key, name, binding), [])
        expect(said).toContain('HTTP/1.1 200 OK\r\n')
        expect(said).toContain('\r\nConnection: close\r\n')
        const [, base64 = ''] = /\r\n\r\n([A-Za-z0-9+/=\n]+)/.exec(said.slice(said.indexOf('HTTP/1.1 200'))) ?? []
        const [pem] = await certificatesIn(base64)
        await verifyBelow(server, { label, cert: server.file('exporter.pem', pem), name })
      }
    })

    it('a wrong one, and one of another connection, are refused where it is needed and where it is not', async () => {
      const other = await open(server)
      const bindings = [Buffer.alloc(32, 7).toString('base64'), other.binding]
      for (const binding of bindings)
        for (const label of ['bound', 'open']) {
          const said = await answer(`/${label}/simpleenroll`, () => linkedCsr(server, key, name, binding))
          expect(said).toContain('HTTP/1.1 403 Forbidden\r\n')
          expect(said).toContain('does not link the request to this TLS connection')
        }
      other.close()
    })

    it('a missing one is refused where it is needed, and taken where it is not', async () => {
      const csr = () => newCsr(server, { key, name })
      expect(await answer('/bound/simpleenroll', csr)).toContain('HTTP/1.1 403 Forbidden\r\n')
      expect(await answer('/open/simpleenroll', csr)).toContain('HTTP/1.1 200 OK\r\n')
    })
  })
})
