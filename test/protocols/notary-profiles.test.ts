import { describe, expect, test } from 'vitest'
import type { NotaryTables } from '../../protocols/notary/tables.ts'
import { parsePkcs10 } from '../../src/core/request/csr.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { pemDecode, pemEncode } from '../../src/pki/pem.ts'
import { manualAuthority } from '../helpers/manualAuthority.ts'
import { AUTHORITIES, doorOf, REQUESTS, useNotaryApp } from '../helpers/notaryApp.ts'

const it = useNotaryApp()

const show = (id: number) => it.app.result('GET', `${REQUESTS}/${id}`, { by: it.app.manager })
const sign = (id: number, authority: number, by = it.app.manager) =>
  it.app.call('POST', `${REQUESTS}/${id}/sign`, { by, body: { certificate_authority_id: String(authority) } })
const byManagers = {
  issue: [{ name: 'managers', require: [{ roles: ['notary-certificate-manager'] }] }],
}
const authority = async (name: string) => {
  const body = { self_signed: true, common_name: name }
  return (await it.app.result('POST', AUTHORITIES, { by: it.app.manager, body })).id as number
}
const profileOf = async (id: number) => (await (await doorOf(it.app, 'admin')).list.request(id)).profile

describe('the profile of a request', () => {
  test('is default, of several', async () => {
    await it.app.world.save('another', { protocols: { notary: {} } })
    expect(await profileOf(await it.app.request('default.test'))).toBe('default')
  })

  test('is the one that receives, if one does', async () => {
    await it.app.world.save('inbox', { protocols: { notary: { receives: true } } })
    expect(await profileOf(await it.app.request('inbox.test'))).toBe('inbox')
    await it.app.world.save('inbox', { protocols: { acme: {} } })
    expect(await profileOf(await it.app.request('outbox.test'))).toBe('default')
  })

  test('of several of one authority must be said', async () => {
    const id = await authority('Doubtful CA')
    const change = { authority: id, rules: byManagers }
    await it.app.world.save('second-profile', { ...change, protocols: { notary: {} } })
    const request = await it.app.request('doubtful.test')
    expect(await sign(request, id)).toMatchObject({
      status: 422,
      json: { error: expect.stringContaining('set the option "receives"') },
    })
    await it.app.world.save('second-profile', { ...change, protocols: { notary: { receives: true } } })
    expect((await sign(request, id)).status).toBe(202)
    expect((await show(request)).status).toBe('Active')
    await it.app.world.save('second-profile', { ...change, protocols: { acme: {} } })
  })

  test('that would not certify the request leaves it where it is', async () => {
    const id = await authority('Narrow CA')
    const settings = { certificate: { names: { dns: ['**.narrow.test'] } } }
    await it.app.world.save('notary-narrow-ca', {
      authority: id,
      protocols: { notary: {} },
      rules: byManagers,
      settings,
    })
    const request = await it.app.request('wide.test')
    expect(await sign(request, id)).toMatchObject({
      status: 422,
      json: { error: expect.stringContaining('does not certify this request') },
    })
    const denies = { issue: [{ name: 'never', deny: 'not from here' }] }
    await it.app.world.save('notary-narrow-ca', { authority: id, protocols: { notary: {} }, rules: denies })
    expect(await sign(request, id)).toMatchObject({ status: 422, json: { error: expect.stringContaining('not from') } })
    expect((await show(request)).status).toBe('Outstanding')
    expect(await profileOf(request)).toBe('default')
  })

  test('who made it anew, and for what, stands beside the order', async () => {
    const id = await authority('Told CA')
    const request = await it.app.request('told.test')
    await sign(request, id)
    const door = await doorOf(it.app, 'admin')
    const { rows } = await door.list.requests({ kind: 'sign', profile: 'notary-told-ca' })
    expect(rows).toHaveLength(1)
    const { comments, votes } = await door.approvals.review('sign', rows[0]?.id ?? 0)
    expect(comments).toMatchObject([{ user: 'manager@notary.test', text: expect.stringContaining('told-ca') }])
    expect(votes).toMatchObject([{ user: 'manager@notary.test', verdict: 'approve' }])
  })

  test('signs no more for Notary once it does not serve it', async () => {
    const id = await authority('Former CA')
    const request = await it.app.request('former.test')
    await sign(request, id)
    await it.app.world.save('notary-former-ca', { authority: id, protocols: { acme: {} } })
    const path = `${REQUESTS}/${request}/certificate`
    const refused = await it.app.call('DELETE', path, { by: it.app.manager })
    expect(refused).toMatchObject({ status: 422, json: { error: expect.stringContaining('does not serve Notary') } })
    expect((await show(request)).status).toBe('Active')
  })
})

describe('an authority that signs elsewhere', () => {
  test('signs once it is approved and its chain is uploaded: the order is done', async () => {
    const { id, name, ca } = await manualAuthority(it.app.world)
    await it.app.world.save(name, { authority: id, protocols: { notary: {} }, rules: byManagers })
    const request = await it.app.request('manual.test')
    const approved = await sign(request, id)
    expect(approved).toMatchObject({ status: 202, json: { message: expect.stringContaining('will follow') } })
    expect((await sign(request, id)).status).toBe(202)
    const { status, csr } = await show(request)
    expect(status).toBe('Outstanding')
    const { publicKey, identifiers, subject } = parsePkcs10(pemDecode(csr)[0]?.der ?? Buffer.alloc(0))
    const { der } = await ca.issue({ publicKey, identifiers, subject })
    const certificate = pemEncode('CERTIFICATE', der) + ca.certificate
    const taken = await it.app.call('POST', `${REQUESTS}/${request}/certificate`, {
      by: it.app.manager,
      body: { certificate },
    })
    expect(taken.status).toBe(201)
    expect(await show(request)).toMatchObject({ status: 'Active', certificate_chain: certificate })
    const door = await doorOf(it.app, 'admin')
    const { rows } = await door.list.certificates({ search: 'manual.test' })
    expect(rows).toMatchObject([{ authority: name, profile: name }])
  })
})

describe('after a crash', () => {
  test('between an order and its number, the list gives the number', async () => {
    const id = await it.app.request('crash.test')
    await transaction(it.app.world.it.db, (db) =>
      withTables<NotaryTables>(db)
        .updateTable('notary_requests')
        .set({ number: null })
        .where('number', '=', id)
        .execute(),
    )
    expect((await it.app.call('GET', `${REQUESTS}/${id}`, { by: it.app.manager })).status).toBe(404)
    const listed = await it.app.result('GET', REQUESTS, { by: it.app.manager })
    expect(listed.filter((one: { id: number }) => one.id === id)).toHaveLength(1)
    expect(await show(id)).toMatchObject({ id, status: 'Outstanding' })
  })
})
