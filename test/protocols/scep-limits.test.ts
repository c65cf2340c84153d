import { describe, expect, it } from 'vitest'
import { scepOptions } from '../../protocols/scep/options.ts'
import { asRequester, findUser } from '../../src/core/identity/identity.ts'
import { auto, useScepApp } from '../helpers/scepApp.ts'
import { csrOf, device, issuerAndSubject, leafOf, scepMessage } from '../helpers/scepClient.ts'

const sameNames = [{ name: 'same names', when: 'certificate.present && certificate.sameNames', auto: true }]

describe('SCEP limits', () => {
  const scep = useScepApp()
  const by = device('limited')
  const enrol = (profile: string, name: string, more: { source?: string; challenge?: string } = {}) =>
    scep.app.enrol(by, { subject: { CN: name }, transactionId: name, profile, ...more })

  async function administrator() {
    const { core, it } = scep.app.world
    const admin = await findUser(it.db, { name: 'admin' })
    if (!admin) throw new Error('no administrator')
    return core.as(asRequester(admin)).admin
  }

  describe('of requests that nobody vouches for', () => {
    const limits = { withoutChallengeBySource: '3/1h' }

    it('more than so many from an address are FAILURE badRequest with when to try again, and nothing is stored', async () => {
      await scep.app.save('queue', { limits })
      for (const name of ['a', 'b', 'c'])
        expect((await enrol('queue', `${name}.example.org`)).pkiStatus).toBe('PENDING')
      const before = await scep.app.count()
      const reply = await enrol('queue', 'd.example.org')
      expect(reply).toMatchObject({ pkiStatus: 'FAILURE', failInfo: 'badRequest' })
      expect(reply.text).toMatch(/no more than 3\/1h \(scep\.withoutChallengeBySource\); try again in 20 minutes/)
      expect(await scep.app.count()).toBe(before)
    })

    it('polls and resends of what waits go on, and so do other addresses', async () => {
      expect((await enrol('queue', 'a.example.org')).pkiStatus).toBe('PENDING')
      const data = issuerAndSubject({ CN: 'x' }, { CN: 'b.example.org' })
      const poll = { type: 'CertPoll', data, by, transactionId: 'b.example.org', profile: 'queue' } as const
      expect((await scep.app.send(poll)).pkiStatus).toBe('PENDING')
      expect((await enrol('queue', 'e.example.org', { source: '192.0.2.8' })).pkiStatus).toBe('PENDING')
      expect((await enrol('queue', 'f.example.org')).pkiStatus).toBe('FAILURE')
    })

    it('32: a device that waits and takes a new transactionID for each message stores a hundred an hour', async () => {
      await scep.app.save('recoveries')
      const again = (at: number) =>
        scep.app.enrol(by, { subject: { CN: 'r.example.org' }, transactionId: `r ${at}`, profile: 'recoveries' })
      const before = await scep.app.count()
      for (let at = 0; at <= 100; at++) expect((await again(at)).pkiStatus, `${at}`).toBe('PENDING')
      const over = await again(101)
      expect(over).toMatchObject({ pkiStatus: 'FAILURE', failInfo: 'badRequest' })
      expect(over.text).toContain('scep.recoveries')
      expect((await again(7)).pkiStatus, 'one of before is a poll').toBe('PENDING')
      expect(await scep.app.count()).toBe(before + 1)
    })

    it('what an IPv6 host varies beneath its /64 is one address', async () => {
      await scep.app.save('six', { limits })
      for (let at = 1; at <= 3; at++)
        expect((await enrol('six', `six${at}.example.org`, { source: `2001:db8::${at}` })).pkiStatus).toBe('PENDING')
      expect((await enrol('six', 'six4.example.org', { source: '2001:db8::ffff' })).pkiStatus).toBe('FAILURE')
      expect((await enrol('six', 'six5.example.org', { source: '2001:db8:0:1::1' })).pkiStatus).toBe('PENDING')
    })

    it('a challenge that is good, and a renewal, count nothing and pass', async () => {
      const first = [{ name: 'a first one', when: 'requester.kind == "key-holder"', auto: true }]
      await scep.app.save(
        'counted',
        { limits: { withoutChallengeBySource: '1/1h' } },
        {
          rules: { issue: first, renew: sameNames, rekey: sameNames },
        },
      )
      const old = leafOf(await enrol('counted', 'old.example.org'))
      expect((await enrol('counted', 'next.example.org')).pkiStatus).toBe('FAILURE')
      const holder = { key: by.key, certificate: old.der }
      const renewal = { subject: { CN: 'old.example.org' }, profile: 'counted', type: 'RenewalReq' } as const
      expect((await scep.app.enrol(holder, { ...renewal, transactionId: 'renewal' })).pkiStatus).toBe('SUCCESS')
      const { challenge } = await (await administrator()).createChallenge({ profile: 'counted' })
      expect((await enrol('counted', 'challenged.example.org', { challenge })).pkiStatus).toBe('PENDING')
      // Other names than the certificate's: that people would have to look at.
      const other = { ...renewal, subject: { CN: 'other.example.org' }, transactionId: 'other' }
      expect(await scep.app.enrol(holder, other)).toMatchObject({ pkiStatus: 'FAILURE', failInfo: 'badRequest' })
    })

    it('an administrator makes an exception for an address, and off is none', async () => {
      await scep.app.save('excepted', { limits })
      const names = Array.from({ length: 6 }, (_, i) => `e${i}.example.org`)
      const admin = await administrator()
      const key = { profile: 'excepted', limit: 'scep.withoutChallengeBySource', key: '192.0.2.7' }
      await admin.overrideLimit({ ...key, override: { rate: 'unlimited', note: 'the staging network' } })
      for (const name of names) expect((await enrol('excepted', name)).pkiStatus).toBe('PENDING')
      await admin.overrideLimit({ ...key, override: { rate: 'blocked', note: 'call 555-0100' } })
      const reply = await enrol('excepted', 'blocked.example.org')
      expect(reply).toMatchObject({ pkiStatus: 'FAILURE', failInfo: 'badRequest' })
      expect(reply.text).toContain('call 555-0100')
      await scep.app.save('unlimited', { limits: { withoutChallengeBySource: 'off' } })
      for (const name of names) expect((await enrol('unlimited', name)).pkiStatus).toBe('PENDING')
    })
  })

  describe('pitfall "RSA v1.5 oracle": of messages that do not open', () => {
    it('after so many from an address HTTP 429, in text, with Retry-After; polls and others go on', async () => {
      await scep.app.save('oracle', { limits: { unreadableBySource: '5/1h' } }, { rules: { issue: auto } })
      const asked = { by, profile: 'oracle', transactionId: 'oracle' }
      expect((await enrol('oracle', 'oracle.example.org')).pkiStatus).toBe('SUCCESS')
      for (let at = 0; at < 5; at++)
        expect(await scep.app.send({ ...asked, data: Buffer.from('3003020101', 'hex') })).toMatchObject({
          failInfo: 'badMessageCheck',
        })
      const [to = Buffer.alloc(0)] = await scep.app.caCertificates('oracle')
      const data = csrOf(by, { subject: { CN: 'late.example.org' } })
      const { status, headers, text } = await scep.app.post(await scepMessage({ by, to, data }), 'oracle')
      expect([status, headers['content-type']]).toEqual([429, 'text/plain; charset=utf-8'])
      expect(Number(headers['retry-after'])).toBeGreaterThan(600)
      expect(text).toContain('scep.unreadableBySource')
      const poll = { type: 'CertPoll', data: issuerAndSubject({ CN: 'x' }, { CN: 'y' }) } as const
      expect((await scep.app.send({ ...asked, ...poll, transactionId: 'oracle.example.org' })).pkiStatus).toBe(
        'SUCCESS',
      )
      expect((await enrol('oracle', 'else.example.org', { source: '192.0.2.9' })).pkiStatus).toBe('SUCCESS')
      scep.app.world.time.pass(3_600_000)
      expect((await enrol('oracle', 'late.example.org')).pkiStatus).toBe('SUCCESS')
    })
  })

  it.each(['0/1h', '20', '1/31d', 'unlimited', '2000/1s'])('the rate %s is refused', (withoutChallengeBySource) => {
    expect(scepOptions.safeParse({ limits: { withoutChallengeBySource } }).success).toBe(false)
  })
})
