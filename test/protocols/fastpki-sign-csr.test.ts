import { describe, expect, it } from 'vitest'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { pemDecode, pemEncode } from '../../src/pki/pem.ts'
import { useFastpkiApp } from '../helpers/fastpkiApp.ts'
import { newCsr } from '../helpers/world.ts'

const used = useFastpkiApp()

const fieldsOf = (pem: string) => readCertificate(pemDecode(pem)[0]?.der ?? Buffer.alloc(0))

describe('sign-csr', () => {
  const csrOf = async (names: string[], common = names[0] ?? 'x') => {
    const { der } = await newCsr(names, { subject: { CN: common, O: 'Acme Corp' } })
    return pemEncode('CERTIFICATE REQUEST', der)
  }

  it('takes subject, names and key from the CSR, by the id of the CA or its name', async () => {
    const { app } = used
    const csr = await csrOf(['one.test', 'two.test'])
    for (const ca of [{ ca_id: app.ca }, { ca_name: 'issuing' }]) {
      const { status, json } = await app.call('post', '/certificates/sign-csr', {
        body: { csr, certificate_type: 'server', ...ca },
      })
      expect({ status, private_key: 'private_key' in json }).toEqual({ status: 201, private_key: false })
      expect(json.subject_dn).toContain('CN=one.test')
      expect(json.subject_dn).toContain('O=Acme Corp')
      expect(fieldsOf(json.certificate).identifiers.map(({ value }) => value)).toEqual(['one.test', 'two.test'])
    }
  })

  it('takes what is given in place of the CSR’s, and the common name where there are no names', async () => {
    const { app } = used
    const csr = await csrOf(['one.test'])
    const given = await app.call('post', '/certificates/sign-csr', {
      body: {
        ...{ csr, ca_id: app.ca, certificate_type: 'server', valid_days: 7 },
        ...{ common_name: 'three.test', subject_dn: 'CN=x.test,O=Other', san_dns_names: ['three.test'] },
      },
    })
    expect(given.json).toMatchObject({ subject_dn: 'CN=three.test,O=Other', valid_days: 7 })
    expect(fieldsOf(given.json.certificate).identifiers).toEqual([{ type: 'dns', value: 'three.test' }])
    const bare = await app.call('post', '/certificates/sign-csr', {
      body: { csr: await csrOf([], 'bare.test'), ca_id: app.ca, certificate_type: 'server' },
    })
    expect(fieldsOf(bare.json.certificate).identifiers).toEqual([{ type: 'dns', value: 'bare.test' }])
  })

  it.each([
    ['neither id nor name of a CA', {}, 400],
    ['a name that no CA has', { ca_name: 'nowhere' }, 404],
    ['text that is no CSR', { csr: 'x', ca_name: 'issuing' }, 400],
    [
      'PEM that is no CSR',
      { csr: pemEncode('CERTIFICATE REQUEST', Buffer.from('3000', 'hex')), ca_name: 'issuing' },
      400,
    ],
    ['a certificate for a CSR', { csr: pemEncode('CERTIFICATE', Buffer.from('3000', 'hex')), ca_name: 'issuing' }, 400],
    ['no type', { ca_name: 'issuing', certificate_type: undefined }, 422],
    ['a client with DNS names', { ca_name: 'issuing', certificate_type: 'client' }, 400],
    ['an e-mail SAN of a server', { ca_name: 'issuing', san_email_addresses: ['a@b.test'] }, 400],
  ])('refuses %s', async (_, change, status) => {
    const { app } = used
    const body = { csr: await csrOf(['one.test']), certificate_type: 'server', ...change }
    expect((await app.call('post', '/certificates/sign-csr', { body })).status).toBe(status)
  })

  it('refuses a CSR whose signature is not its key’s', async () => {
    const { app } = used
    const { der } = await newCsr(['one.test'])
    const forged = Buffer.from(der)
    forged.writeUInt8(forged.readUInt8(forged.length - 1) ^ 1, forged.length - 1)
    const body = { csr: pemEncode('CERTIFICATE REQUEST', forged), certificate_type: 'server', ca_id: app.ca }
    const { status, json } = await app.call('post', '/certificates/sign-csr', { body })
    expect({ status, detail: json.detail }).toEqual({ status: 400, detail: expect.stringContaining('Invalid CSR') })
  })

  it('finds the name of another organization’s CA for a superuser alone', async () => {
    const { app } = used
    const body = { csr: await csrOf(['one.test']), certificate_type: 'server', ca_name: 'issuing' }
    expect((await app.call('post', '/certificates/sign-csr', { body, by: app.stranger })).status).toBe(404)
    const far = await app.person('far', { superuser: true, organization: 'elsewhere' })
    expect((await app.call('post', '/certificates/sign-csr', { body, by: far })).status).toBe(201)
  })
})
