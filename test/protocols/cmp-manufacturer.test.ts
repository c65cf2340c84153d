import { randomBytes } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { seq } from '../../src/pki/der.ts'
import { nameOf } from '../../src/pki/name.ts'
import { buildCrmf } from '../helpers/cmc.ts'
import { auto, useCmpApp, waits } from '../helpers/cmpApp.ts'
import { certConf, revReq } from '../helpers/cmpClient.ts'
import type { Party } from '../helpers/cms.ts'
import { ecKey } from '../helpers/csrs.ts'
import { type ForeignCa, foreignCa } from '../helpers/foreignCa.ts'
import { until } from '../helpers/until.ts'

const used = useCmpApp()

describe('RFC 9483 section 4.1.1: an order by the certificate of a manufacturer', () => {
  let maker: ForeignCa
  let crl: Buffer
  let web: Server

  beforeAll(async () => {
    const { app } = used
    maker = await foreignCa(app.world.time.now, { name: 'Acme Root' })
    crl = await maker.crl()
    web = createServer((_, response) => response.end(crl)).listen(0, '127.0.0.1')
    await new Promise((resolve) => web.once('listening', resolve))
    const crlUrls = [`http://127.0.0.1:${(web.address() as AddressInfo).port}/acme.crl`]
    const anchor = { name: 'Acme', certificates: maker.certificate, crlUrls }
    const entitled = [{ name: 'entitled', when: 'entitled', auto: true }, ...waits]
    const rules = { issue: entitled, renew: auto, rekey: auto, revoke: auto, export: [] }
    const settings = { certificate: { type: 'client', subject: { serialNumber: '{csr.serialNumber}' } } }
    await app.save('acme', { trustAnchors: [anchor] }, { settings, rules })
  })
  afterAll(() => new Promise((resolve) => web.close(resolve)))

  const born = (serialNumber: string) => nameOf({ O: 'Acme', serialNumber })
  async function idevid(serialNumber: string, draft: object = {}): Promise<Party> {
    const given = { subject: born(serialNumber), identifiers: [], type: 'client', ...draft } as const
    const { der, key } = await maker.issue(given)
    return { certificate: der, key }
  }
  const ir = (by: Party, serialNumber: string, more = {}) => {
    const request = buildCrmf({ id: 0, key: ecKey(), subject: nameOf({ serialNumber }) })
    return used.app.send({ type: 'ir', content: seq(request), by, profile: 'acme', ...more })
  }

  it('for what is in it, at once; confirmed, and revoked by who ordered it', async () => {
    const { app } = used
    const by = await idevid('A-1')
    const transactionId = randomBytes(16)
    const ip = await ir(by, 'A-1', { transactionId })
    expect(ip).toMatchObject({ type: 'ip', status: 'accepted', protectedBy: 'signature', caPubs: [] })
    const certificate = ip.certificate ?? Buffer.alloc(0)
    const recipNonce = ip.header.senderNonce ?? Buffer.alloc(0)
    const sent = { by, transactionId, recipNonce, profile: 'acme' }
    expect(await app.send({ type: 'certConf', content: certConf(certificate), ...sent })).toMatchObject({
      type: 'pkiconf',
    })
    const other = await idevid('A-2')
    const rr = (by: Party) => app.send({ type: 'rr', content: revReq(certificate, 4), by, profile: 'acme' })
    expect(await rr(other)).toMatchObject({ type: 'rp', failInfo: 'notAuthorized' })
    expect(await rr(by)).toMatchObject({ type: 'rp', status: 'accepted' })
  })

  it('for anything else a person looks; a kur is for certificates of ours', async () => {
    const by = await idevid('A-3')
    expect(await ir(by, 'A-4')).toMatchObject({ type: 'ip', status: 'waiting' })
    expect(await ir(by, 'A-3', { type: 'kur' })).toMatchObject({ type: 'kup', failInfo: 'notAuthorized' })
  })

  it('not by another maker, in another profile, by another key, for signatures that it is not for, nor when it was revoked', async () => {
    const { app } = used
    const untrusted = { type: 'error', status: 'rejection', failInfo: 'signerNotTrusted' }
    const by = await idevid('A-5')
    expect(await ir(by, 'A-5', { profile: 'default' })).toMatchObject(untrusted)
    const stranger = await foreignCa(app.world.time.now, { name: 'Acme Root' })
    const { der, key } = await stranger.issue({ subject: born('A-5'), identifiers: [], type: 'client' })
    expect(await ir({ certificate: der, key }, 'A-5')).toMatchObject(untrusted)
    expect(await ir({ certificate: by.certificate, key: ecKey() }, 'A-5')).toMatchObject({
      failInfo: 'badMessageCheck',
    })
    const agrees = await idevid('A-6', { keyUsage: ['keyAgreement'] })
    expect(await ir(agrees, 'A-6')).toMatchObject(untrusted)
    app.world.time.pass(86_400_000)
    const { serial } = readCertificate(by.certificate)
    crl = await maker.crl({ entries: [{ serial, revokedAt: app.world.time.now }] })
    // While there is one, nobody waits for a newer.
    const refused = await until('the newer CRL', async () => {
      const reply = await ir(by, 'A-5')
      return reply.type === 'error' ? reply : undefined
    })
    expect(refused).toMatchObject({ ...untrusted, text: expect.stringContaining('is revoked') })
  })
})
