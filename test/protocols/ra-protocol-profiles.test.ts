import { describe, expect, it } from 'vitest'
import { type Place, useRaApp } from '../helpers/raApp.ts'

const used = useRaApp()
const NONE = '01890000-0000-7000-8000-000000000000'
const OWN_KEY = '00000000-0000-0000-0000-000000000000'

const protocolsOf = ({ authority, profile }: Place) => `/v1/authorities/${authority}/raProfiles/${profile}/protocols`
const acme = (name: string, more: Record<string, unknown> = {}) => ({
  name,
  issueCertificateAttributes: [],
  revokeCertificateAttributes: [],
  ...more,
})
const scep = (name: string, more: Record<string, unknown> = {}) => ({
  name,
  issueCertificateAttributes: [],
  caCertificateUuid: OWN_KEY,
  ...more,
})

const by = () => ({ by: used.app.admin })
const create = async (path: string, body: unknown) => {
  const answer = await used.app.call('post', path, { ...by(), body })
  expect(answer.status, answer.text).toBe(201)
  return answer.json
}

describe('an ACME profile', () => {
  it('gives its options to the RA profiles that use it, beside those that they have', async () => {
    const { app } = used
    const place = await app.save('acme-one', { protocols: { acme: { externalAccountRequired: true } } })
    const set = await create(
      '/v1/acmeProfiles',
      acme('public', { termsOfServiceUrl: 'https://tos.test/', requireTermsOfService: true, validity: 3600 }),
    )
    expect(set).toMatchObject({ enabled: false, validity: 3600, requireTermsOfService: true, retryInterval: 30 })
    await app.call('patch', `/v1/acmeProfiles/${set.uuid}/enable`, by())
    const active = await app.call('patch', `${protocolsOf(place)}/acme/activate/${set.uuid}`, by())
    expect(active.json).toMatchObject({
      acmeAvailable: true,
      uuid: set.uuid,
      name: 'public',
      directoryUrl: 'https://ra.test/acme/acme-one/directory',
    })
    const options = async () => (await app.world.profile('acme-one')).protocols.acme
    expect(await options()).toEqual({
      externalAccountRequired: true,
      termsOfService: 'https://tos.test/',
      orderLifetime: '3600s',
    })
    const put = await app.call('put', `/v1/acmeProfiles/${set.uuid}`, {
      ...by(),
      body: acme('', { websiteUrl: 'https://w.test/' }),
    })
    expect(put.json).toMatchObject({ websiteUrl: 'https://w.test/', validity: 36_000, raProfile: { name: 'acme-one' } })
    expect(await options()).toEqual({
      externalAccountRequired: true,
      website: 'https://w.test/',
      orderLifetime: '36000s',
    })
  })

  it('that is disabled has its RA profiles serve nobody, and enabled again all that they asked before', async () => {
    const { app } = used
    const place = await app.save('acme-two', { protocols: { acme: { externalAccountRequired: true } } })
    const set = await create('/v1/acmeProfiles', acme('switched'))
    await app.call('patch', '/v1/acmeProfiles/enable', { ...by(), body: [set.uuid] })
    expect((await app.call('patch', `/v1/acmeProfiles/${set.uuid}/raprofile/${place.profile}`, by())).status).toBe(204)
    const shown = async () => (await app.call('get', `${protocolsOf(place)}/acme`)).json
    expect(await shown()).toMatchObject({ acmeAvailable: true, name: 'switched' })
    await app.call('patch', `/v1/acmeProfiles/${set.uuid}/disable`, by())
    expect(await shown()).toMatchObject({ acmeAvailable: false, name: 'switched' })
    expect((await app.world.profile('acme-two')).protocols.acme).toBeUndefined()
    await app.call('patch', `/v1/acmeProfiles/${set.uuid}/enable`, by())
    expect((await app.world.profile('acme-two')).protocols.acme).toMatchObject({ externalAccountRequired: true })
    await app.call('patch', `${protocolsOf(place)}/acme/deactivate`, by())
    expect(await shown()).toEqual({
      acmeAvailable: false,
      issueCertificateAttributes: [],
      revokeCertificateAttributes: [],
    })
    await app.call('patch', `${protocolsOf(place)}/acme/activate/${set.uuid}`, by())
    expect((await app.world.profile('acme-two')).protocols.acme).toMatchObject({ externalAccountRequired: true })
  })

  it('is deleted when no RA profile uses it, or by force', async () => {
    const { app } = used
    const place = await app.save('acme-three')
    const set = await create('/v1/acmeProfiles', acme('used', { raProfileUuid: place.profile }))
    expect(set.raProfile).toMatchObject({ uuid: place.profile, name: 'acme-three' })
    const refused = await app.call('delete', `/v1/acmeProfiles/${set.uuid}`, by())
    expect([refused.status, refused.json]).toEqual([422, [expect.stringContaining('acme-three')]])
    expect((await app.call('delete', '/v1/acmeProfiles/delete', { ...by(), body: [set.uuid] })).status).toBe(422)
    expect((await app.call('delete', '/v1/acmeProfiles/delete/force', { ...by(), body: [set.uuid] })).status).toBe(204)
    expect((await app.call('get', `/v1/acmeProfiles/${set.uuid}`)).status).toBe(404)
    expect((await app.call('get', `${protocolsOf(place)}/acme`)).json.acmeAvailable).toBe(false)
  })

  it.each([
    ['dnsResolverIp', { dnsResolverIp: '192.0.2.1' }],
    ['dnsResolverPort', { dnsResolverPort: '5353' }],
    ['retryInterval', { retryInterval: 5 }],
    ['requireContact', { requireContact: true }],
    ['requireTermsOfService', { requireTermsOfService: true }],
    ['requireTermsOfService', { termsOfServiceUrl: 'https://tos.test/' }],
    ['issueCertificateAttributes', { issueCertificateAttributes: [{ name: 'a' }] }],
    ['revokeCertificateAttributes', { revokeCertificateAttributes: [{ name: 'a' }] }],
    ['customAttributes', { customAttributes: [{ name: 'a' }] }],
    ['certificateAssociations', { certificateAssociations: { ownerUuid: NONE } }],
  ])('refuses %s by name where it cannot be had', async (name, more) => {
    const { app } = used
    const answer = await app.call('post', '/v1/acmeProfiles', { ...by(), body: acme('refused', more) })
    expect(answer.status).toBe(422)
    expect(answer.json).toEqual([expect.stringContaining(`${name}: `)])
    expect((await app.call('get', '/v1/acmeProfiles')).text).not.toContain('refused')
  })

  it('refuses a name that is taken, who may not manage, and another organization', async () => {
    const { app } = used
    const { uuid } = await create('/v1/acmeProfiles', acme('taken'))
    const body = acme('taken')
    expect((await app.call('post', '/v1/acmeProfiles', { ...by(), body })).status).toBe(409)
    expect((await app.call('post', '/v1/acmeProfiles', { body })).status).toBe(403)
    expect((await app.call('patch', `/v1/acmeProfiles/${uuid}/enable`)).status).toBe(403)
    expect((await app.call('get', `/v1/acmeProfiles/${uuid}`, { by: app.stranger })).status).toBe(404)
    expect((await app.call('get', '/v1/acmeProfiles', { by: app.stranger })).json).toEqual([])
    const activate = `${protocolsOf(app.place)}/acme/activate`
    expect((await app.call('patch', `${activate}/${uuid}`)).status).toBe(403)
    expect((await app.call('patch', `${activate}/${NONE}`, by())).status).toBe(404)
    const foreign = await app.call('post', '/v1/acmeProfiles', { by: app.stranger, body: acme('theirs') })
    expect((await app.call('patch', `${activate}/${foreign.json.uuid}`, by())).status).toBe(404)
    const attributes = { issueCertificateAttributes: [{ name: 'a' }] }
    expect((await app.call('patch', `${activate}/${uuid}`, { ...by(), body: attributes })).status).toBe(422)
  })
})

