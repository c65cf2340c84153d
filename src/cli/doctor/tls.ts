import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { connect } from 'node:tls'
import type { Config } from '../../config.ts'
import { type Check, check, fail, ok, warn } from './check.ts'
import { here } from './network.ts'

/** Whether the certificate that the server presents is for the name that it hands out, and still good. */
export function tlsCheck({ listen }: Config, baseUrl: string): Promise<Check> {
  const host = new URL(baseUrl).hostname.replace(/^\[|\]$/g, '')
  return check('TLS certificate', async () => {
    const certificate = await presented(here(listen.address), listen.httpsPort, host)
    const fits = isIP(host) ? certificate.checkIP(host) : certificate.checkHost(host)
    if (!fits) return fail(`it is for ${certificate.subjectAltName ?? 'no name'}, the base URL is ${baseUrl}`)
    const end = new Date(certificate.validTo)
    if (end <= new Date()) return fail(`it ended on ${end.toISOString()}`)
    const text = `for ${host}, until ${end.toISOString()}`
    return end.getTime() - Date.now() < 5 * 86_400_000 ? warn(text) : ok(text)
  })
}

/** Whoever issued it: this asks only what it says. */
function presented(address: string, port: number, host: string): Promise<X509Certificate> {
  return new Promise((resolve, reject) => {
    const servername = isIP(host) ? {} : { servername: host }
    const socket = connect({ host: address, port, rejectUnauthorized: false, timeout: 3_000, ...servername }, () => {
      const certificate = socket.getPeerX509Certificate()
      socket.destroy()
      if (certificate) resolve(certificate)
      else reject(new Error('the server presents no certificate'))
    })
    socket.once('timeout', () => socket.destroy(new Error(`no answer on ${address}:${port}`)))
    socket.once('error', reject)
  })
}
