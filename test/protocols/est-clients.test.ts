import { beforeAll, describe, expect, it } from 'vitest'
import { asRequester, findUser } from '../../src/core/identity/identity.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import type { Party } from '../helpers/cms.ts'
import { auto, leafOf, PASSWORD, useEstApp, waits } from '../helpers/estApp.ts'
import { device } from '../helpers/scepClient.ts'

const entitled = [{ name: 'entitled', when: 'entitled', auto: true }, ...waits]
const same = [{ name: 'same', when: 'certificate.present && certificate.sameNames', auto: true }, ...waits]
const rules = { issue: entitled, renew: same, rekey: same, revoke: auto }
const client = { certificate: { type: 'client', names: { dns: ['**'] } } }
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

    const nul = `Basic ${Buffer.from('mak\0er:password').toString('base64')}`
    it.each([
      'Basic',
      'Basic !',
      'Basic bm9jb2xvbg==',
      nul,
      'Digest x',
      'Bearer cs_nothing',
      `Basic ${'A'.repeat(3000)}`,
    ])('Authorization: %s is 401', async (Authorization) => {
      const { status } = await est.app.enroll({
        by: key('odd'),
        subject: { CN: 'a.example.org' },
        headers: { Authorization },
      })
      expect(status).toBe(401)
    })

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

  describe('many passwords at once', () => {
    it('of forty wrong ones from an address ten are looked at', async () => {
      const headers = { 'X-Forwarded-For': '198.51.100.77' }
      const passwords = Array.from({ length: 40 }, (_, at) => `wrong ${at}`)
      const statuses = await Promise.all(
        passwords.map(async (password) => {
          const wishes = { by: key('burst'), subject: { CN: 'a.example.org' }, basic: `maker:${password}` }
          return (await est.app.enroll({ ...wishes, headers })).status
        }),
      )
      expect(statuses.filter((status) => status === 401)).toHaveLength(10)
      expect(statuses.filter((status) => status === 429)).toHaveLength(30)
    })
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
