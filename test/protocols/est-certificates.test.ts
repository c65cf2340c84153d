import { beforeAll, describe, expect, it } from 'vitest'
import { asRequester, findUser } from '../../src/core/identity/identity.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import type { Party } from '../helpers/cms.ts'
import { auto, leafOf, PASSWORD, useEstApp, waits } from '../helpers/estApp.ts'
import { device } from '../helpers/scepClient.ts'

const entitled = [{ name: 'entitled', when: 'entitled', auto: true }, ...waits]
const same = [{ name: 'same', when: 'certificate.present && certificate.sameNames', auto: true }, ...waits]
const rules = { issue: entitled, renew: same, rekey: same, revoke: auto }
const client = { certificate: { type: 'client', names: { dns: ['**'] } } }
const key = (name: string) => device(name, 'P-256')

describe('who enrols over EST by a certificate of ours', () => {
  const est = useEstApp()

  beforeAll(async () => {
    await est.app.save('fleet', {}, { settings: client, rules })
    await est.app.save('other', {}, { settings: client, rules })
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

    it('orders others no more often than the profile says; renewals and repetitions go on', async () => {
      const profile = 'counted'
      await est.app.save(profile, { limits: { ordersByCertificate: '2/1h' } }, { settings: client, rules })
      const by = await est.app.enrolled(key('counted'), { subject: { CN: 'counted.example.org' }, profile })
      const order = (name: string, operation = 'simpleenroll') =>
        est.app.enroll({ by: key(name), client: by, dns: [`${name}.example.org`], profile, operation })
      expect((await order('c1')).status).toBe(202)
      expect((await order('c2', 'serverkeygen')).status).toBe(202)
      const before = await est.app.count()
      for (const operation of ['simpleenroll', 'serverkeygen'])
        expect(await order('c3', operation)).toMatchObject({
          status: 429,
          headers: { 'retry-after': expect.stringMatching(/^[1-9]\d*$/) },
          text: expect.stringContaining('est.ordersByCertificate'),
        })
      expect(await est.app.count()).toBe(before)
      expect((await order('c1')).status).toBe(202)
      expect((await order('c2', 'serverkeygen')).status).toBe(202)
      expect((await order('counted')).status).toBe(200)
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
})
