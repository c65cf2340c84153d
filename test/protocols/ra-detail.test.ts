import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import type { CertificateDetail } from '../../protocols/ra/certificateSchema.ts'
import { oid, seq, tlv } from '../../src/pki/der.ts'
import { nameOf } from '../../src/pki/name.ts'
import { buildCrmf } from '../helpers/cmc.ts'
import { ecKey } from '../helpers/csrs.ts'
import { foreignCa } from '../helpers/foreignCa.ts'
import { attribute } from '../helpers/inventoryWorld.ts'
import { auto, doorOf, type Person, type Place, useRaApp, waits } from '../helpers/raApp.ts'
import { acmeAccount, newCsr } from '../helpers/world.ts'

/** All that the detail of a certificate says. */

const used = useRaApp()
let manager: Person

beforeAll(async () => {
  manager = await used.app.person('manager', { capabilities: ['manage', 'read'] })
})

const none = { issueCertificateAttributes: [], revokeCertificateAttributes: [] }
const show = async (uuid: string): Promise<CertificateDetail> =>
  (await used.app.call('get', `/v1/certificates/${uuid}`)).json

async function ordered(name: string, more: Record<string, unknown> = {}, place: Place = used.app.place) {
  const csr = await newCsr([name], { subject: { CN: name } })
  const body = { request: csr.der.toString('base64'), attributes: [], ...more }
  const { status, json } = await used.app.call('post', `${place.path}/certificates`, { body })
  expect(status).toBe(200)
  return { csr, uuid: json.uuid as string }
}

/** PEM of a self-signed certificate with qcStatements (ETSI EN 319 412-5), by openssl. */
function qualified(): string {
  const statement = (id: string, ...info: Buffer[]) => seq(oid(`0.4.0.1862.1.${id}`), ...info)
  const value = seq(
    statement('1'),
    statement('4'),
    statement('6', seq(oid('0.4.0.1862.1.6.3'))),
    statement('7', seq(tlv(0x13, Buffer.from('CH')))),
  )
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', '/dev/null']
  const extension = `1.3.6.1.5.5.7.1.3=DER:${value.toString('hex')}`
  const more = ['basicConstraints=CA:FALSE', 'keyUsage=digitalSignature,nonRepudiation', extension]
  const args = ['req', '-x509', ...key, '-subj', '/CN=qualified', ...more.flatMap((one) => ['-addext', one])]
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}

