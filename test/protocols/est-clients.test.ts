import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { asRequester, findUser } from '../../src/core/identity.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import type { Party } from '../helpers/cms.ts'
import { auto, leafOf, PASSWORD, useEstApp, waits } from '../helpers/estApp.ts'
import { type ForeignCa, foreignCa } from '../helpers/foreignCa.ts'
import { device } from '../helpers/scepClient.ts'

const entitled = [{ name: 'entitled', when: 'entitled', auto: true }, ...waits]
const same = [{ name: 'same', when: 'certificate.present && certificate.sameNames', auto: true }, ...waits]
const rules = { issue: entitled, renew: same, rekey: same, revoke: auto }
const client = { certificate: { type: 'client', names: { dns: ['**'] } } }
const day = 86_400_000
const key = (name: string) => device(name, 'P-256')

describe('who enrols over EST', () => {
  const est = useEstApp()

  beforeAll(async () => {
    await est.app.save('fleet', {}, { settings: client, rules })
    await est.app.save('other', {}, { settings: client, rules })
  })

  describe('by password', () => {
    it('a challenge made for the names enrols at once, whatever the user name, and is used up', async () => {
      const challenge = await est.app.challenge({ dns: ['once.example.org'] })
      const wishes = { subject: { CN: 'once.example.org' }, basic: `any:${challenge}` }
      const first = leafOf(await est.app.enroll({ by: key('once'), ...wishes }))
      expect(first.identifiers).toEqual([{ type: 'dns', value: 'once.example.org' }])
      // The same device, which has not read its answer.
      expect(leafOf(await est.app.enroll({ by: key('once'), ...wishes })).serial).toBe(first.serial)
      expect((await est.app.enroll({ by: key('another'), ...wishes })).status).toBe(401)
    })

    it('17: nothing is used up by a request that is asked for its password first', async () => {
      const challenge = await est.app.challenge({ dns: ['asked.example.org'] })
      const wishes = { by: key('asked'), subject: { CN: 'asked.example.org' } }
      const { status, headers } = await est.app.enroll(wishes)
      expect({ status, wants: headers['www-authenticate'] }).toEqual({
        status: 401,
        wants: 'Basic realm="countersign"',
      })
      expect((await est.app.enroll({ ...wishes, basic: `x:${challenge}` })).status).toBe(200)
    })

    it('of eight devices at once one uses a one-time challenge', async () => {
      const challenge = await est.app.challenge({ dns: ['race.example.org'] })
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, i) =>
          est.app.enroll({ by: key(`race ${i}`), subject: { CN: 'race.example.org' }, basic: `x:${challenge}` }),
        ),
      )
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    })

    it('pitfall "challenge proves a group": one for another name is refused by the text of a wrong one', async () => {
      const challenge = await est.app.challenge({ dns: ['mine.example.org'] })
      const wishes = { by: key('thief'), subject: { CN: 'yours.example.org' } }
      const other = await est.app.enroll({ ...wishes, basic: `x:${challenge}` })
      const wrong = await est.app.enroll({ ...wishes, basic: 'x:wrong' })
      expect({ status: other.status, text: other.text }).toEqual({ status: 401, text: wrong.text })
    })

    it('one of another profile is nothing here', async () => {
      const challenge = await est.app.challenge({ profile: 'other', dns: ['there.example.org'] })
      const { status } = await est.app.enroll({
        by: key('there'),
        subject: { CN: 'there.example.org' },
        basic: `x:${challenge}`,
      })
      expect(status).toBe(401)
    })

    it('a user, or a token of his, by Basic or Bearer: his order waits', async () => {
      const maker = await findUser(est.app.world.it.db, { name: 'maker' })
      if (!maker) throw new Error('no maker')
      const { text } = await est.app.world.core.as(asRequester(maker)).admin.createToken({ user: 'maker', name: 'est' })
      const wishes = { by: key('user'), subject: { CN: 'user.example.org' } }
      for (const basic of [`maker:${PASSWORD}`, `maker:${text}`, `CORP\\maker:${text}`])
        expect((await est.app.enroll({ ...wishes, basic })).status).toBe(202)
      expect((await est.app.enroll({ ...wishes, headers: { Authorization: `Bearer ${text}` } })).status).toBe(202)
      expect((await est.app.enroll({ ...wishes, basic: `approver:${text}` })).status).toBe(401)
    })

    it('a wrong password counts as a guess at a challenge too, for the profile as a whole', async () => {
      const { db } = est.app.world.it
      const counted = () =>
        withTables<CoreTables>(db)
          .selectFrom('limit_buckets')
          .select('arrival')
          .where('name', '=', 'challenge.failures')
          .executeTakeFirst()
      const before = (await counted())?.arrival ?? 0
      await est.app.enroll({ by: key('static'), subject: { CN: 'a.example.org' }, basic: 'x:guessed static challenge' })
      expect((await counted())?.arrival).toBeGreaterThan(before)
    })

    it('a user without create_cert is refused', async () => {
      const { status, text } = await est.app.enroll({
        by: key('poor'),
        subject: { CN: 'a.example.org' },
        basic: `approver:${PASSWORD}`,
      })
      expect({ status, text }).toMatchObject({ status: 403, text: expect.stringContaining('create_cert') })
    })

    it.each(['Basic', 'Basic !', 'Basic bm9jb2xvbg==', 'Digest x', 'Bearer cs_nothing', `Basic ${'A'.repeat(3000)}`])(
      'Authorization: %s is 401',
      async (Authorization) => {
        const { status } = await est.app.enroll({
          by: key('odd'),
          subject: { CN: 'a.example.org' },
          headers: { Authorization },
        })
        expect(status).toBe(401)
      },
    )

    it('ten wrong ones from an address in an hour, and nothing more is tried from there: 429 with Retry-After', async () => {
      const wishes = { by: key('guess'), subject: { CN: 'a.example.org' } }
      const from = { 'X-Forwarded-For': '198.51.100.9' }
      for (let tries = 0; tries < 10; tries++)
        expect((await est.app.enroll({ ...wishes, basic: `x:${tries}`, headers: from })).status).toBe(401)
      const locked = await est.app.enroll({ ...wishes, basic: `maker:${PASSWORD}`, headers: from })
      expect(locked.status).toBe(429)
      expect(Number(locked.headers['retry-after'])).toBeGreaterThan(0)
      expect((await est.app.enroll({ ...wishes, basic: `maker:${PASSWORD}` })).status).toBe(202)
      est.app.world.time.pass(2 * 3_600_000)
    })
  })

  describe('by a certificate of ours', () => {
    it('of this profile: the same names are renewed at once, others are decided like a new order', async () => {
      const by = await est.app.enrolled(key('held'), { subject: { CN: 'held.example.org' }, profile: 'fleet' })
      const renewal = await est.app.enroll({
        by: key('held 2'),
        client: by,
        subject: { CN: 'held.example.org' },
        profile: 'fleet',
      })
      expect(leafOf(renewal).identifiers).toEqual([{ type: 'dns', value: 'held.example.org' }])
      const more = await est.app.enroll({
        by: key('held 2'),
        client: by,
        dns: ['held.example.org', 'more.example.org'],
        profile: 'fleet',
      })
      expect(more.status).toBe(202)
    })

    it('of another profile is nobody here', async () => {
      const by = await est.app.enrolled(key('fleet'), { subject: { CN: 'fleet.example.org' }, profile: 'fleet' })
      const wishes = { by: key('fleet 2'), client: by, subject: { CN: 'fleet.example.org' }, profile: 'other' }
      expect(await est.app.enroll(wishes)).toMatchObject({
        status: 401,
        text: expect.stringContaining('of another profile'),
      })
      expect((await est.app.enroll({ ...wishes, operation: 'simplereenroll' })).status).toBe(401)
    })

    it.each([
      ['revoked', 'keyCompromise'],
      ['on hold', 'certificateHold'],
    ])(
      'pitfall "revoked client certificate accepted": one that is %s is 403, with a password too',
      async (what, reason) => {
        const cn = `${reason.toLowerCase()}.example.org`
        const by = await est.app.enrolled(key(cn), { subject: { CN: cn } })
        const door = est.app.world.core.as(asRequester(await maker()))
        const { id } = await recordOf(by)
        await door.revoke({ protocol: 'cli', certificate: id, reason, grounds: 'user' })
        for (const operation of ['simpleenroll', 'simplereenroll'])
          for (const more of [{}, { basic: `maker:${PASSWORD}` }])
            expect(
              await est.app.enroll({ by: key(`${cn} 2`), client: by, subject: { CN: cn }, operation, ...more }),
            ).toMatchObject({
              status: 403,
              text: `the client certificate is ${what}\n`,
            })
      },
    )

    it('one for TLS servers enrols nothing, and renews itself', async () => {
      await est.app.save('servers', {}, { rules })
      const by = await est.app.enrolled(key('server'), { subject: { CN: 'server.example.org' }, profile: 'servers' })
      const wishes = { by: key('server 2'), client: by, subject: { CN: 'server.example.org' }, profile: 'servers' }
      expect(await est.app.enroll(wishes)).toMatchObject({
        status: 401,
        text: expect.stringContaining('not for TLS clients'),
      })
      expect((await est.app.enroll({ ...wishes, operation: 'simplereenroll' })).status).toBe(200)
    })

    it('21: a registration authority enrols others, in every profile of its authority, unless the profile says no', async () => {
      await est.app.save('registrars', {}, { settings: { certificate: { type: 'registration_authority' } }, rules })
      const ra = await est.app.enrolled(key('ra'), { subject: { CN: 'ra.example.org' }, profile: 'registrars' })
      const wishes = { by: key('third'), client: ra, subject: { CN: 'third.example.org' } }
      expect((await est.app.enroll({ ...wishes, profile: 'fleet' })).status).toBe(200)
      expect((await est.app.enroll({ ...wishes, profile: 'other', operation: 'simplereenroll' })).status).toBe(200)
      // Section 3.7: it has looked at its client's binding already.
      expect((await est.app.enroll({ ...wishes, profile: 'other', challenge: 'of its own connection' })).status).toBe(
        200,
      )
      await est.app.save('alone', { registrationAuthorities: false }, { settings: client, rules })
      expect((await est.app.enroll({ ...wishes, profile: 'alone' })).status).toBe(401)
    })

    const maker = async () => {
      const found = await findUser(est.app.world.it.db, { name: 'maker' })
      if (!found) throw new Error('no maker')
      return found
    }
    const recordOf = ({ certificate }: Party) =>
      withTables<CoreTables>(est.app.world.it.db)
        .selectFrom('certificates')
        .select('id')
        .where('der', '=', certificate)
        .executeTakeFirstOrThrow()
  })

  describe('what a profile wants to see', () => {
    let by: Party

    beforeAll(async () => {
      for (const require of ['certificate', 'password', 'both'] as const)
        await est.app.save(require, { require }, { settings: client, rules })
    })

    async function holder(profile: string): Promise<Party> {
      await est.app.save(profile, {}, { settings: client, rules })
      by = await est.app.enrolled(key(`${profile} holder`), { subject: { CN: `${profile}.example.org` }, profile })
      await est.app.save(profile, { require: profile }, { settings: client, rules })
      return by
    }

    it('certificate: a password is no way in', async () => {
      const client = await holder('certificate')
      const wishes = { by: key('c'), subject: { CN: 'certificate.example.org' }, profile: 'certificate' }
      expect((await est.app.enroll({ ...wishes, client })).status).toBe(200)
      expect(await est.app.enroll({ ...wishes, basic: `maker:${PASSWORD}` })).toMatchObject({
        status: 403,
        text: expect.stringContaining('needs one'),
      })
    })

    it('password: a certificate alone is not enough', async () => {
      const client = await holder('password')
      const wishes = { by: key('p'), client, subject: { CN: 'password.example.org' }, profile: 'password' }
      expect((await est.app.enroll(wishes)).status).toBe(401)
      expect((await est.app.enroll({ ...wishes, basic: `maker:${PASSWORD}` })).status).toBe(200)
    })

    it('both: neither alone is enough, and a wrong password spoils the right certificate', async () => {
      const client = await holder('both')
      const wishes = { by: key('b'), subject: { CN: 'both.example.org' }, profile: 'both' }
      expect((await est.app.enroll({ ...wishes, client })).status).toBe(401)
      expect((await est.app.enroll({ ...wishes, basic: `maker:${PASSWORD}` })).status).toBe(403)
      expect((await est.app.enroll({ ...wishes, client, basic: 'maker:wrong' })).status).toBe(401)
      expect((await est.app.enroll({ ...wishes, client, basic: `maker:${PASSWORD}` })).status).toBe(200)
    })
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

  it.each([
    [{ require: 'nothing' }, 'require'],
    [{ trustAnchors: [{ name: 'x', certificates: 'no PEM' }] }, 'PEM certificates are needed'],
    [{ trustAnchors: [{ name: '<b>', certificates: '' }] }, 'letters, digits'],
    [
      { trustAnchors: [{ name: 'x', certificates: pemEncode('CERTIFICATE', device('leaf', 'P-256').certificate) }] },
      'must be one of a CA',
    ],
    [{ retryAfter: '5' }, 'a length of time'],
    [{ unknown: 1 }, 'Unrecognized'],
  ])('refuses the settings %j', async (options, why) => {
    const { estOptions } = await import('../../protocols/est/options.ts')
    expect(JSON.stringify(estOptions.safeParse(options).error?.issues)).toContain(why)
  })
})
