import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { asRequester } from '../../src/core/identity/identity.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { seq } from '../../src/pki/der.ts'
import { nameOf } from '../../src/pki/name.ts'
import { buildCrmf } from '../helpers/cmc.ts'
import { statusOf, useCmpApp } from '../helpers/cmpApp.ts'
import { cmpMessage, readCmpReply, revReq } from '../helpers/cmpClient.ts'
import { ecKey } from '../helpers/csrs.ts'

const used = useCmpApp()

describe('messages that somebody sends again', () => {
  it('the order of a registration authority is no new one at another profile', async () => {
    const { app } = used
    await app.save('ra', {}, { settings: { certificate: { type: 'registration_authority' } } })
    const by = await app.enrolled('rara.example', { profile: 'ra' })
    const [subject, identifiers] = [nameOf({ CN: 'x.example' }), [{ type: 'dns', value: 'x.example' }] as const]
    const content = seq(buildCrmf({ id: 0, subject, identifiers: [...identifiers] }))
    const message = cmpMessage({ type: 'ir', content, by })
    const send = async (profile: string) => readCmpReply((await app.post(message, `/cmp/${profile}`)).body)
    const first = await send('default')
    expect(first).toMatchObject({ status: 'accepted' })
    const before = await app.count()
    // As a certificate of this profile it would make the device a registration authority.
    expect((await send('ra')).certificate).toEqual(first.certificate)
    expect(await app.count()).toBe(before)
  })

  it('an rr that met a hold does not hold anew once that is lifted', async () => {
    const { app } = used
    const by = await app.enrolled('held.example')
    const content = revReq(by.certificate, 6)
    expect(await app.send({ type: 'rr', content, by })).toMatchObject({ status: 'accepted' })
    const second = cmpMessage({ type: 'rr', content, by })
    const send = async () => readCmpReply((await app.post(second)).body)
    expect(await send()).toMatchObject({ type: 'rp', failInfo: 'certRevoked' })
    const door = app.world.core.as(asRequester(app.maker))
    const { serial } = readCertificate(by.certificate)
    const certificate = await door.findCertificate({ serial, authority: 'issuing' })
    await door.unhold({ certificate: certificate?.id ?? 0, protocol: 'console' })
    expect(await send()).toMatchObject({ type: 'rp', status: 'rejection', failInfo: 'badRequest' })
    expect(await statusOf(app, by.certificate)).toBe('issued')
  })

  it('of what is known already, only so many more transactions are kept', async () => {
    const { app } = used
    const by = await app.enrolled('often.example')
    const content = revReq(by.certificate, 1)
    for (let i = 0; i < 101; i++) await app.send({ type: 'rr', content, by })
    expect(await app.send({ type: 'rr', content, by })).toMatchObject({ type: 'rp', failInfo: 'systemUnavail' })
  })

  it('the same key and subject with other names is another request', async () => {
    const { app } = used
    const sent = { mac: await app.secret(), transactionId: randomBytes(16) }
    const request = { key: ecKey(), subject: nameOf({ CN: 'one.example' }) }
    expect(await app.ir({ dns: 'one.example', ...request }, sent)).toMatchObject({ status: 'waiting' })
    const other = await app.ir({ dns: 'two.example', ...request }, sent)
    expect(other).toMatchObject({ type: 'error', failInfo: 'transactionIdInUse' })
  })
})
