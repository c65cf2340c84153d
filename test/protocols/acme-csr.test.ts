import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { writeCsr } from '../../src/pki/csrWriter.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import { nameOf } from '../../src/pki/name.ts'
import { signerFor } from '../../src/pki/signer.ts'
import { useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import { newKey } from '../helpers/acmeKeys.ts'
import { opensslCsr } from '../helpers/csrs.ts'
import { openSqlite } from '../helpers/databases.ts'
import { newCsr } from '../helpers/world.ts'

const der = async (...names: string[]) => (await newCsr(names)).der
const P256 = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256']

describe('CSRs of ACME orders (wire 38)', () => {
  const acme = useAcme(openSqlite)

  const goodCsrs: [string, string[], () => Promise<Buffer> | Buffer][] = [
    ['names in another order and letter case', ['a.localhost', 'b.localhost'], () => der('B.localhost', 'a.localhost')],
    ['only a common name', ['a.localhost'], () => opensslCsr(P256, '/CN=a.localhost')],
    [
      'a common name that is not in subjectAltName',
      ['a.localhost', 'b.localhost'],
      () => opensslCsr(P256, '/CN=a.localhost', ['-addext', 'subjectAltName=DNS:b.localhost']),
    ],
    [
      'an organization in its subject',
      ['a.localhost'],
      () => opensslCsr(P256, '/O=Acme/CN=a.localhost', ['-addext', 'subjectAltName=DNS:a.localhost']),
    ],
    ['an RSA key', ['a.localhost'], () => opensslCsr(['rsa:2048'], '/CN=a.localhost')],
  ]
  it.each(goodCsrs)('takes one with %s', async (_name, names, csr) => {
    const { client, order } = await acme.app.ready(names)
    const done = await client.finalize(order, await csr())
    expect(done.json, done.text).toMatchObject({ status: 'valid' })
    const { subjectAltName } = new X509Certificate((await client.post(String(done.json.certificate))).text)
    expect(subjectAltName?.split(', ').sort()).toEqual(names.map((name) => `DNS:${name}`))
  })

  it('takes an address in subjectAltName, with or without a common name that repeats it (RFC 8738)', async () => {
    for (const subject of ['/', '/CN=127.0.0.1']) {
      const { client, order } = await acme.app.ready([{ type: 'ip', value: '127.0.0.1' }])
      const csr = opensslCsr(P256, subject, ['-addext', 'subjectAltName=IP:127.0.0.1'])
      const done = await client.finalize(order, csr)
      expect(done.json, done.text).toMatchObject({ status: 'valid' })
      const { subjectAltName } = new X509Certificate((await client.post(String(done.json.certificate))).text)
      expect(subjectAltName).toBe('IP Address:127.0.0.1')
    }
  })

  const flipped = async () => {
    const bytes = Buffer.from(await der('a.localhost'))
    const at = bytes.length - 5
    bytes[at] = (bytes[at] ?? 0) ^ 1
    return bytes
  }
  const san = (text: string) => ['-addext', `subjectAltName=${text}`]
  const badCsrs: [string, () => Promise<Buffer> | Buffer, RegExp?][] = [
    ['a name too many', () => der('a.localhost', 'b.localhost'), /b\.localhost is in the CSR and not in the order/],
    ['another name', () => der('b.localhost'), /a\.localhost is in the order and not in the CSR/],
    ['no name', () => der()],
    ['another common name', () => opensslCsr(P256, '/CN=node7', san('DNS:a.localhost')), /node7/],
    ['two common names', () => opensslCsr(P256, '/CN=a.localhost/CN=b.localhost')],
    ['an address too', () => opensslCsr(P256, '/', san('DNS:a.localhost,IP:127.0.0.1'))],
    ['an address as common name only', () => opensslCsr(P256, '/CN=127.0.0.1', san('DNS:a.localhost')), /127\.0\.0\.1/],
    ['an e-mail address', () => opensslCsr(P256, '/', san('DNS:a.localhost,email:a@a.localhost'))],
    ['a URI', () => opensslCsr(P256, '/', san('DNS:a.localhost,URI:https://a.localhost/'))],
    ['a registered ID', () => opensslCsr(P256, '/', san('DNS:a.localhost,RID:1.2.3')), /kind/],
    ['a wildcard', () => der('*.a.localhost', 'a.localhost')],
    [
      'a request to be a CA',
      () => opensslCsr(P256, '/CN=a.localhost', ['-addext', 'basicConstraints=critical,CA:TRUE']),
    ],
    ['a signature that does not fit', flipped],
    ['a weak key', () => opensslCsr(['rsa:1024'], '/CN=a.localhost')],
    [
      'a curve that is not served',
      () => opensslCsr(['ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1'], '/CN=a.localhost'),
    ],
    ['bytes after it', async () => Buffer.concat([await der('a.localhost'), Buffer.alloc(1)])],
    ['half of it', async () => (await der('a.localhost')).subarray(0, 100)],
    ['nothing at all', () => Buffer.alloc(0)],
    ['a certificate in its place', () => Buffer.from('3003020100', 'hex')],
  ]
  it.each(badCsrs)('refuses one with %s as badCSR, and the order stays ready', async (_name, csr, detail) => {
    const { client, order } = await acme.app.ready(['a.localhost'])
    expectProblem(await client.finalize(order, await csr()), 400, 'badCSR', detail)
    expect((await client.post(order.url)).json.status).toBe('ready')
  })

  // acme.sh asks for both purposes; cert-manager and others for keyEncipherment whatever the key is.
  const wishes = [
    'extendedKeyUsage=serverAuth,clientAuth',
    'keyUsage=critical,digitalSignature,keyEncipherment',
    'basicConstraints=critical,CA:FALSE',
    'subjectKeyIdentifier=hash',
    '1.3.6.1.4.1.55555.1=ASN1:UTF8String:wish',
  ]
  const wishful = (...extensions: string[]) =>
    opensslCsr(
      P256,
      '/CN=a.localhost',
      extensions.flatMap((extension) => ['-addext', extension]),
    )
  const requestOf = (order: { url: string }) =>
    acme.app.world.core
      .as({ kind: 'system', ref: 'test', name: 'test', people: [] })
      .findSignRequest({ protocol: 'acme', ref: order.url.split('/').pop() ?? '' })

  it('the profile of the first start leaves out what it does not issue, and the request says so', async () => {
    const { client, order } = await acme.app.ready(['a.localhost'])
    const done = await client.finalize(order, wishful(...wishes))
    expect(done.json, done.text).toMatchObject({ status: 'valid' })
    const { keyUsage, raw } = new X509Certificate((await client.post(String(done.json.certificate))).text)
    expect(keyUsage).toEqual(['1.3.6.1.5.5.7.3.1'])
    expect(raw.includes('wish')).toBe(false)
    expect((await requestOf(order))?.findings).toEqual([
      { by: 'policy', check: 'leftOut', detail: expect.stringContaining('1.3.6.1.5.5.7.3.2') },
      { by: 'policy', check: 'leftOut', detail: expect.stringMatching(/key usages .*keyEncipherment/) },
      { by: 'policy', check: 'leftOut', detail: expect.stringContaining('1.3.6.1.4.1.55555.1') },
    ])
  })

  it.each(['extendedKeyUsage=serverAuth,clientAuth', '1.3.6.1.4.1.55555.1=ASN1:UTF8String:wish'])(
    'any other refuses %s, unless it is told to leave it out (section 7.4)',
    async (extension) => {
      await acme.app.world.save('strict', {})
      const { client, order } = await acme.app.ready(['a.localhost'], { profile: 'strict' })
      expectProblem(await client.finalize(order, wishful(extension)), 400, 'badCSR', /does not issue/)
      expect((await client.post(order.url)).json.status).toBe('ready')
      const met = wishful('extendedKeyUsage=serverAuth', ...wishes.slice(1, 4))
      expect((await client.finalize(order, met)).json).toMatchObject({ status: 'valid' })
    },
  )

  it.each(['keyUsage=keyCertSign', 'keyUsage=cRLSign', 'basicConstraints=CA:TRUE', 'tlsfeature=17'])(
    'no profile leaves out %s: dropping it would surprise',
    async (extension) => {
      const { client, order } = await acme.app.ready(['a.localhost'])
      expectProblem(await client.finalize(order, wishful(extension)), 400, 'badCSR')
    },
  )

  it('what is left out widens nothing: an approval given without it is still good', async () => {
    const rules = { issue: [{ name: 'owner', require: [{ owner: true }] }] }
    await acme.app.world.save('asked', { rules, settings: { certificate: { extraExtensions: 'ignore' } } })
    const { client, order } = await acme.app.ready(['a.localhost'], { profile: 'asked' })
    const asked = await requestOf(order)
    expect(asked?.csr).toBeUndefined()
    await client.finalize(order, wishful(...wishes))
    expect(await requestOf(order)).toMatchObject({ id: asked?.id, status: 'requested', csr: expect.anything() })
  })

  it('wire 15: a csr that is padded is taken where the profile says so, and nothing else that is padded', async () => {
    await acme.app.world.save('padded', { protocols: { acme: { paddedCsr: true } } })
    const { client, order } = await acme.app.ready(['a.localhost'], { profile: 'padded' })
    const text = (await der('a.localhost')).toString('base64url')
    for (const wrong of [`${text}=====`, `=${text}`, `${text.slice(0, 8)}=${text.slice(8)}`, `${text}=a`])
      expectProblem(await client.post(order.finalize, { csr: wrong }), 400, 'malformed', /csr/)
    expectProblem(
      await client.post(order.finalize, { csr: `${text}==` }, { members: { payload: 'e30=' } }),
      400,
      'malformed',
    )
    const padded = text.padEnd(Math.ceil(text.length / 4) * 4, '=')
    expect((await client.post(order.finalize, { csr: padded })).json).toMatchObject({ status: 'valid' })
  })

  it('names each name that is missing or too many in a subproblem', async () => {
    const { client, order } = await acme.app.ready(['a.localhost', 'b.localhost'])
    const { json } = await client.finalize(order, await der('b.localhost', 'c.localhost'))
    expect(json.subproblems).toMatchObject([
      { identifier: { value: 'a.localhost' } },
      { identifier: { value: 'c.localhost' } },
    ])
  })

  it('refuses the account’s own key (RFC 8555 section 11.1)', async () => {
    const client = await acme.app.client()
    const { order } = await acme.app.ready(['a.localhost'], { client })
    const identifiers: Identifier[] = [{ type: 'dns', value: 'a.localhost' }]
    const signer = signerFor(client.key.privateKey)
    const csr = await writeCsr({ subject: nameOf({}), identifiers }, signer)
    expectProblem(await client.finalize(order, csr), 400, 'badCSR', /account/)
  })

  it('must-staple is issued or refused, never dropped', async () => {
    const csr = () => opensslCsr(P256, '/CN=a.localhost', ['-addext', 'tlsfeature=status_request'])
    await acme.app.world.save('no-staple', { settings: { certificate: { mustStaple: 'refuse' } } })
    const refused = await acme.app.ready(['a.localhost'], { profile: 'no-staple' })
    expectProblem(await refused.client.finalize(refused.order, csr()), 400, 'badCSR', /must-staple/)
    const { client, order } = await acme.app.ready(['a.localhost'])
    const done = await client.finalize(order, csr())
    const { raw } = new X509Certificate((await client.post(String(done.json.certificate))).text)
    expect(raw.includes(Buffer.from('06082b0601050507011804053003020105', 'hex'))).toBe(true)
  })

  it.each([
    [{}],
    [{ csr: 5 }],
    [{ csr: null }],
    [{ csr: 'a+b/' }],
    [{ csr: 'AA==' }],
    [{ csr: '-----BEGIN CERTIFICATE REQUEST-----' }],
  ])('the payload %j is malformed', async (payload) => {
    const { client, order } = await acme.app.ready(['a.localhost'])
    expectProblem(await client.post(order.finalize, payload), 400, 'malformed', /csr/)
  })

  it('an account key of another kind makes no difference', async () => {
    const client = await acme.app.client({ key: newKey('EdDSA') })
    const { order } = await acme.app.ready(['ed.localhost'], { client })
    expect((await client.finalize(order, await der('ed.localhost'))).json.status).toBe('valid')
  })
})