describe('the detail of a certificate', () => {
  it('says what the certificate says', async () => {
    const { uuid } = await ordered('facts.test')
    const detail = await show(uuid)
    const read = new X509Certificate(Buffer.from(detail.certificateContent, 'base64'))
    expect(detail).toMatchObject({
      uuid,
      commonName: 'facts.test',
      subjectDn: 'CN=facts.test',
      serialNumber: read.serialNumber.toLowerCase(),
      issuerCommonName: 'countersign Issuing CA',
      issuerDn: read.issuer.split('\n').reverse().join(','),
      notBefore: new Date(read.validFrom).toISOString(),
      notAfter: new Date(read.validTo).toISOString(),
      fingerprint: read.fingerprint256.replaceAll(':', '').toLowerCase(),
      keySize: 256,
      extendedKeyUsage: read.keyUsage,
      keyUsage: ['digitalSignature'],
      subjectType: 'endEntity',
      subjectAlternativeNames: { dNSName: ['facts.test'] },
      certificateType: 'X.509',
      hybridCertificate: false,
      privateKeyAvailability: false,
      trustedCa: false,
      archived: false,
      validationStatus: 'not_checked',
      complianceStatus: 'ok',
      nonCompliantRules: [],
    })
    expect([detail.publicKeyAlgorithm, detail.signatureAlgorithm].join()).toMatch(/EC.*SHA-?\d+/i)
    const { json: chain } = await used.app.call('get', `/v1/certificates/${uuid}/chain`)
    const [issuer] = chain.certificates
    expect(issuer).toMatchObject({ serialNumber: detail.issuerSerialNumber, subjectType: 'intermediateCa' })
    const above = new X509Certificate(Buffer.from(issuer.certificateContent, 'base64'))
    expect(read.verify(above.publicKey)).toBe(true)
  })

  it('has the request as it came, with the attributes of its CSR, before there is a certificate too', async () => {
    const rules = { issue: waits, renew: [], rekey: [], revoke: [], export: [] }
    const place = await used.app.save('looked-at', { rules })
    const csrAttributes = [{ ...attribute('commonName', 'asked.test'), uuid: crypto.randomUUID(), version: 'v3' }]
    const { csr, uuid } = await ordered('asked.test', { csrAttributes }, place)
    const detail = await show(uuid)
    expect(detail).toMatchObject({
      state: 'pending_approval',
      commonName: 'asked.test',
      certificateContent: '',
      keyUsage: [],
      certificateRequest: {
        uuid,
        certificateType: 'X.509',
        certificateRequestFormat: 'pkcs10',
        content: csr.der.toString('base64'),
        commonName: 'asked.test',
        subjectDn: 'CN=asked.test',
        subjectAlternativeNames: { dNSName: ['asked.test'] },
        attributes: [{ name: 'commonName', contentType: 'string', version: 'v3', content: [{ data: 'asked.test' }] }],
        signatureAttributes: [],
        altSignatureAttributes: [],
        publicKeyAlgorithm: detail.publicKeyAlgorithm,
      },
    })
    expect(detail).not.toHaveProperty('serialNumber')
    expect(detail).not.toHaveProperty('notAfter')
  })

  it('says that the request was CRMF, whose proof of possession is looked at', async () => {
    const names = { subject: nameOf({ CN: 'crmf.test' }), identifiers: [{ type: 'dns' as const, value: 'crmf.test' }] }
    const path = `${used.app.place.path}/certificates`
    const order = (der: Buffer, format?: string) =>
      used.app.call('post', path, { body: { request: der.toString('base64'), format, attributes: [] } })
    const der = buildCrmf({ key: ecKey(), ...names })
    const { json } = await order(der, 'crmf')
    expect(await show(json.uuid)).toMatchObject({
      state: 'issued',
      commonName: 'crmf.test',
      certificateRequest: { certificateRequestFormat: 'crmf', content: der.toString('base64') },
    })
    // Without a format it is pkcs10.
    for (const wrong of [order(der), order(buildCrmf({ ...names, proof: 'absent' }), 'crmf')])
      expect((await wrong).status).toBe(400)
  })

  it('has the custom attributes, metadata, owner and groups, which pass to what renews it', async () => {
    const customAttributes = [{ ...attribute('rack', 'B 7'), version: 'v3' }]
    const { uuid } = await ordered('kept.test', { customAttributes })
    const { groups, inventory } = doorOf(used.app, manager)
    const group = await doorOf(used.app, used.app.admin).groups.create({ name: 'racks', email: 'racks@x.test' })
    await inventory.setMetadata(uuid, [attribute('slot', 4, 'integer')])
    await inventory.assign([uuid], { owner: used.app.operator.uuid, groups: [group.uuid] })
    const kept = {
      customAttributes: [{ name: 'rack', label: 'rack', type: 'custom', version: 'v3', content: [{ data: 'B 7' }] }],
      metadata: [{ sourceObjectType: 'certificates', items: [{ name: 'slot', type: 'meta', content: [{ data: 4 }] }] }],
      owner: 'operator',
      ownerUuid: used.app.operator.uuid,
      groups: [{ uuid: group.uuid, name: 'racks', email: 'racks@x.test' }],
    }
    expect(await show(uuid)).toMatchObject(kept)
    const noted = [{ uuid, name: 'kept.test' }]
    expect((await show(uuid)).metadata[0]?.items[0]?.sourceObjects).toEqual(noted)
    const { json } = await used.app.call('post', `${used.app.place.path}/certificates/${uuid}/renew`)
    expect(await show(json.uuid)).toMatchObject({ ...kept, sourceCertificateUuid: uuid })
    expect((await show(uuid)).relatedCertificates).toMatchObject([{ uuid: json.uuid, state: 'issued' }])
    expect((await groups.list()).length).toBeGreaterThan(0)
  })

  it('names the places where it is put, and a renewal takes its place', async () => {
    const { inventory } = doorOf(used.app, used.app.admin)
    const { uuid: location } = await inventory.locations.add({ name: 'web', kind: 'folder', settings: { path: 'web' } })
    const { uuid } = await ordered('placed.test')
    await inventory.associate(uuid, { location, entry: 'site' })
    const placed = (certificateUuid: string) => ({
      locations: [
        {
          uuid: location,
          name: 'web',
          entityInstanceName: 'folder',
          enabled: true,
          supportMultipleEntries: true,
          supportKeyManagement: false,
          certificates: [{ certificateUuid, state: 'issued', withKey: false, entry: 'site', status: 'waiting' }],
        },
      ],
    })
    expect(await show(uuid)).toMatchObject(placed(uuid))
    const renew = (body?: object) =>
      used.app.call('post', `${used.app.place.path}/certificates/${uuid}/renew`, { body })
    expect((await show((await renew()).json.uuid)).locations).toEqual([])
    const { json } = await renew({ replaceInLocations: true })
    expect(await show(json.uuid)).toMatchObject(placed(json.uuid))
  })

  it('says what a soft policy found, rule by rule', async () => {
    const settings = { certificate: { names: { dns: ['.inside.test'] } }, enforcement: { names: 'soft' } }
    const { uuid } = await ordered(
      'outside.test',
      {},
      await used.app.save('soft', { settings, rules: { issue: auto } }),
    )
    expect(await show(uuid)).toMatchObject({
      state: 'issued',
      complianceStatus: 'nok',
      nonCompliantRules: [
        {
          connectorName: 'policy',
          ruleName: 'names',
          status: 'nok',
          ruleDescription: expect.stringMatching(/outside/),
        },
      ],
    })
  })

  it('says whether it is valid once somebody had it validated', async () => {
    const { uuid } = await ordered('valid.test')
    const path = `${used.app.place.path}/certificates/${uuid}/revoke`
    const { inventory } = doorOf(used.app, manager)
    await inventory.validate(uuid)
    expect((await show(uuid)).validationStatus).toBe('valid')
    await used.app.call('post', path, { body: { attributes: [] } })
    await inventory.validate(uuid)
    expect((await show(uuid)).validationStatus).toBe('revoked')
  })

  it('names the protocol over which it was ordered', async () => {
    const csr = await newCsr(['acme.test'])
    const draft = { profile: await used.app.world.profile(), protocol: 'acme', action: 'issue', csr } as const
    const names = { identifiers: csr.identifiers, validated: csr.identifiers, refusal: 'throw' } as const
    const { request } = await used.app.world.core.as(acmeAccount()).sign({ ...draft, ...names })
    const info = { protocol: 'acme', additionalProtocolUuid: 'account-1' }
    expect((await show(request.uuid)).protocolInfo).toEqual({ ...info, protocolProfileUuid: draft.profile.uuid })
    const body = { name: 'public', raProfileUuid: draft.profile.uuid, ...none }
    const set = await used.app.call('post', '/v1/acmeProfiles', { body, by: used.app.admin })
    expect((await show(request.uuid)).protocolInfo).toEqual({ ...info, protocolProfileUuid: set.json.uuid })
    expect(await show((await ordered('rest.test')).uuid)).not.toHaveProperty('protocolInfo')
  })

  it('names its issuer where an authority here was certified here too; a root has no entry', async () => {
    const { uuid } = await ordered('issued.test')
    const by = used.app.admin
    const { issuerCertificateUuid, issuerDn, issuerSerialNumber } = (
      await used.app.call('get', `/v1/certificates/${uuid}`, { by })
    ).json
    const issuer = (await used.app.call('get', `/v1/certificates/${issuerCertificateUuid}`, { by })).json
    expect(issuer).toMatchObject({ subjectDn: issuerDn, serialNumber: issuerSerialNumber, trustedCa: true })
    expect(issuer).not.toHaveProperty('issuerCertificateUuid')
    const chain = await used.app.call('get', `/v1/certificates/${uuid}/chain`, { by })
    expect(chain.json.certificates[0].uuid).toBe(issuerCertificateUuid)
  })

  it('of others names its issuer where that was uploaded too, and whether people trust it', async () => {
    const ca = await foreignCa(used.app.world.time.now, { name: 'Other CA' })
    const by = used.app.admin
    const upload = async (der: Buffer): Promise<string> => {
      const body = { certificate: der.toString('base64') }
      const { status, json } = await used.app.call('post', '/v1/certificates/upload', { body, by })
      expect(status).toBe(201)
      return json.uuid
    }
    const issuerCertificateUuid = await upload(ca.fields.der)
    const uuid = await upload((await ca.issue()).der)
    const detail = await used.app.call('get', `/v1/certificates/${uuid}`, { by })
    expect(detail.json).toMatchObject({ issuerCertificateUuid, issuerSerialNumber: ca.fields.serial, trustedCa: false })
    expect(detail.json).not.toHaveProperty('raProfile')
    const above = `/v1/certificates/${issuerCertificateUuid}`
    const trusted = async () => (await used.app.call('get', above, { by })).json
    expect(await trusted()).toMatchObject({
      subjectType: 'rootCa',
      trustedCa: false,
      keyUsage: ['keyCertSign', 'cRLSign'],
    })
    expect((await used.app.call('patch', above, { by, body: { trustedCa: true } })).status).toBe(204)
    expect((await trusted()).trustedCa).toBe(true)
  })

  it('reads the statements and usages of qualified certificates', async () => {
    const body = { certificate: qualified() }
    const { json } = await used.app.call('post', '/v1/certificates/upload', { body, by: used.app.admin })
    const detail = await used.app.call('get', `/v1/certificates/${json.uuid}`, { by: used.app.admin })
    expect(detail.json).toMatchObject({
      subjectType: 'selfSignedEndEntity',
      keyUsage: ['digitalSignature', 'nonRepudiation'],
    })
    expect(detail.json.qcStatements).toEqual({
      qcCompliance: true,
      qcSscd: true,
      qcType: ['web'],
      qcCcLegislation: ['CH'],
    })
  })

  it('says that it is in the archive, from where it is neither renewed nor revoked', async () => {
    const { uuid } = await ordered('archived.test')
    const { inventory } = doorOf(used.app, manager)
    await inventory.archive([uuid])
    expect((await show(uuid)).archived).toBe(true)
    for (const verb of ['renew', 'revoke'])
      expect(
        (await used.app.call('post', `${used.app.place.path}/certificates/${uuid}/${verb}`, { body: {} })).status,
      ).toBe(422)
    await inventory.unarchive([uuid])
    expect((await show(uuid)).archived).toBe(false)
  })
})