describe('a SCEP profile', () => {
  it('maps to the options of SCEP', async () => {
    const { app } = used
    const place = await app.save('scep-one')
    const set = await create(
      '/v1/scepProfiles',
      scep('devices', { includeCaCertificateChain: true, enableChallengePassword: true }),
    )
    expect(set).toMatchObject({
      includeCaCertificateChain: true,
      enableChallengePassword: true,
      caCertificateUuid: OWN_KEY,
    })
    await app.call('patch', `/v1/scepProfiles/${set.uuid}/enable`, by())
    const active = await app.call('patch', `${protocolsOf(place)}/scep/activate/${set.uuid}`, by())
    expect(active.json).toMatchObject({ scepAvailable: true, name: 'devices' })
    expect(active.json.url).toMatch(/\/scep\/scep-one$/)
    expect((await app.world.profile('scep-one')).protocols.scep).toEqual({
      messageKey: 'ra',
      answer: 'chain',
      withoutChallenge: 'refuse',
    })
    expect((await app.call('get', '/v1/scepProfiles')).json).toMatchObject([
      { name: 'devices', scepUrl: active.json.url },
    ])
  })

  it('names a CA certificate whose key is RSA and here, and then serves RA profiles of that authority only', async () => {
    const { app } = used
    await app.world.core.as({ kind: 'system', ref: 'test', name: 'test', people: [] }).admin.createAuthority({
      name: 'rsa',
      key: 'RSA-2048',
      subject: 'CN=RSA',
      validity: 86_400_000,
    })
    const [ca, ...more] = (await app.call('get', '/v1/scepProfiles/caCertificates')).json
    expect([ca.commonName, more]).toEqual(['RSA', []])
    const set = await create('/v1/scepProfiles', scep('direct', { caCertificateUuid: ca.uuid }))
    expect(set.caCertificate.commonName).toBe('RSA')
    const refused = await app.call('patch', `${protocolsOf(app.place)}/scep/activate/${set.uuid}`, by())
    expect([refused.status, refused.json]).toEqual([422, [expect.stringContaining('direct')]])
  })

  it.each([
    ['caCertificateUuid', { caCertificateUuid: NONE }],
    ['renewalThreshold', { renewalThreshold: 10 }],
    ['includeCaCertificate', { includeCaCertificate: true }],
    ['challengePassword', { challengePassword: 'secret' }],
    ['enableIntune', { enableIntune: true }],
    ['intuneTenant', { intuneTenant: 'x' }],
    ['issueCertificateAttributes', { issueCertificateAttributes: [{}] }],
  ])('refuses %s by name where it cannot be had', async (name, more) => {
    const { app } = used
    const answer = await app.call('post', '/v1/scepProfiles', { ...by(), body: scep('refused', more) })
    expect([answer.status, answer.json]).toEqual([422, [expect.stringContaining(`${name}: `)]])
  })
})

