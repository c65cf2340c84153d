import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { pemDecode, pemEncode } from '../../src/pki/pem.ts'
import { doorOf, type Person, server, settings, useFastpkiApp } from '../helpers/fastpkiApp.ts'
import { newCsr } from '../helpers/world.ts'

const used = useFastpkiApp()

const fieldsOf = (pem: string) => readCertificate(pemDecode(pem)[0]?.der ?? Buffer.alloc(0))
const isPair = (key: string, certificate: string) =>
  createPublicKey(createPrivateKey(key))
    .export({ type: 'spki', format: 'der' })
    .equals(new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' }))

const pemCsr = async (name: string) =>
  pemEncode('CERTIFICATE REQUEST', (await newCsr([name], { subject: { CN: name } })).der)

describe('a certificate with a key made here', () => {
  it('comes with its key, its subject and its common name as SAN', async () => {
    const { app } = used
    const { status, json } = await app.call('post', `/certificates/?ca_id=${app.ca}`, {
      body: server('api.example.com', { key_size: 3072, valid_days: 365, include_private_key: true }),
    })
    expect(status).toBe(201)
    expect(json).toMatchObject({
      common_name: 'api.example.com',
      subject_dn: 'CN=api.example.com,O=Acme Corp,C=US',
      certificate_type: 'server',
      key_size: 3072,
      valid_days: 365,
      status: 'valid',
      issuer_id: app.ca,
      created_by_user_id: app.operator.id,
    })
    expect(isPair(json.private_key, json.certificate)).toBe(true)
    const { identifiers, serial, extendedKeyUsage } = fieldsOf(json.certificate)
    expect({ identifiers, serial }).toEqual({
      identifiers: [{ type: 'dns', value: 'api.example.com' }],
      serial: json.serial_number,
    })
    expect(extendedKeyUsage).toEqual(['1.3.6.1.5.5.7.3.1'])
  })

  it('has by default a key of 2048 bits and a year, or what the options of the profile say', async () => {
    const { app } = used
    const usual = await app.call('post', `/certificates/?ca_id=${app.ca}`, { body: server('usual.test') })
    expect(usual.json).toMatchObject({ key_size: 2048, valid_days: 365 })
    await app.save('shop', { options: { keySize: 4096, validDays: 30 } })
    const other = await app.call('post', `/certificates/?ca_id=${app.ca}`, { body: server('other.test') })
    await app.save('shop')
    expect(other.json).toMatchObject({ key_size: 4096, valid_days: 30 })
  })

  it.each([
    ['where the profile allows no more', { max: '30d', default: '10d' }, ['validity', 'subject'], 30],
    ['where the profile sets it', { max: '400d', default: '20d' }, ['subject'], 20],
  ])('lives less than a year %s', async (_, validity, overrides, days) => {
    const { app } = used
    await app.save('shop', { settings: { certificate: { validity, overrides } } })
    const { status, json } = await app.call('post', `/certificates/?ca_id=${app.ca}`, { body: server('short.test') })
    await app.save('shop')
    expect([status, json.valid_days]).toEqual([201, days])
  })

  it('takes the names that are asked, and the common name only where no DNS name is', async () => {
    const { app } = used
    const named = await app.call('post', `/certificates/?ca_id=${app.ca}`, {
      body: server('b.test', { san_dns_names: ['b.test', 'C.test'], san_ip_addresses: ['10.0.0.42', '2001:DB8::1'] }),
    })
    expect(fieldsOf(named.json.certificate).identifiers).toEqual([
      { type: 'dns', value: 'b.test' },
      { type: 'dns', value: 'c.test' },
      { type: 'ip', value: '10.0.0.42' },
      { type: 'ip', value: '2001:db8::1' },
    ])
    const address = await app.call('post', `/certificates/?ca_id=${app.ca}`, {
      body: server('d.test', { san_ip_addresses: ['10.0.0.43'] }),
    })
    expect(fieldsOf(address.json.certificate).identifiers.map(({ value }) => value)).toEqual(['d.test', '10.0.0.43'])
  })

  it('of a client has an e-mail address as SAN where its common name is one, and none where it is not', async () => {
    const { app } = used
    const sent = (name: string) => ({ body: server(name, { certificate_type: 'client' }) })
    const mail = await app.call('post', `/certificates/?ca_id=${app.ca}`, sent('alice@acme.test'))
    expect(fieldsOf(mail.json.certificate).identifiers).toEqual([{ type: 'email', value: 'alice@acme.test' }])
    const alice = await app.call('post', `/certificates/?ca_id=${app.ca}`, sent('alice'))
    expect(alice.json).toMatchObject({ certificate_type: 'client', common_name: 'alice' })
    expect(fieldsOf(alice.json.certificate)).toMatchObject({ identifiers: [], extendedKeyUsage: ['1.3.6.1.5.5.7.3.2'] })
  })

  it('of both purposes has names of all kinds', async () => {
    const { app } = used
    const more = { certificate_type: 'dual_purpose', san_email_addresses: ['a@b.test'], san_ip_addresses: ['10.0.0.1'] }
    const { json } = await app.call('post', `/certificates/?ca_id=${app.ca}`, { body: server('dual.test', more) })
    expect(
      fieldsOf(json.certificate)
        .identifiers.map(({ type }) => type)
        .sort(),
    ).toEqual(['dns', 'email', 'ip'])
  })

  it('of a CA is issued where an administrator has given the profile a variant of that type', async () => {
    const { app } = used
    const authority = { description: 'below', type: 'ca', pathLength: 0 }
    const root = (await doorOf(app, app.admin).admin.authorities()).find(({ name }) => name === 'root')?.id ?? 0
    const variants = { ...settings.variants, authority }
    await app.save('below-root', { authority: root, settings: { ...settings, variants } })
    const body = server('Acme Sub CA', { certificate_type: 'ca' })
    const by = await app.person('sub-maker', { capabilities: ['create_cert', 'create_ca', 'read'] })
    const path = `/certificates/?ca_id=${root}`
    const refused = await app.call('post', path, { body })
    expect(refused).toMatchObject({ status: 403, json: { detail: expect.stringContaining('create_ca') } })
    const { status, json } = await app.call('post', path, { body, by })
    const exporter = await app.person('sub-exporter', { capabilities: ['read', 'export_private_key'] })
    const keyOf = async (by: Person) => (await app.call('get', `/certificates/${json.id}/private-key`, { by })).status
    // Its key is for who ordered it, for ten minutes, and is not kept.
    expect([await keyOf(exporter), await keyOf(by)]).toEqual([404, 200])
    await app.save('below-root', { authority: root, settings, protocols: { fastpki: undefined } })
    expect({ status, type: json.certificate_type }).toEqual({ status: 201, type: 'ca' })
    expect(fieldsOf(json.certificate)).toMatchObject({ isCa: true, pathLength: 0 })
  })

  it('without include_private_key comes without its key, which nobody gets later either', async () => {
    const { app } = used
    const body = server('keyless.test', { include_private_key: false })
    const { status, json } = await app.call('post', `/certificates/?ca_id=${app.ca}`, { body })
    expect({ status, key: json.private_key }).toEqual({ status: 201, key: null })
    expect((await app.call('get', `/certificates/${json.id}/private-key`, { by: app.admin })).status).toBe(404)
    const owner = await app.person('keyless', { capabilities: ['create_cert', 'read', 'export_private_key'] })
    const own = await app.call('post', `/certificates/?ca_id=${app.ca}`, { body, by: owner })
    for (const path of ['/certificates/ID/private-key', '/export/certificate/ID/private-key'])
      expect((await app.call('get', path.replace('ID', own.json.id), { by: owner })).status).toBe(404)
  })

  it('is the same one, with the same key, for the same Idempotency-Key', async () => {
    const { app } = used
    const sent = { body: server('again.test'), headers: { 'idempotency-key': 'k1' } }
    const once = await app.call('post', `/certificates/?ca_id=${app.ca}`, sent)
    const twice = await app.call('post', `/certificates/?ca_id=${app.ca}`, sent)
    expect(twice.json).toEqual(once.json)
    const another = server('another.test')
    const { headers } = sent
    const refused = await Promise.all([
      app.call('post', `/certificates/?ca_id=${app.ca}`, { body: another, headers }),
      app.call('post', `/certificates/?ca_id=${app.ca}`, { body: { ...sent.body, valid_days: 3 }, headers }),
      app.call('post', '/certificates/sign-csr', {
        body: { csr: await pemCsr('again.test'), ca_id: app.ca, certificate_type: 'server' },
        headers,
      }),
    ])
    for (const { status, text } of refused) expect([status, text.includes('Idempotency-Key')]).toEqual([409, true])
    const other = await app.call('post', `/certificates/?ca_id=${app.ca}`, { body: server('again.test') })
    expect(other.json.id).not.toBe(once.json.id)
  })
})

describe('an order with a key made here is refused', () => {
  it.each([
    ['an e-mail SAN of a server', server('a.test', { san_email_addresses: ['a@b.test'] }), 400],
    ['a DNS SAN of a client', server('a', { certificate_type: 'client', san_dns_names: ['a.test'] }), 400],
    ['an IP SAN of a client', server('a', { certificate_type: 'client', san_ip_addresses: ['10.0.0.1'] }), 400],
    ['a DNS SAN that is none', server('a.test', { san_dns_names: ['not a name'] }), 400],
    ['an IP SAN that is none', server('a.test', { san_ip_addresses: ['10.0.0.256'] }), 400],
    ['an e-mail SAN that is none', server('a', { certificate_type: 'client', san_email_addresses: ['a'] }), 400],
    ['a common name that is not among the SANs', server('a.test', { san_dns_names: ['b.test'] }), 400],
    ['a common name of a server that can be no SAN', server('My server'), 400],
    ['a country of three letters', server('a.test', { subject_dn: 'CN=a.test,C=USA' }), 400],
    ['a key of 1024 bits', server('a.test', { key_size: 1024 }), 400],
    ['a key of 2049 bits', server('a.test', { key_size: 2049 }), 400],
    ['a type that the profile does not issue', server('a.test', { certificate_type: 'ca' }), 400],
    ['a type that is none', server('a.test', { certificate_type: 'mail' }), 422],
    ['a subject that is none', server('a.test', { subject_dn: 'api' }), 400],
    [
      'a subject with an attribute that the contract does not know',
      server('a.test', { subject_dn: 'CN=a,UID=7' }),
      400,
    ],
    ['an empty subject', server('a.test', { subject_dn: ' ' }), 400],
    ['no common name', { ...server('a.test'), common_name: undefined }, 422],
    ['a common name that is empty', { ...server('a.test'), common_name: '' }, 422],
    ['NUL in the common name', { ...server('a.test'), common_name: 'a\0' }, 422],
    ['no subject', { ...server('a.test'), subject_dn: undefined }, 422],
    ['no type', { ...server('a.test'), certificate_type: undefined }, 422],
    ['a validity of no day', server('a.test', { valid_days: 0 }), 422],
    ['a list for a name', server('a.test', { common_name: ['a'] }), 422],
  ])('%s', async (_, body, status) => {
    const { app } = used
    expect((await app.call('post', `/certificates/?ca_id=${app.ca}`, { body })).status).toBe(status)
  })

  it('longer than the profile allows: 403 with the reason, stored as denied', async () => {
    const { app } = used
    const body = server('long.test', { valid_days: 366 })
    const { status, json } = await app.call('post', `/certificates/?ca_id=${app.ca}`, { body })
    expect({ status, detail: json.detail }).toEqual({ status: 403, detail: expect.stringContaining('365') })
  })

  it('without a CA, with one that is not there, or a word', async () => {
    const { app } = used
    const body = server('a.test')
    const asked = (query: string, by = app.operator) => app.call('post', `/certificates/${query}`, { body, by })
    expect((await asked('')).json.detail).toMatchObject([{ type: 'missing', loc: ['query', 'ca_id'] }])
    expect((await asked('?ca_id=one')).status).toBe(422)
    expect((await asked('?ca_id=99999')).status).toBe(404)
    const foreign = await asked(`?ca_id=${app.ca}`, app.stranger)
    expect(foreign).toMatchObject({ status: 404, json: { detail: 'CA not found' } })
  })

  it('of a CA without an RA profile that serves this contract', async () => {
    const { app } = used
    const root = (await doorOf(app, app.admin).admin.authorities()).find(({ name }) => name === 'root')
    const { status, json } = await app.call('post', `/certificates/?ca_id=${root?.id}`, { body: server('a.test') })
    expect({ status, detail: json.detail }).toEqual({
      status: 400,
      detail: expect.stringContaining('does not allow issuing leaf certificates'),
    })
  })

  it('from who lacks create_cert', async () => {
    const { app } = used
    const reader = await app.person('reader', { capabilities: ['read'] })
    const { status, json } = await app.call('post', `/certificates/?ca_id=${app.ca}`, {
      body: server('a.test'),
      by: reader,
    })
    expect({ status, detail: json.detail }).toEqual({ status: 403, detail: expect.stringContaining('create_cert') })
  })
})

describe('certificates', () => {
  it('are listed, of one CA or all, and each is there by its id', async () => {
    const { app } = used
    const { json: made } = await app.call('post', `/certificates/?ca_id=${app.ca}`, { body: server('listed.test') })
    const { private_key: _, ...shown } = made
    for (const query of ['', `?ca_id=${app.ca}`]) {
      const { json } = await app.call('get', `/certificates/${query}`)
      expect(json[0]).toEqual(shown)
    }
    expect((await app.call('get', `/certificates/${made.id}`)).json).toEqual(shown)
    const second = await app.call('get', '/certificates/?skip=1&limit=1')
    expect(second.json).toHaveLength(1)
    expect(second.json[0].id).toBeLessThan(made.id)
  })

  it('of another organization are not there, but for a superuser', async () => {
    const { app } = used
    const { json } = await app.call('post', `/certificates/?ca_id=${app.ca}`, { body: server('ours.test') })
    const far = await app.person('distant', { superuser: true, organization: 'elsewhere' })
    expect((await app.call('get', '/certificates/', { by: app.stranger })).json).toEqual([])
    expect((await app.call('get', '/certificates/', { by: far })).json[0].id).toBe(json.id)
    for (const path of ['', '/private-key'])
      expect((await app.call('get', `/certificates/${json.id}${path}`, { by: app.stranger })).status).toBe(404)
    expect((await app.call('get', `/certificates/?ca_id=${app.ca}`, { by: app.stranger })).status).toBe(404)
  })

  it.each(['0', '-1', '99999999', '999999999999999999999'])('number %s is not there', async (id) => {
    expect((await used.app.call('get', `/certificates/${id}`)).status).toBe(404)
  })

  it('that the installation has for itself are nobody’s here', async () => {
    const { app } = used
    const { rows } = await doorOf(app, app.admin).list.certificates({ authority: 'root' })
    expect(rows.length).toBeGreaterThan(0)
    expect((await app.call('get', `/certificates/${rows.at(-1)?.id}`, { by: app.admin })).status).toBe(404)
  })

  it('past their end are expired', async () => {
    const { app } = used
    const body = server('short.test', { valid_days: 1 })
    const { json } = await app.call('post', `/certificates/?ca_id=${app.ca}`, { body })
    app.world.time.pass(2 * 86_400_000)
    expect((await app.call('get', `/certificates/${json.id}`)).json.status).toBe('expired')
  })
})
