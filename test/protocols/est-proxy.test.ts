import { describe, expect, it } from 'vitest'
import { pemEncode } from '../../src/pki/pem.ts'
import type { Party } from '../helpers/cms.ts'
import { useEstApp } from '../helpers/estApp.ts'
import { device } from '../helpers/scepClient.ts'

const key = (name: string) => device(name, 'P-256')
const folded = (der: Buffer) => pemEncode('CERTIFICATE', der).trim().replaceAll('\n', ' ')

/** As proxies write a certificate into a header. */
const forms: [string, (der: Buffer) => string][] = [
  ['between colons (RFC 9440)', (der) => `:${der.toString('base64')}:`],
  ['PEM in percent-encoding (nginx)', (der) => encodeURIComponent(pemEncode('CERTIFICATE', der))],
  ['PEM with spaces for line ends (Apache)', folded],
  ['PEM with tabs (nginx of old)', (der) => folded(der).replace(/(?<!BEGIN|END) (?!CERT)/g, '\t')],
  ['base64 (HAProxy)', (der) => der.toString('base64')],
]

describe('EST behind a proxy', () => {
  const est = useEstApp({ clientCertificateHeader: 'x-client-cert', trustedProxies: ['127.0.0.0/8'] })
  const other = useEstApp({ clientCertificateHeader: 'x-client-cert', trustedProxies: ['192.0.2.0/24'] })
  const none = useEstApp({ trustedProxies: ['127.0.0.0/8'] })

  const renew = (app: typeof est.app, cn: string, headers: Record<string, string>, client?: Party) =>
    app.enroll({
      by: key(`${cn} 2`),
      subject: { CN: cn },
      operation: 'simplereenroll',
      headers,
      ...(client ? { client } : {}),
    })

  it.each(forms)('takes the certificate of a trusted proxy, %s', async (_, form) => {
    const cn = 'proxied.example.org'
    const { certificate } = await est.app.enrolled(key('proxied'), { subject: { CN: cn } })
    expect((await renew(est.app, cn, { 'X-Client-Cert': form(certificate) })).status).toBe(200)
  })

  it.each(forms)(
    'pitfall "trusting the header from anyone": %s from another address means nothing',
    async (_, form) => {
      const cn = 'spoofed.example.org'
      for (const app of [other.app, none.app]) {
        const { certificate } = await app.enrolled(key('spoofed'), { subject: { CN: cn } })
        expect(
          (
            await renew(app, cn, {
              'X-Client-Cert': form(certificate),
              'Client-Cert': `:${certificate.toString('base64')}:`,
            })
          ).status,
        ).toBe(401)
      }
    },
  )

  it("the proxy's own certificate speaks for nobody", async () => {
    const cn = 'proxy.example.org'
    const proxy = await est.app.enrolled(key('proxy'), { subject: { CN: cn } })
    expect((await renew(est.app, cn, {}, proxy)).status).toBe(401)
    expect((await renew(est.app, cn, { 'X-Client-Cert': '' }, proxy)).status).toBe(401)
  })

  it.each(['rubbish', ':####:', '%', '%ff%00', '-----BEGIN CERTIFICATE-----', ':AAAA:, :AAAA:', 'AAAA'])(
    'a header that is no certificate is refused: %s',
    async (header) => {
      const { status } = await renew(est.app, 'bad.example.org', { 'X-Client-Cert': header })
      expect([400, 403]).toContain(status)
    },
  )

  it('a request cannot be linked to a connection that ends at the proxy', async () => {
    const cn = 'linked.example.org'
    const { certificate } = await est.app.enrolled(key('linked'), { subject: { CN: cn } })
    const headers = { 'X-Client-Cert': `:${certificate.toString('base64')}:` }
    const answer = await est.app.enroll({
      by: key('linked 2'),
      subject: { CN: cn },
      operation: 'simplereenroll',
      headers,
      challenge: 'AAAA',
    })
    expect(answer).toMatchObject({ status: 403, text: expect.stringContaining('ends at a proxy') })
  })
})
