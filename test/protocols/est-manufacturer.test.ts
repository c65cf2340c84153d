import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import type { Party } from '../helpers/cms.ts'
import { auto, leafOf, useEstApp, waits } from '../helpers/estApp.ts'
import { type ForeignCa, foreignCa } from '../helpers/foreignCa.ts'
import { device } from '../helpers/scepClient.ts'

const entitled = [{ name: 'entitled', when: 'entitled', auto: true }, ...waits]
const same = [{ name: 'same', when: 'certificate.present && certificate.sameNames', auto: true }, ...waits]
const rules = { issue: entitled, renew: same, rekey: same, revoke: auto }
const client = { certificate: { type: 'client', names: { dns: ['**'] } } }
const day = 86_400_000
const key = (name: string) => device(name, 'P-256')

describe('who enrols over EST by the certificate of a manufacturer', () => {
  const est = useEstApp()

  beforeAll(async () => {
    await est.app.save('fleet', {}, { settings: client, rules })
    await est.app.save('other', {}, { settings: client, rules })
  })

  describe("by a manufacturer's certificate", () => {
    let maker: ForeignCa
    let factory: { der: Buffer; ca: ForeignCa }
    let crl: Buffer
    let web: Server
    const born = {
      subject: nameOf({ O: 'Acme', serialNumber: 'A-1' }),
      identifiers: [],
      notAfter: new Date('9999-12-31T23:59:59Z'),
    }

    beforeAll(async () => {
      maker = await foreignCa(est.app.world.time.now, { name: 'Acme Root' })
      crl = await maker.crl()
      web = createServer((_, response) => response.end(crl)).listen(0, '127.0.0.1')
      await new Promise((resolve) => web.once('listening', resolve))
      const below = await foreignCa(est.app.world.time.now, { name: 'Acme Factory 7' })
      const cross = await maker.issue({
        subject: nameOf({ CN: 'Acme Factory 7' }),
        publicKey: below.signer.publicKey,
        type: 'ca',
        keyUsage: ['keyCertSign'],
        pathLength: 0,
      })
      factory = { der: cross.der, ca: below }
      const crlUrls = [`http://127.0.0.1:${(web.address() as AddressInfo).port}/acme.crl`]
      const anchor = { name: 'Acme', certificates: maker.certificate }
      const settings = {
        certificate: { type: 'client', subject: { serialNumber: '{csr.serialNumber}', O: '{csr.O}' } },
      }
      await est.app.save('acme', { trustAnchors: [anchor] }, { settings, rules })
      await est.app.save('acme-crl', { trustAnchors: [{ ...anchor, crlUrls }] }, { settings, rules })
      await est.app.save(
        'acme-any',
        { trustAnchors: [{ ...anchor, entitles: 'everything' }] },
        { settings: client, rules },
      )
      await est.app.save('acme-none', { trustAnchors: [{ ...anchor, entitles: 'nothing' }] }, { settings, rules })
    })
    afterAll(() => new Promise((resolve) => web.close(resolve)))

    const idevid = async (draft: Parameters<ForeignCa['issue']>[0] = {}, ca = maker): Promise<Party> => {
      const { der, key } = await ca.issue({ ...born, type: 'client', ...draft })
      return { certificate: der, key }
    }
    const own = { subject: { O: 'Acme', serialNumber: 'A-1' } }

    it('enrols a device into its own profile for what it is, and into no other', async () => {
      const wishes = { by: key('ldevid'), client: await idevid(), ...own }
      expect(leafOf(await est.app.enroll({ ...wishes, profile: 'acme' })).issuer).toEqual(
        nameOf({ CN: 'countersign Issuing CA' }),
      )
      for (const profile of ['default', 'fleet', 'other'])
        expect(await est.app.enroll({ ...wishes, profile })).toMatchObject({
          status: 401,
          text: expect.stringContaining('not issued by an authority that is trusted here'),
        })
    })

    it('for other names people decide, or the anchor says any', async () => {
      const client = await idevid()
      expect(
        (await est.app.enroll({ by: key('l2'), client, subject: { O: 'Acme', serialNumber: 'B-2' }, profile: 'acme' }))
          .status,
      ).toBe(202)
      expect((await est.app.enroll({ by: key('l3'), client, ...own, profile: 'acme-none' })).status).toBe(202)
      expect(
        (await est.app.enroll({ by: key('l4'), client, subject: { CN: 'any.example.org' }, profile: 'acme-any' }))
          .status,
      ).toBe(200)
    })

    it('does not re-enrol by it: that is for what we issued', async () => {
      const answer = await est.app.enroll({
        by: key('l5'),
        client: await idevid(),
        ...own,
        profile: 'acme',
        operation: 'simplereenroll',
      })
      expect(answer.status).toBe(403)
    })

    it('through a CA between, sent in the handshake', async () => {
      const { certificate, key: deviceKey } = await idevid({}, factory.ca)
      const client = { certificate, key: deviceKey, chain: [factory.der] }
      expect((await est.app.enroll({ by: key('l6'), client, ...own, profile: 'acme' })).status).toBe(200)
      expect(
        (await est.app.enroll({ by: key('l6'), client: { certificate, key: deviceKey }, ...own, profile: 'acme' }))
          .status,
      ).toBe(401)
    })

    it.each<[string, Parameters<ForeignCa['issue']>[0], string]>([
      ['expired', { notAfter: new Date(Date.now() - day), notBefore: new Date(Date.now() - 9 * day) }, 'has expired'],
      ['not valid yet', { notBefore: new Date(Date.now() + 9 * day) }, 'not valid yet'],
      ['for servers', { extendedKeyUsage: [OID.serverAuth] }, 'not for TLS clients'],
      ['not for signing', { keyUsage: ['keyEncipherment'] }, 'may not sign'],
    ])('one that is %s is refused', async (_, draft, why) => {
      const answer = await est.app.enroll({ by: key('l7'), client: await idevid(draft), ...own, profile: 'acme' })
      expect(answer).toMatchObject({ status: 401, text: expect.stringContaining(why) })
    })

    it('one that only looks like it is refused: the same names under another key', async () => {
      const forger = await foreignCa(est.app.world.time.now, { name: 'Acme Root' })
      const answer = await est.app.enroll({ by: key('l8'), client: await idevid({}, forger), ...own, profile: 'acme' })
      expect(answer.status).toBe(401)
    })

    it('is looked up in the CRL of its maker', async () => {
      const { time } = est.app.world
      const [good, bad] = [await idevid({ serial: '77' }), await idevid({ serial: '78' })]
      const enroll = (client: Party, name: string) =>
        est.app.enroll({ by: key(name), client, ...own, profile: 'acme-crl' })
      expect((await enroll(bad, 'l9')).status).toBe(200)
      crl = await maker.crl({ thisUpdate: time.now, entries: [{ serial: '78', revokedAt: time.now }] })
      time.pass(16 * 60_000)
      // The list that is at hand still stands; the new one is fetched beside it.
      await expect.poll(async () => (await enroll(bad, 'l9')).status).toBe(403)
      expect((await enroll(good, 'l10')).status).toBe(200)
    })

    it.each([
      ['of attribute certificates only', { idp: { onlyAttributeCertificates: true } }, []],
      ['of CAs only', { idp: { onlyCaCertificates: true } }, []],
      ['by a CA that may sign none', {}, ['keyCertSign' as const]],
    ])('RFC 5280 section 6.3.3: a CRL %s says nothing', async (what, draft, usages) => {
      const now = est.app.world.time.now
      const name = `Acme ${what.slice(-12)}`
      const ca = await foreignCa(now, { name, ...(usages.length > 0 ? { more: { keyUsage: usages } } : {}) })
      const list = await ca.crl({ ...draft, thisUpdate: now, nextUpdate: new Date(now.getTime() + day) })
      const server = createServer((_, response) => response.end(list)).listen(0, '127.0.0.1')
      await new Promise((resolve) => server.once('listening', resolve))
      const crlUrls = [`http://127.0.0.1:${(server.address() as AddressInfo).port}/a.crl`]
      const trustAnchors = [{ name: 'Acme', certificates: ca.certificate, crlUrls }]
      await est.app.save('acme-silent', { trustAnchors }, { settings: client, rules })
      const wishes = { by: key(`silent ${what}`), client: await idevid({}, ca), ...own, profile: 'acme-silent' }
      const answer = await est.app.enroll(wishes)
      await new Promise((resolve) => server.close(resolve))
      expect(answer).toMatchObject({ status: 503, text: expect.stringContaining('cannot be told now') })
    })

    it('waits while no CRL can be had: 503 with Retry-After', async () => {
      crl = Buffer.from('gone')
      est.app.world.time.pass(8 * day)
      const answer = await est.app.enroll({
        by: key('l11'),
        client: await idevid({ notBefore: new Date(0) }),
        ...own,
        profile: 'acme-crl',
      })
      expect(answer).toMatchObject({
        status: 503,
        headers: { 'retry-after': '60' },
        text: expect.stringContaining('Acme'),
      })
    })
  })
})
