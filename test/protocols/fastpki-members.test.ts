import { describe, expect, it } from 'vitest'
import { doorOf, everything, type Person, server, settings, useFastpkiApp } from '../helpers/fastpkiApp.ts'
import { acmeAccount, newCsr } from '../helpers/world.ts'

const used = useFastpkiApp()

describe('certificates of the organization', () => {
  it('are seen by every member of the organization over this contract, and nothing more comes with it', async () => {
    const { app } = used
    const { json } = await app.call('post', `/certificates/?ca_id=${app.ca}`, { body: server('seen.test') })
    const by = await app.person('bare-member')
    const get = async (path: string, who: Person | string = by) => (await app.call('get', path, { by: who })).status
    const newest = async (who: Person | string = by) =>
      (await app.call('get', '/certificates/?limit=1', { by: who })).json[0]?.id
    expect(await newest()).toBe(json.id)
    for (const path of ['certificates/ID', 'export/certificate/ID', 'export/certificate/ID/chain'])
      expect([path, await get(`/${path.replace('ID', json.id)}`)]).toEqual([path, 200])
    expect(await get(`/certificates/${json.id}/private-key`)).toBe(403)
    // Elsewhere he reads what he read before, and a limited token what it is limited to.
    await expect(doorOf(app, by).list.record(json.id)).rejects.toThrow('no such certificate')
    expect((await doorOf(app, by).list.certificates({})).rows).toEqual([])
    const limited = await app.token(by, { capabilities: ['read'] })
    expect([await newest(limited), await get(`/certificates/${json.id}`, limited)]).toEqual([undefined, 404])
    // Who runs the profile may have it otherwise.
    await app.save('shop', { options: { membersRead: false } })
    expect([await newest(), await get(`/certificates/${json.id}`)]).toEqual([undefined, 404])
    await app.save('shop')
  })

  it('that wait are not seen by members, nor what other profiles certify', async () => {
    const { app } = used
    const by = await app.person('waiting-member')
    const rules = { ...everything, issue: [{ name: 'a person looks', require: [{ owner: true }] }] } as const
    await app.save('shop', { rules })
    const waiting = await app.call('post', `/certificates/?ca_id=${app.ca}`, { body: server('waits.test') })
    await app.save('shop')
    expect(waiting.status).toBe(202)
    expect((await app.call('get', `/certificates/${waiting.json.id}`, { by })).status).toBe(404)
    await app.save('other', { protocols: { fastpki: undefined } })
    const csr = await newCsr(['inner.test'])
    const profile = await app.world.profile('other')
    const draft = { profile, protocol: 'acme', action: 'issue', csr, refusal: 'throw' } as const
    const { request } = await app.world.core.as(acmeAccount()).sign({ ...draft, identifiers: csr.identifiers })
    expect(request.status).toBe('signed')
    expect((await app.call('get', `/certificates/${request.id}`, { by })).status).toBe(404)
    const { json: listed } = await app.call('get', '/certificates/', { by })
    expect(listed.map(({ id }: { id: number }) => id)).not.toContain(request.id)
  })
})

describe('certificates of CAs', () => {
  it('are not had by editing an order that waits', async () => {
    const { app } = used
    const variants = { ...settings.variants, sub: { description: 'below', type: 'ca', pathLength: 0 } }
    const rules = { ...everything, issue: [{ name: 'a person looks', require: [{ owner: true }] }] } as const
    await app.save('shop', { rules, settings: { ...settings, variants } })
    const { json } = await app.call('post', `/certificates/?ca_id=${app.ca}`, { body: server('edited.test') })
    const editing = doorOf(app, app.operator).revise(json.id, { variant: 'sub' })
    await expect(editing).rejects.toThrow(/create_ca/)
    await doorOf(app, app.operator).revise(json.id, { variant: 'dual' })
    await app.save('shop')
  })
})
