import { readFileSync } from 'node:fs'
import { connect } from 'node:tls'
import type { ServerProcess } from './serverProcess.ts'

export interface Served {
  /** Lower-case hex. */
  serial: string
  /** DER of the OCSP answer that came with it. */
  stapled: Buffer | undefined
}

/** What a TLS server on 127.0.0.1 shows for a name. Undefined when it shows nothing that our root vouches for. */
export function servedCertificate(
  server: ServerProcess,
  { name, port }: { name: string; port: number },
): Promise<Served | undefined> {
  return new Promise((resolve) => {
    const trust = { servername: name, ca: readFileSync(server.rootPem), requestOCSP: true }
    const socket = connect({ host: '127.0.0.1', port, timeout: 5_000, ...trust })
    let stapled: Buffer | undefined
    const end = (served?: Served) => {
      socket.destroy()
      resolve(served)
    }
    socket.once('OCSPResponse', (response: Buffer | null) => (stapled = response ?? undefined))
    socket.once('secureConnect', () => end({ serial: socket.getPeerCertificate().serialNumber.toLowerCase(), stapled }))
    socket.once('error', () => end())
    socket.once('timeout', () => end())
  })
}
