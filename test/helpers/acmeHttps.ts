import { Agent, request } from 'node:https'
import type { Outgoing, Transport } from './acmeClient.ts'

interface HttpsOptions {
  /** PEM of the root to trust; absent: whatever the server shows is taken. */
  ca?: string | Buffer
  /** Where to connect, whatever the URL says. */
  to?: { host: string; port: number }
  /** How many connections at most. */
  connections?: number
}

/** Sends ACME requests over HTTPS on connections that are kept. Close it. */
export function httpsTransport({ ca, to, connections = 32 }: HttpsOptions = {}): Transport & { close(): void } {
  const trust = ca === undefined ? { rejectUnauthorized: false } : { ca }
  const agent = new Agent({ keepAlive: true, maxSockets: connections, ...trust })
  const send: Transport = ({ method, url, headers, body }: Outgoing) =>
    new Promise((resolve, reject) => {
      const { hostname, port, pathname, search } = new URL(url)
      const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
      const outgoing = request(
        {
          agent,
          method,
          path: pathname + search,
          host: to?.host ?? hostname,
          port: to?.port ?? port,
          headers: { ...headers, ...length },
        },
        (incoming) => {
          const chunks: Buffer[] = []
          incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
          incoming.once('error', reject)
          incoming.once('end', () => {
            const answered = Object.entries(incoming.headers).map(([name, value]) => [name, String(value)] as const)
            resolve({
              status: incoming.statusCode ?? 0,
              headers: new Map(answered),
              text: Buffer.concat(chunks).toString(),
            })
          })
        },
      )
      outgoing.once('error', reject)
      outgoing.end(body)
    })
  return Object.assign(send, { close: () => agent.destroy() })
}
