import { rmSync, writeFileSync } from 'node:fs'
import { connect, type TLSSocket } from 'node:tls'
import { type EstServer, newCsr } from './estServer.ts'
import { start, succeed } from './program.ts'
import { until } from './until.ts'

/** A TLS connection that can say its tls-exporter binding (RFC 9266), and carries one request. */
export interface BoundConnection {
  /** Base64 of the 32 octets. */
  binding: string
  /** Posts a CSR, with more header lines; gives the answer as it came, to the end of the connection, which somebody has to close. */
  post(path: string, csr: string, headers: readonly string[]): Promise<string>
  close(): void
}

const LABEL = 'EXPORTER-Channel-Binding'

/** By Node. */
export async function nodeConnection(server: EstServer, ca: string, more: object = {}): Promise<BoundConnection> {
  const socket = await new Promise<TLSSocket>((resolve, reject) => {
    const opened = connect({ host: '127.0.0.1', port: server.port, servername: 'localhost', ca, ...more }, () =>
      resolve(opened),
    )
    opened.once('error', reject)
  })
  return {
    binding: socket.exportKeyingMaterial(32, LABEL, Buffer.alloc(0)).toString('base64'),
    post: (path, csr, headers) =>
      new Promise((resolve, reject) => {
        let text = ''
        socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
        socket.once('end', () => resolve(text)).once('error', reject)
        socket.write(requestText(path, csr, headers))
      }),
    close: () => socket.destroy(),
  }
}

/** By `openssl s_client`, which shows what the exporter gives and then sends what it reads. TLS 1.3 only: before, no context is not an empty one. */
export async function opensslConnection(server: EstServer): Promise<BoundConnection> {
  const pipe = server.file('s_client.pipe')
  rmSync(pipe, { force: true })
  await succeed('mkfifo', [pipe])
  const tls = ['-connect', `localhost:${server.port}`, '-CAfile', server.process.rootPem, '-verify_return_error']
  const exporter = ['-tls1_3', '-keymatexport', LABEL, '-keymatexportlen', '32']
  // Opened for reading and writing, so that it has no end before the server closes.
  const program = start('sh', ['-c', 'exec openssl s_client "$@" <>"$0"', pipe, ...tls, ...exporter])
  const hex = await until(
    'keying material',
    async () => /Keying material: ([0-9A-F]{64})/.exec(program.output().stdout)?.[1],
  )
  return {
    binding: Buffer.from(hex, 'hex').toString('base64'),
    async post(path, csr, headers) {
      const before = program.output().stdout.length
      writeFileSync(pipe, requestText(path, csr, headers))
      return (await program.ended).stdout.slice(before)
    },
    close: () => void program.child.kill('SIGKILL'),
  }
}

function requestText(path: string, csr: string, headers: readonly string[]): string {
  const lines = [
    `POST /.well-known/est${path} HTTP/1.1`,
    ...['Host: localhost', 'Content-Type: application/pkcs10', ...headers],
    `Content-Length: ${csr.length}`,
  ]
  return `${lines.join('\r\n')}\r\n\r\n${csr}`
}

/** PEM of a CSR for that connection. */
export function linkedCsr(server: EstServer, key: string, name: string, binding: string): Promise<string> {
  return newCsr(server, { key, name, challengePassword: binding })
}
