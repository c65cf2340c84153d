import { createPrivateKey } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readBareCertificate } from '../../src/pki/certificateIdentifier.ts'
import { OID } from '../../src/pki/oid.ts'
import { pemDecode } from '../../src/pki/pem.ts'
import { buildPkiData, tcr } from '../helpers/cmc.ts'
import {
  authoritiesOf,
  type CurlAnswer,
  certificatesIn,
  curlEst,
  enrolByCurl,
  verifyBelow,
} from '../helpers/estCurl.ts'
import { asymmetricKey, capabilities, keygenRequest } from '../helpers/estKeygen.ts'
import { type EstServer, newCsr, newKey, SETUP_WITHIN, startEstServer } from '../helpers/estServer.ts'
import { decryptByOpenssl, keyInPackage, type OpenWith, verifyByOpenssl } from '../helpers/keyPackage.ts'
import { pem } from '../helpers/pkiSamples.ts'
import { run, succeed } from '../helpers/program.ts'

const nothing = Buffer.alloc(0)
const CMC_REQUEST = 'application/pkcs7-mime; smime-type=CMC-request'

describe('EST: the optional operations, with curl and openssl', () => {
  let server: EstServer

  beforeAll(async () => {
    server = await startEstServer()
    await server.save({ name: 'open' })
    await server.save({ name: 'bound', est: { channelBinding: 'required' } })
  }, SETUP_WITHIN)
  afterAll(() => server?.stop())

  const derOf = (text: string): Buffer => pemDecode(text)[0]?.der ?? nothing
  const publicKeyOf = (how: 'pkey' | 'x509', file: string) =>
    succeed('openssl', [how, '-in', file, ...(how === 'x509' ? ['-noout', '-pubkey'] : ['-pubout'])])

  describe('csrattrs', () => {
    it('openssl asn1parse reads it, and a request that obeys is taken', async () => {
      const answer = await curlEst(server, { label: 'open', operation: 'csrattrs' })
      expect(answer).toMatchObject({
        status: 200,
        head: expect.stringContaining('\r\nContent-Type: application/csrattrs\r\n'),
      })
      const der = server.file('csrattrs.der')
      writeFileSync(der, Buffer.from(answer.text, 'base64'))
      const said = await succeed('openssl', ['asn1parse', '-inform', 'DER', '-in', der])
      expect(said).toContain(':prime256v1')
      await enrolByCurl(server, { label: 'open', name: 'obeys.localhost', bearer: server.admin.token })
    })

    it('16: where proof of possession is required it asks for challengePassword', async () => {
      const { text } = await curlEst(server, { label: 'bound', operation: 'csrattrs' })
      const der = server.file('bound.der')
      writeFileSync(der, Buffer.from(text, 'base64'))
      expect(await succeed('openssl', ['asn1parse', '-inform', 'DER', '-in', der])).toContain(':challengePassword')
    })
  })

  describe('serverkeygen', () => {
    /** The two parts, by what Content-Type says parts them: their head, and the DER. */
    function partsOf({ status, head, text }: CurlAnswer): { head: string; der: Buffer }[] {
      expect(status, text).toBe(200)
      const [, boundary = ''] = /\r\nContent-Type: multipart\/mixed; boundary="?([^"\r]+)"?\r\n/.exec(head) ?? []
      const [, ...parts] = text.split(`--${boundary}`)
      expect(parts.pop()).toMatch(/^--/)
      return parts.map((part) => {
        const end = part.indexOf('\r\n\r\n')
        return { head: `${part.slice(0, end)}\r\n`, der: Buffer.from(part.slice(end + 4), 'base64') }
      })
    }

    /** The certificate is for that key. */
    async function fits(key: Buffer, certsOnly: Buffer, name: string): Promise<void> {
      const keyFile = server.file(
        `${name}.made`,
        await succeed('openssl', ['pkey', '-inform', 'PEM'], { input: pem(key, 'PRIVATE KEY') }),
      )
      const [leaf] = await certificatesIn(certsOnly.toString('base64').replace(/.{64}/g, '$&\n'))
      const cert = server.file(`${name}.pem`, leaf)
      expect(await publicKeyOf('pkey', keyFile)).toBe(await publicKeyOf('x509', cert))
      await verifyBelow(server, { label: 'open', cert, name })
    }

    /** openssl opens the envelope, verifies who signed within, and the key is that of the certificate. */
    async function arrives(answer: CurlAnswer, by: OpenWith, name: string): Promise<void> {
      const [sealed, certificate] = partsOf(answer)
      expect(sealed?.head).toContain('\r\nContent-Type: application/pkcs7-mime; smime-type=server-generated-key\r\n')
      const { root } = await authoritiesOf(server, 'open')
      const content = verifyByOpenssl(decryptByOpenssl(sealed?.der ?? nothing, by), derOf(readFileSync(root, 'utf8')))
      await fits(keyInPackage(content), certificate?.der ?? nothing, name)
    }

    it('4.4.1.2: encrypted to the RSA key of the certificate that the client shows', async () => {
      const host = 'shown.localhost'
      const own = await enrolByCurl(server, { label: 'open', name: host, kind: 'RSA', bearer: server.admin.token })
      const certificate = derOf(readFileSync(own.cert, 'utf8'))
      const keyPem = readFileSync(own.key, 'utf8')
      const { keyIdentifier } = readBareCertificate(certificate)
      const attributes = [asymmetricKey(keyIdentifier ?? nothing), capabilities(OID.rsaEncryption)]
      const request = keygenRequest({ host, attributes, key: createPrivateKey(keyPem) })
      const answer = await curlEst(server, {
        label: 'open',
        operation: 'serverkeygen',
        body: request.toString('base64'),
        client: own,
      })
      await arrives(answer, { certificate, keyPem }, host)
    })
  })

  describe('fullcmc', () => {
    const post = (der: Buffer, more: object) =>
      curlEst(server, {
        label: 'open',
        operation: 'fullcmc',
        body: der.toString('base64'),
        contentType: CMC_REQUEST,
        ...more,
      })

    /** A PKIData of one PKCS #10, signed by openssl. */
    async function message(csr: string, by: { cert: string; key: string }): Promise<Buffer> {
      const data = server.file('data.der')
      const out = server.file('message.der')
      writeFileSync(data, buildPkiData({ requests: [tcr(1, derOf(csr))] }))
      const how = ['-binary', '-nodetach', '-econtent_type', '1.3.6.1.5.5.7.12.2', '-md', 'sha256', '-outform', 'DER']
      await succeed('openssl', ['cms', '-sign', ...how, '-in', data, '-signer', by.cert, '-inkey', by.key, '-out', out])
      return readFileSync(out)
    }

    it('a message signed by openssl cms renews the certificate that signed it', async () => {
      const name = 'cmc.localhost'
      const own = await enrolByCurl(server, { label: 'open', name, bearer: server.admin.token })
      const csr = await newCsr(server, { key: await newKey(server, 'cmc-next'), name })
      const answer = await post(await message(csr, own), {})
      expect(answer, answer.text).toMatchObject({ status: 200, head: expect.stringContaining('smime-type=certs-only') })
      const certificates = await certificatesIn(answer.text)
      const subjects = await Promise.all(
        certificates.map((input) => succeed('openssl', ['x509', '-noout', '-subject'], { input })),
      )
      const leaf = certificates[subjects.findIndex((subject) => subject.includes(name))]
      await verifyBelow(server, { label: 'open', cert: server.file('cmc-next.pem', leaf), name })
    })

    it('19: a refusal is a CMC-response, whose signature openssl cms verifies', async () => {
      const name = 'stranger.localhost'
      const key = await newKey(server, 'stranger')
      const self = server.file('stranger.pem')
      await succeed('openssl', [
        'req',
        '-x509',
        '-new',
        '-key',
        key,
        '-subj',
        `/CN=${name}`,
        '-days',
        '9',
        '-out',
        self,
      ])
      const answer = await post(await message(await newCsr(server, { key, name }), { cert: self, key }), {})
      expect(answer).toMatchObject({ head: expect.stringContaining('smime-type=CMC-response') })
      expect([400, 401, 403]).toContain(answer.status)
      const { root } = await authoritiesOf(server, 'open')
      const der = server.file('response.der')
      writeFileSync(der, Buffer.from(answer.text, 'base64'))
      const args = [
        'cms',
        '-verify',
        '-inform',
        'DER',
        '-binary',
        '-in',
        der,
        '-CAfile',
        root,
        '-purpose',
        'any',
        '-out',
        server.file('response.content'),
      ]
      const { code, stderr } = await run('openssl', args)
      expect(code, stderr).toBe(0)
      const content = await succeed('openssl', ['asn1parse', '-inform', 'DER', '-in', server.file('response.content')])
      expect(content).toMatch(/id-cmc-statusInfoV2|1\.3\.6\.1\.5\.5\.7\.7\.25/)
    })
  })
})