describe('CMP and EST', () => {
  it('CMP has no profiles, and says why', async () => {
    const { app } = used
    expect((await app.call('get', '/v1/cmpProfiles')).json).toEqual([])
    const made = await app.call('post', '/v1/cmpProfiles', { ...by(), body: { name: 'x', variant: 'v2' } })
    expect([made.status, made.json]).toEqual([422, [expect.stringContaining('protocols.cmp')]])
    expect((await app.call('get', `/v1/cmpProfiles/${NONE}`)).status).toBe(404)
    expect((await app.call('get', `${protocolsOf(app.place)}/cmp`)).json.cmpAvailable).toBe(false)
    expect((await app.call('patch', `${protocolsOf(app.place)}/cmp/activate/${NONE}`, by())).status).toBe(422)
  })

  it('CMP is switched on and off with the options that the RA profile had', async () => {
    const { app } = used
    const place = await app.save('cmp-one', { protocols: { cmp: { checkAfter: '5m' } } })
    const at = `${protocolsOf(place)}/cmp`
    const url = 'http://ca.test/cmp/cmp-one'
    expect((await app.call('get', at)).json).toMatchObject({ cmpAvailable: true, cmpUrl: url })
    expect((await app.call('get', `/v1/raProfiles/${place.profile}`)).json.enabledProtocols).toEqual(['CMP'])
    expect((await app.call('patch', `${at}/deactivate`, by())).status).toBe(204)
    expect((await app.call('get', at)).json.cmpAvailable).toBe(false)
    expect((await app.call('patch', `${at}/activate`, by())).json).toMatchObject({ cmpAvailable: true, cmpUrl: url })
    expect((await app.world.profile('cmp-one')).protocols.cmp).toEqual({ checkAfter: '5m' })
  })

  it('EST is switched on with the options that the RA profile had', async () => {
    const { app } = used
    const place = await app.save('est-one', { protocols: { est: { require: 'certificate' } } })
    expect((await app.call('patch', `${protocolsOf(place)}/est/deactivate`, by())).status).toBe(204)
    expect((await app.call('get', `${protocolsOf(place)}/est`)).json.estAvailable).toBe(false)
    const { json } = await app.call('patch', `${protocolsOf(place)}/est/activate`, by())
    expect(json).toMatchObject({ estAvailable: true, url: 'https://mtls.ra.test/.well-known/est/est-one' })
    expect((await app.world.profile('est-one')).protocols.est).toEqual({ require: 'certificate' })
    expect((await app.call('get', `/v1/raProfiles/${place.profile}`)).json.enabledProtocols).toEqual(['EST'])
  })
})
