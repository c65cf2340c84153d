import { randomBytes } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { bits, oid, seq } from '../../src/pki/der.ts'
import { OID } from '../../src/pki/oid.ts'
import { publicKeyFrom } from '../../src/pki/publicKey.ts'
import { auto, leafOf, PASSWORD, useEstApp, waits } from '../helpers/estApp.ts'
import { askKey, keygenRequest, privateKeyOf, readKeyAnswer } from '../helpers/estKeygen.ts'
import { keyPair } from '../helpers/pkiSamples.ts'
import { device } from '../helpers/scepClient.ts'

const entitled = [{ name: 'entitled', when: 'entitled', auto: true }, ...waits]
const rules = { issue: entitled, renew: auto, rekey: auto, revoke: auto }
const client = { certificate: { type: 'client' } }
const minute = 60_000

describe('serverkeygen (RFC 7030 section 4.4)', () => {
  const est = useEstApp()

  beforeAll(async () => {
    const settings = client
    await est.app.save('default', {}, { settings, rules })
    await est.app.save('bound', { channelBinding: 'required' }, { settings, rules })
    await est.app.save('off', { serverkeygen: { serve: false } }, { settings, rules })
    await est.app.save('waiting', {}, { settings, rules: { issue: waits, renew: auto, rekey: auto, revoke: auto } })
    const keys = { rsa: { min: 3072, max: 4096 }, ec: ['P-384'], ed25519: false }
    await est.app.save('strict', {}, { settings: { certificate: { type: 'client', keys } }, rules })
  })

  /** A key for a host by a challenge that is made for it. */
  const keyFor = async (host: string, more: Partial<Parameters<typeof askKey>[1]> = {}) => {
    const { profile = 'default' } = more
    const basic = `x:${await est.app.challenge({ profile, dns: [host] })}`
    return askKey(est.app, { host, basic, ...more })
  }

  const keyRows = () =>
    withTables<CoreTables>(est.app.world.it.db).selectFrom('server_keys').selectAll().orderBy('id').execute()

  describe('the answer (section 4.4.2)', () => {
    it('is multipart/mixed of PKCS #8 and the certificate, in one piece with its length', async () => {
      const answer = await keyFor('plain.example.org')
      const { types, first, certificate } = readKeyAnswer(answer)
      expect(types).toEqual(['application/pkcs8', 'application/pkcs7-mime; smime-type=certs-only'])
      const key = privateKeyOf(first)
      const fields = readCertificate(certificate)
      expect(publicKeyFrom(key).spkiHash).toBe(fields.publicKey.spkiHash)
      expect(fields.identifiers).toEqual([{ type: 'dns', value: 'plain.example.org' }])
      expect(answer.headers['content-length']).toBe(String(answer.body.length))
      expect(answer.headers['transfer-encoding']).toBeUndefined()
      expect(answer.headers['cache-control']).toBe('no-store')
    })

    it('EC11: an RSA request has an RSA key, whose part is longer than the 256 characters that libest wants', async () => {
      const answer = readKeyAnswer(await keyFor('rsa.example.org', { key: keyPair('RSA-2048').privateKey }))
      expect(answer.first.toString('base64').length).toBeGreaterThan(256)
      expect(privateKeyOf(answer.first).asymmetricKeyDetails?.modulusLength).toBe(2048)
    })

    it('EC1: one line for who reads one line', async () => {
      const answer = await keyFor('line.example.org', { userAgent: null })
      const { types } = readKeyAnswer(answer)
      expect(types).toHaveLength(2)
      expect(answer.text).not.toMatch(/[A-Za-z0-9+/]\n[A-Za-z0-9+/]/)
    })
  })

  describe('20: key and signature of the request are ignored (section 4.4.1)', () => {
    it('the request need not be signed, and its key is not certified', async () => {
      const key = keyPair('P-256', 'of the request').privateKey
      const { certificate } = readKeyAnswer(await keyFor('ignored.example.org', { key }))
      expect(readCertificate(certificate).publicKey.spkiHash).not.toBe(publicKeyFrom(key).spkiHash)
      const basic = `x:${await est.app.challenge({ dns: ['ignored2.example.org'] })}`
      const enrolled = await est.app.ask('/simpleenroll', {
        method: 'POST',
        basic,
        body: keygenRequest({ host: 'ignored2.example.org' }).toString('base64'),
        headers: { 'Content-Type': 'application/pkcs10' },
      })
      expect(enrolled.status).toBe(400)
    })

    it.each([
      ['P-384', keyPair('P-384').publicKey, 'P-384'],
      ['Ed25519', keyPair('Ed25519').publicKey, 'Ed25519'],
    ])('%s is answered by the same kind', async (name, publicKey, kind) => {
      const { spki } = publicKeyFrom(publicKey)
      const { certificate } = readKeyAnswer(await keyFor(`${name.toLowerCase()}.example.org`, { spki }))
      const key = readCertificate(certificate).publicKey
      expect(key.curve ?? key.algorithm).toBe(kind)
    })

    it('a key that is none is answered by what the profile takes', async () => {
      const spki = seq(seq(oid('1.2.840.10040.4.1')), bits(Buffer.of(5)))
      const { certificate } = readKeyAnswer(await keyFor('dsa.example.org', { spki }))
      expect(readCertificate(certificate).publicKey.curve).toBe('P-256')
    })

    it('a kind or size that the profile does not take by the next that it takes', async () => {
      const strict = { profile: 'strict' }
      const rsa = readKeyAnswer(await keyFor('s1.example.org', { ...strict, key: keyPair('RSA-2048').privateKey }))
      expect(readCertificate(rsa.certificate).publicKey.size).toBe(3072)
      const ec = readKeyAnswer(await keyFor('s2.example.org', { ...strict, key: keyPair('P-256').privateKey }))
      expect(readCertificate(ec.certificate).publicKey.curve).toBe('P-384')
      const edwards = readKeyAnswer(await keyFor('s3.example.org', { ...strict, key: keyPair('Ed25519').privateKey }))
      expect(readCertificate(edwards.certificate).publicKey.curve).toBe('P-384')
    })
  })

  describe('who may ask', () => {
    it('nobody without a proof of who he is; no key is made for him', async () => {
      const before = await keyRows()
      const answer = await askKey(est.app, { host: 'nobody.example.org' })
      expect({ status: answer.status, wants: answer.headers['www-authenticate'] }).toEqual({
        status: 401,
        wants: 'Basic realm="countersign"',
      })
      expect((await askKey(est.app, { host: 'nobody.example.org', basic: 'x:wrong' })).status).toBe(401)
      const other = `x:${await est.app.challenge({ dns: ['mine.example.org'] })}`
      expect((await askKey(est.app, { host: 'yours.example.org', basic: other })).status).toBe(401)
      const mayNot = await askKey(est.app, { host: 'nobody.example.org', basic: `approver:${PASSWORD}` })
      expect({ status: mayNot.status, text: mayNot.text }).toMatchObject({
        status: 403,
        text: expect.stringContaining('create_cert'),
      })
      expect(await keyRows()).toHaveLength(before.length)
    })

    it.each([
      ['by policy', { settings: { certificate: { ...client.certificate, names: { dns: ['.elsewhere'] } } } }, 403],
      ['by a rule', { rules: { ...rules, issue: [{ name: 'x', when: 'true', deny: 'not here' }] } }, 403],
    ])('nobody who is refused %s whatever the key is; none is made for him', async (by, change, status) => {
      const profile = `refusing-${by.replaceAll(' ', '-')}`
      await est.app.save(profile, {}, { settings: client, rules, ...change })
      const before = await keyRows()
      const wishes = { profile, basic: `maker:${PASSWORD}`, host: 'refused.example.org' }
      const answers = [await askKey(est.app, wishes), await askKey(est.app, wishes)]
      expect(answers.map((answer) => answer.status)).toEqual([status, status])
      expect(answers[1]?.text).toBe(answers[0]?.text)
      expect(await keyRows()).toHaveLength(before.length)
      if ('rules' in change) return
      // Once the policy lets it through, the same request gets its key. What a rule has denied stays denied.
      await est.app.save(profile, {}, { settings: client, rules: { ...rules, issue: auto } })
      expect((await askKey(est.app, wishes)).status).toBe(200)
    })

    it('the holder of a certificate: a new key for the same names renews it', async () => {
      const holder = await est.app.enrolled(device('holder', 'P-256'), { dns: ['holder.example.org'] })
      const { certificate } = readKeyAnswer(await askKey(est.app, { host: 'holder.example.org', client: holder }))
      const request = await withTables<CoreTables>(est.app.world.it.db)
        .selectFrom('sign_requests')
        .select(['action', 'renews_id'])
        .where('id', '=', await est.app.newest())
        .executeTakeFirstOrThrow()
      expect(request.action).toBe('rekey')
      expect(request.renews_id).not.toBeNull()
      const fields = readCertificate(certificate)
      const next = {
        key: privateKeyOf(readKeyAnswer(await askKey(est.app, { host: 'holder.example.org', client: holder })).first),
        certificate,
      }
      expect(publicKeyFrom(next.key).spkiHash).toBe(fields.publicKey.spkiHash)
      // It is a certificate as any other: its holder re-enrols with it.
      const again = await est.app.enroll({
        by: next,
        client: next,
        dns: ['holder.example.org'],
        operation: 'simplereenroll',
        subject: { CN: 'holder.example.org' },
      })
      expect(leafOf(again).publicKey.spkiHash).toBe(fields.publicKey.spkiHash)
    })

    it('22: a challengePassword that does not bind the request to its connection is refused; so is none where one is required', async () => {
      const wrong = await keyFor('unbound.example.org', { challenge: randomBytes(12).toString('base64') })
      expect({ status: wrong.status, text: wrong.text }).toMatchObject({
        status: 403,
        text: expect.stringContaining('does not link'),
      })
      const missing = await keyFor('unbound.example.org', { profile: 'bound' })
      expect({ status: missing.status, text: missing.text }).toMatchObject({
        status: 403,
        text: expect.stringContaining('must be linked'),
      })
    })
  })

  describe('20, 18: approval and repetition', () => {
    it('waits with 202, and comes back for the same key: by who asks, names and kind, whatever else changes', async () => {
      const { app } = est
      const wishes = { host: 'waits.example.org', profile: 'waiting', basic: `maker:${PASSWORD}` }
      const first = await askKey(app, wishes)
      expect({ status: first.status, after: first.headers['retry-after'] }).toEqual({ status: 202, after: '300' })
      const count = await app.count()
      expect((await askKey(app, { ...wishes, key: keyPair('P-256', 'another').privateKey })).status).toBe(202)
      expect(await app.count()).toBe(count)
      // Somebody else with the same names has a key of his own.
      const other = `x:${await app.challenge({ profile: 'waiting', dns: ['waits.example.org'] })}`
      expect((await askKey(app, { ...wishes, basic: other })).status).toBe(202)
      expect(await app.count()).toBe(count + 1)
      const [mine, theirs] = (await keyRows()).slice(-2)
      expect(mine?.spki_hash).not.toBe(theirs?.spki_hash)
    })

    it('is handed over when it is approved, to who asked', async () => {
      const { app } = est
      const wishes = { host: 'approved.example.org', profile: 'waiting', basic: `maker:${PASSWORD}` }
      expect((await askKey(app, wishes)).status).toBe(202)
      await app.vote()
      const { first, certificate } = readKeyAnswer(await askKey(app, wishes))
      expect(publicKeyFrom(privateKeyOf(first)).spkiHash).toBe(readCertificate(certificate).publicKey.spkiHash)
    })

    it('a denial is 403 with one line', async () => {
      const { app } = est
      const wishes = { host: 'denied.example.org', profile: 'waiting', basic: `maker:${PASSWORD}` }
      await askKey(app, wishes)
      await app.vote({ verdict: 'deny', reason: 'not this one' })
      const answer = await askKey(app, wishes)
      expect({ status: answer.status, text: answer.text }).toEqual({ status: 403, text: 'not this one\n' })
      expect((await keyRows()).at(-1)?.delivered_at).toBeNull()
    })

    it('a lost answer is given again for ten minutes; a challenge is used once, also then', async () => {
      const { app } = est
      const basic = `x:${await app.challenge({ dns: ['lost.example.org'] })}`
      const wishes = { host: 'lost.example.org', basic }
      const first = readKeyAnswer(await askKey(app, wishes))
      app.world.time.pass(9 * minute)
      expect(readKeyAnswer(await askKey(app, wishes))).toEqual(first)
      app.world.time.pass(2 * minute)
      expect((await askKey(app, wishes)).status).toBe(401)
      const fresh = readKeyAnswer(await keyFor('lost.example.org'))
      expect(fresh.first).not.toEqual(first.first)
    })

    it('of many at once one certificate comes', async () => {
      const { app } = est
      const basic = `x:${await app.challenge({ dns: ['many.example.org'] })}`
      const before = await app.count()
      const answers = await Promise.all(
        Array.from({ length: 6 }, () => askKey(app, { host: 'many.example.org', basic })),
      )
      const keys = answers
        .filter(({ status }) => status === 200)
        .map((answer) => readKeyAnswer(answer).certificate.toString('hex'))
      expect(new Set(keys).size).toBe(1)
      expect(answers.every(({ status }) => status === 200 || status === 202)).toBe(true)
      expect(await app.count()).toBe(before + 1)
    })
  })

  describe('what is refused', () => {
    const post = (body: string, headers: Record<string, string> = { 'Content-Type': 'application/pkcs10' }) =>
      est.app.ask('/serverkeygen', { method: 'POST', basic: `maker:${PASSWORD}`, body, headers })

    it('19: other media types, what is no request, and GET', async () => {
      expect((await post('AAAA', { 'Content-Type': 'application/json' })).status).toBe(415)
      for (const body of ['', 'AAAA', '!!!', Buffer.from('30820000', 'hex').toString('base64')])
        expect((await post(body)).status).toBe(400)
      expect((await est.app.ask('/serverkeygen')).status).toBe(405)
    })

    it('a profile that makes no keys answers 501', async () => {
      const answer = await keyFor('off.example.org', { profile: 'off' })
      expect({ status: answer.status, type: answer.headers['content-type'] }).toEqual({
        status: 501,
        type: 'text/plain; charset=utf-8',
      })
    })

    it('an extension that the profile does not issue is refused as in any request', async () => {
      const unknown = seq(oid(OID.extensionRequest), seq())
      const answer = await keyFor('odd.example.org', { attributes: [unknown] })
      expect(answer.status).toBe(400)
    })
  })
})
