import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { readCertId } from '../../protocols/acme/certId.ts'
import { AcmeError } from '../../protocols/acme/errors.ts'
import { ordinaryWindow } from '../../src/core/issuance/renewal.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { BASE_URL, useAcme } from '../helpers/acmeApp.ts'
import { expectStatus } from '../helpers/acmeClient.ts'
import { databases, openSqlite } from '../helpers/databases.ts'
import { type Issued, issue } from '../helpers/issued.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'

const hour = 3_600_000
const root = `${BASE_URL}/acme/default/renewal-info`
const text = (time: number) => `${new Date(Math.floor(time / 1000) * 1000).toISOString().slice(0, 19)}Z`

describe.each(databases)('ACME renewal information (RFC 9773) on $name', ({ open }) => {
  const acme = useAcme(open)
  let people: People
  beforeAll(async () => {
    people = await createPeople(acme.app.world)
  })

  const get = async (url: string, method = 'GET') => {
    const { status, headers, text } = await acme.app.transport({ method, url, headers: {} })
    return { status, headers, json: JSON.parse(text || 'null') }
  }
  const windowOf = async ({ certId }: Issued, profile = 'default') =>
    (await get(`${BASE_URL}/acme/${profile}/renewal-info/${certId}`)).json
  const now = () => acme.app.world.time.now.getTime()

  it('section 3: the directory says where it is', async () => {
    const { directory } = await acme.app.client({ register: false })
    expect(directory.renewalInfo).toBe(root)
  })

  it('section 4: anybody reads the window, from two thirds to three quarters of the lifetime, and when to ask again', async () => {
    const { certId, der } = await issue(acme.app, ['window.localhost'])
    const { status, headers, json } = await get(`${root}/${certId}`)
    const { notBefore, notAfter } = readCertificate(der)
    const lifetime = notAfter.getTime() - notBefore.getTime()
    expect(status).toBe(200)
    expect(json).toEqual({
      suggestedWindow: { start: text(notAfter.getTime() - lifetime / 3), end: text(notAfter.getTime() - lifetime / 4) },
    })
    expect(headers.get('content-type')).toBe('application/json')
    expect(headers.get('retry-after')).toBe('21600')
    expect(headers.get('cache-control')).toBe('public, max-age=300')
    expect(headers.has('replay-nonce')).toBe(false)
    expect((await get(`${root}/${certId}`, 'HEAD')).status).toBe(200)
  })

  it('section 4.3.1: a certificate of a day is asked after every hour', async () => {
    await acme.app.world.save('daily', { settings: { certificate: { validity: { default: '24h' } } } })
    const { certId } = await issue(acme.app, ['daily.localhost'], { profile: 'daily' })
    const { headers } = await get(`${BASE_URL}/acme/daily/renewal-info/${certId}`)
    expect(Number(headers.get('retry-after'))).toBe(3602)
  })

  it('only GET: another method is 405', async () => {
    const { certId, client } = await issue(acme.app, ['method.localhost'])
    const reply = await client.post(`${root}/${certId}`)
    expect(reply.status).toBe(405)
    expect(reply.headers.get('allow')).toBe('GET, HEAD')
    expect(reply.json).toMatchObject({ type: 'urn:ietf:params:acme:error:malformed' })
  })

  it('wire 50: what cannot name a certificate is 400, what names none of this profile 404', async () => {
    const { certId } = await issue(acme.app, ['strict.localhost'])
    const [key = '', serial = ''] = certId.split('.')
    const octets = Buffer.from(serial, 'base64url')
    const longer = Buffer.concat([Buffer.from([0]), octets]).toString('base64url')
    const wrong = ['x', `${key}.`, `.${serial}`, `${certId}.`, `${key}.${serial}=`, `${key}.${longer}`]
    for (const id of [...wrong, `${key}.gAAA`, `${key}.AA`, `${key}.AAAA`, `${key}+.${serial}`, `${key}.${serial}B`]) {
      const { status, json } = await get(`${root}/${encodeURIComponent(id)}`)
      expect([status, json.type], id).toEqual([400, 'urn:ietf:params:acme:error:malformed'])
    }
    const others = [`${key}.AQID`, `${Buffer.from('no such key').toString('base64url')}.${serial}`]
    for (const id of others) expect((await get(`${root}/${id}`)).status, id).toBe(404)
    await acme.app.world.save('neighbour', {})
    expect((await get(`${BASE_URL}/acme/neighbour/renewal-info/${certId}`)).status).toBe(404)
    expect((await get(`${BASE_URL}/acme/nobody/renewal-info/${certId}`)).status).toBe(404)
  })

  it('a revoked certificate should have been renewed already', async () => {
    const issued = await issue(acme.app, ['revoked.localhost'])
    const { client, der } = issued
    expectStatus(await client.post(client.directory.revokeCert ?? '', { certificate: der.toString('base64url') }), 200)
    const { suggestedWindow } = await windowOf(issued)
    expect(Date.parse(suggestedWindow.end)).toBeLessThanOrEqual(now())
    expect(Date.parse(suggestedWindow.start)).toBeLessThan(Date.parse(suggestedWindow.end))
  })

  describe('a window set by an administrator', () => {
    const soon = () => ({ start: new Date(now() - hour), end: new Date(now() + hour) })
    const shown = ({ start, end }: { start: Date; end: Date }) => ({
      start: text(start.getTime()),
      end: text(end.getTime()),
    })

    it('holds for the certificates named, with the page that explains it, until it is removed', async () => {
      const [one, other] = [await issue(acme.app, ['one.localhost']), await issue(acme.app, ['other.localhost'])]
      const before = await windowOf(one)
      const window = soon()
      const explanationUrl = 'https://status.test/incident/7'
      const { admin } = people.as(people.chief)
      const certificates = [{ serial: one.serial }]
      const [view] = await admin.setRenewalWindow({ certificates, ...window, explanationUrl })
      expect(view).toMatchObject({ serial: one.serial, authority: 'issuing', profile: 'default', explanationUrl })
      expect(await windowOf(one)).toEqual({ suggestedWindow: shown(window), explanationURL: explanationUrl })
      expect(await windowOf(other)).toEqual(before)
      const [audit] = await audited(acme.app.world, 'renewal_window.set')
      expect(audit).toMatchObject({ subject_kind: 'certificate', actor: { name: 'chief' } })
      await admin.removeRenewalWindow(view?.id ?? 0)
      expect(await windowOf(one)).toEqual(before)
      expect(await audited(acme.app.world, 'renewal_window.removed')).toHaveLength(1)
    })

    it('holds for a profile, an authority or all; what is issued afterwards keeps its own; the newest counts', async () => {
      await acme.app.world.save('incident', {})
      const [here, there] = [
        await issue(acme.app, ['here.localhost'], { profile: 'incident' }),
        await issue(acme.app, ['there.localhost']),
      ]
      const ordinary = await windowOf(there)
      const { admin } = people.operator
      const first = soon()
      const made = await admin.setRenewalWindow({ profile: 'incident', ...first })
      expect((await windowOf(here, 'incident')).suggestedWindow).toEqual(shown(first))
      expect(await windowOf(there)).toEqual(ordinary)
      acme.app.world.time.pass(2 * hour)
      const later = await issue(acme.app, ['later.localhost'], { profile: 'incident' })
      expect(Date.parse((await windowOf(later, 'incident')).suggestedWindow.start)).toBeGreaterThan(now() + 24 * hour)
      const [second, third] = [soon(), { start: new Date(now()), end: new Date(now() + 5 * hour) }]
      made.push(...(await admin.setRenewalWindow({ authority: 'issuing', ...second })))
      expect((await windowOf(later, 'incident')).suggestedWindow).toEqual(shown(second))
      made.push(...(await admin.setRenewalWindow({ all: true, ...third, issuedBefore: new Date(now() - hour) })))
      expect((await windowOf(there)).suggestedWindow).toEqual(shown(third))
      expect((await windowOf(later, 'incident')).suggestedWindow).toEqual(shown(second))
      for (const { id } of made) await admin.removeRenewalWindow(id)
    })

    it('section 4.2: never ends before it starts: cut at the end of the certificate, left aside when it begins later', async () => {
      const issued = await issue(acme.app, ['end.localhost'])
      const ordinary = await windowOf(issued)
      const { notAfter } = readCertificate(issued.der)
      const { admin } = people.operator
      const certificates = [{ serial: issued.serial }]
      const from = (time: number) => ({ start: new Date(time), end: new Date(time + 24 * hour) })
      await admin.setRenewalWindow({ certificates, ...from(notAfter.getTime()) })
      expect(await windowOf(issued)).toEqual(ordinary)
      await admin.setRenewalWindow({ certificates, ...from(notAfter.getTime() - hour) })
      expect((await windowOf(issued)).suggestedWindow.end).toBe(text(notAfter.getTime()))
    })

    it.each([
      ['without a choice', {}],
      ['with two choices', { all: true, profile: 'default' }],
      ['with serial numbers and a profile', { certificates: [{ serial: '01' }], profile: 'default' }],
      ['with no certificate', { certificates: [] }],
    ])('%s is refused', async (_, choice) => {
      const draft = { ...choice, start: new Date(0), end: new Date(hour) }
      await expect(people.operator.admin.setRenewalWindow(draft)).rejects.toMatchObject(failure('malformed'))
    })

    it('is refused when it does not end after its start, to the second, or explains by something else than a page', async () => {
      const { admin } = people.operator
      const at = (start: number, end: number) => ({ all: true, start: new Date(start), end: new Date(end) })
      for (const draft of [at(1000, 1000), at(1000, 0), at(1000, 1999)])
        await expect(admin.setRenewalWindow(draft)).rejects.toMatchObject(failure('malformed', /end after its start/))
      const draft = { ...at(0, hour), explanationUrl: 'javascript:alert(1)' }
      await expect(admin.setRenewalWindow(draft)).rejects.toMatchObject(failure('malformed', /URL/))
    })

    it('takes manage, or an administrator; other organizations see nothing of it', async () => {
      const { serial } = await issue(acme.app, ['rights.localhost'])
      const window = soon()
      const [alice, stranger, chief] = [people.alice, people.stranger, people.chief].map(
        (user) => people.as(user).admin,
      )
      for (const choice of [{ profile: 'default' }, { authority: 'issuing' }, { certificates: [{ serial }] }]) {
        await expect(alice?.setRenewalWindow({ ...choice, ...window })).rejects.toMatchObject(failure('forbidden'))
        await expect(stranger?.setRenewalWindow({ ...choice, ...window })).rejects.toMatchObject(failure('notFound'))
      }
      await expect(alice?.setRenewalWindow({ all: true, ...window })).rejects.toMatchObject(failure('forbidden'))
      const [all] = (await stranger?.setRenewalWindow({ all: true, ...window })) ?? []
      expect(all).toMatchObject({ organization: 'elsewhere' })
      await expect(chief?.removeRenewalWindow(all?.id ?? 0)).rejects.toMatchObject(failure('notFound'))
      expect(((await chief?.renewalWindows()) ?? []).map(({ id }) => id)).not.toContain(all?.id)
      await stranger?.removeRenewalWindow(all?.id ?? 0)
      const { id: profileId } = await acme.app.world.profile()
      await people.give(people.alice, 'manage', { profileId })
      const [given] = (await alice?.setRenewalWindow({ profile: 'default', ...window })) ?? []
      await alice?.removeRenewalWindow(given?.id ?? 0)
    })
  })
})

