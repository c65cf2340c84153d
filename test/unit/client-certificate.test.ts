import { randomBytes } from 'node:crypto'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { clientCertificateReader } from '../../src/http/clientCertificate.ts'
import { pemEncode } from '../../src/pki/pem.ts'

/** What a proxy writes into ssl-client-cert, as the REST contract names the header. */
describe('the client certificate in a proxy’s header', () => {
  const der = randomBytes(700)
  const pem = pemEncode('CERTIFICATE', der)
  const read = clientCertificateReader({ trusted: ['10.0.0.0/8'], header: 'SSL-Client-Cert' })
  function from(address: string, value?: string): IncomingMessage {
    const socket = new Socket()
    Object.defineProperty(socket, 'remoteAddress', { value: address })
    const incoming = new IncomingMessage(socket)
    if (value !== undefined) incoming.headers['ssl-client-cert'] = value
    return incoming
  }

  test.each([
    ['base64 of the DER', der.toString('base64')],
    ['PEM in percent-encoding', encodeURIComponent(pem)],
    [
      'PEM in percent-encoding as nginx writes it, plus signs as they are',
      encodeURIComponent(pem).replaceAll('%2B', '+'),
    ],
    ['PEM with tabs for line ends', pem.replaceAll('\n', '\t')],
    ['base64 between colons', `:${der.toString('base64')}:`],
  ])('is read from %s', (_, value) => {
    expect(read(from('10.1.2.3', value))).toEqual({ der, chain: [], by: 'proxy' })
    expect(read(from('::ffff:10.1.2.3', value))?.der).toEqual(der)
  })
  test('counts from a proxy alone', () => {
    expect(read(from('192.0.2.1', der.toString('base64')))).toBeUndefined()
    const without = clientCertificateReader({ trusted: ['10.0.0.0/8'] })
    expect(without(from('10.1.2.3', der.toString('base64')))).toBeUndefined()
  })
  test('is none where there is none', () => {
    expect(read(from('10.1.2.3'))).toBeUndefined()
    expect(read(from('10.1.2.3', ''))).toBeUndefined()
  })
  test('whatever cannot be read is malformed, and nothing else', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        try {
          read(from('10.1.2.3', value))
        } catch (error) {
          if (!(error instanceof Failure) || error.code !== 'malformed') throw error
        }
      }),
    )
  })
})