describe('the name of a certificate (RFC 9773 section 4.1)', () => {
  const acme = useAcme(openSqlite)

  it('is read as in appendix A, with the 00 before a high bit', () => {
    expect(readCertId('aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE')).toEqual({
      keyIdentifier: '69885b6b87464041e1b37b847ba0ae2cde01c8d4',
      serial: '87654321',
    })
  })

  it('is one text for each certificate: any other text is malformed, whatever it is', () => {
    const part = fc.oneof(
      fc.string({ maxLength: 40 }),
      fc.uint8Array({ maxLength: 30 }).map((octets) => Buffer.from(octets).toString('base64url')),
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
        const given = parts.join('.')
        try {
          const { keyIdentifier, serial } = readCertId(given)
          const high = Number.parseInt(serial.slice(0, 2), 16) >= 0x80
          const octets = [keyIdentifier, `${high ? '00' : ''}${serial}`].map((hex) => Buffer.from(hex, 'hex'))
          expect(octets.map((each) => each.toString('base64url')).join('.')).toBe(given)
        } catch (error) {
          expect(error).toBeInstanceOf(AcmeError)
          expect(error).toMatchObject({ type: 'malformed', status: 400 })
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('any text in the URL is answered with a problem document', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme' }), async (given) => {
        const url = `${root}/${encodeURIComponent(given)}`
        const { status, headers } = await acme.app.transport({ method: 'GET', url, headers: {} })
        expect([400, 404]).toContain(status)
        expect(headers.get('content-type')).toBe('application/problem+json')
      }),
      { numRuns: 100 },
    )
  })

  it('section 4.2: every lifetime has a window that ends after its start, before the certificate does', () => {
    const times = fc.tuple(fc.integer({ min: 0, max: 4e12 }), fc.integer({ min: 12_000, max: 4e12 }))
    fc.assert(
      fc.property(times, ([from, lifetime]) => {
        const { start, end } = ordinaryWindow({ notBefore: new Date(from), notAfter: new Date(from + lifetime) })
        expect(end.getTime()).toBeGreaterThanOrEqual(start.getTime() + 1000)
        expect(end.getTime()).toBeLessThan(from + lifetime)
        expect(start.getTime() % 1000).toBe(0)
      }),
    )
  })
})
