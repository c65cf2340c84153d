import { describe, expect, test } from 'vitest'
import type { NotaryTables } from '../../protocols/notary/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { pemDecode, pemEncode } from '../../src/pki/pem.ts'
import { doorOf, REQUESTS, useNotaryApp } from '../helpers/notaryApp.ts'
import { csrOf, device } from '../helpers/scepClient.ts'

const it = useNotaryApp()

const one = (id: number, more = '') => `${REQUESTS}/${id}${more}`
const show = (id: number, by = it.app.manager) => it.app.result('GET', one(id), { by })
const sign = (id: number, by = it.app.admin, authority: unknown = String(it.app.issuing)) =>
  it.app.call('POST', one(id, '/sign'), { by, body: { certificate_authority_id: authority } })

describe('certificate requests', () => {
  test('are created, shown and listed as Outstanding, in all three envelopes', async () => {
    const csr = await it.app.csr('created.test')
    const made = await it.app.call('POST', REQUESTS, { by: it.app.requestor, body: { csr } })
    expect(made.status).toBe(201)
    const { id } = made.json.result
    expect(made.json).toEqual({ result: { message: 'success', id }, data: { id }, message: 'success' })
    const shown = await it.app.call('GET', one(id), { by: it.app.requestor })
    const view = { id, csr, certificate_chain: '', status: 'Outstanding', email: 'requestor@notary.test' }
    expect(shown.json).toEqual({ result: view, data: view })
    const listed = await it.app.result('GET', REQUESTS, { by: it.app.reader })
    expect(listed).toContainEqual(view)
  })

  test('are an order of the core that waits for a person, told by the contract that it came over', async () => {
    const id = await it.app.request('waits.test')
    const door = await doorOf(it.app, 'admin')
    expect(await door.list.request(id)).toMatchObject({
      status: 'requested',
      protocol: 'notary',
      profile: 'default',
      requester: 'requestor@notary.test',
      source: '192.0.2.7',
      names: ['waits.test'],
    })
    const [first] = await door.list.history(id)
    expect(first).toMatchObject({ action: 'sign_request.requested', details: { protocol: 'notary' } })
  })

  test('a requestor sees his own only, and is told so of others’', async () => {
    const other = await it.app.account('other@notary.test', 2)
    const own = await it.app.request('own.test', other)
    const others = await it.app.request('others.test')
    const listed = await it.app.result('GET', REQUESTS, { by: other })
    expect(listed.map((each: { id: number }) => each.id)).toEqual([own])
    const refused = await it.app.call('GET', one(others), { by: other })
    expect(refused.status).toBe(403)
    expect(refused.json.message).toContain('Access denied')
  })

  test('a requestor sees his own, however many others came after, and also one of a node of the version before', async () => {
    const other = await it.app.account('behind@notary.test', 2)
    const own = [await it.app.request('behind.test', other), await it.app.request('before.test', other)]
    const { db } = it.app.host
    const tables = () => withTables<NotaryTables>(db)
    const { ref: _, ...row } = await tables()
      .selectFrom('notary_requests')
      .selectAll()
      .where('number', '=', own[0] ?? 0)
      .executeTakeFirstOrThrow()
    await transaction(db, async (db) => {
      const tables = withTables<NotaryTables>(db)
      await tables
        .updateTable('notary_requests')
        .set({ asker: null })
        .where('number', '=', own[1] ?? 0)
        .execute()
      for (let at = 0; at < 1001; at++) {
        const more = {
          ref: `later-${at}`,
          number: null,
          asker: 1,
          live_hash: `later ${at}`,
          created_at: row.created_at + 1,
        }
        await tables
          .insertInto('notary_requests')
          .values({ ...row, ...more })
          .execute()
      }
    })
    const listed = await it.app.result('GET', REQUESTS, { by: other })
    expect(listed.map((each: { id: number }) => each.id)).toEqual(own)
    await transaction(db, async (db) => {
      await withTables<NotaryTables>(db).deleteFrom('notary_requests').where('ref', 'like', 'later-%').execute()
    })
  })

  test.each([
    ['none', {}, 'invalid request: csr is required'],
    ['an empty one', { csr: '' }, 'invalid request: csr is required'],
    ['a number', { csr: 7 }, 'invalid request: csr is PEM text'],
    ['no PEM', { csr: 'banana' }, 'invalid request: could not decode PEM block'],
    ['control characters', { csr: 'ba\u0000nana' }, 'invalid request: could not decode PEM block'],
    [
      'another block',
      { csr: pemEncode('CERTIFICATE', Buffer.from('3000', 'hex')) },
      "invalid request: expected PEM block type 'CERTIFICATE REQUEST'",
    ],
    [
      'rubbish in it',
      { csr: pemEncode('CERTIFICATE REQUEST', Buffer.from('3000', 'hex')) },
      'invalid request: could not parse CSR',
    ],
  ])('refuses %s for a CSR', async (_, body, error) => {
    const refused = await it.app.call('POST', REQUESTS, { by: it.app.requestor, body })
    expect(refused.status).toBe(400)
    expect(refused.json.error).toContain(error)
  })

  test('refuses a CSR whose signature is wrong', async () => {
    const [block] = pemDecode(await it.app.csr('forged.test'))
    const der = Buffer.from(block?.der ?? [])
    der[der.length - 1] = (der.at(-1) ?? 0) ^ 1
    const body = { csr: pemEncode('CERTIFICATE REQUEST', der) }
    const refused = await it.app.call('POST', REQUESTS, { by: it.app.requestor, body })
    expect(refused).toMatchObject({ status: 400, json: { error: 'csr validation failed' } })
  })

  test('refuses a CSR that is recorded already, until that one is deleted', async () => {
    const body = { csr: await it.app.csr('twice.test') }
    const sent = { by: it.app.requestor, body }
    const { id } = await it.app.result('POST', REQUESTS, sent)
    const refused = await it.app.call('POST', REQUESTS, sent)
    expect(refused).toMatchObject({ status: 400, json: { error: 'given csr already recorded' } })
    await it.app.result('DELETE', one(id), { by: it.app.manager })
    expect((await it.app.call('POST', REQUESTS, sent)).status).toBe(201)
  })

  test('a challenge password in a CSR is a secret: nobody is shown it, and the rest of the order works', async () => {
    const der = csrOf(device('challenge', 'P-256'), { dns: ['challenge.test'], challenge: 'hush-hush' })
    expect(der.includes('hush-hush')).toBe(true)
    const body = { csr: pemEncode('CERTIFICATE REQUEST', der) }
    const { id } = await it.app.result('POST', REQUESTS, { by: it.app.requestor, body })
    const { csr } = await show(id)
    expect(pemDecode(csr)[0]?.der.includes('hush-hush')).toBe(false)
    expect((await sign(id)).status).toBe(202)
    expect((await it.app.call('DELETE', one(id, '/certificate'), { by: it.app.manager })).status).toBe(200)
    expect((await sign(id)).status).toBe(202)
    expect((await show(id)).status).toBe('Active')
    expect((await it.app.call('POST', REQUESTS, { by: it.app.requestor, body })).status).toBe(400)
  })

  test('what policy refuses is Rejected, with the reason', async () => {
    const settings = { certificate: { names: { dns: ['**.inside.test'] } } }
    await it.app.world.save('default', { protocols: { notary: {} }, settings })
    const id = await it.app.request('outside.test')
    expect(await show(id)).toMatchObject({ status: 'Rejected', reason: expect.stringContaining('outside.test') })
    await it.app.world.save('default', { protocols: { notary: {} } })
  })

  test('deleted: withdrawn, and there no more', async () => {
    const id = await it.app.request('deleted.test')
    const gone = await it.app.call('DELETE', one(id), { by: it.app.manager })
    expect(gone).toMatchObject({ status: 202, json: { result: { message: 'success' } } })
    expect((await it.app.call('GET', one(id), { by: it.app.manager })).status).toBe(404)
    expect((await it.app.call('DELETE', one(id), { by: it.app.manager })).status).toBe(404)
    const listed = await it.app.result('GET', REQUESTS, { by: it.app.manager })
    expect(listed.map((each: { id: number }) => each.id)).not.toContain(id)
    expect((await (await doorOf(it.app, 'admin')).list.request(id)).status).toBe('canceled')
  })

  test('rejected, by a vote where the rules ask the caller, else by withdrawing it', async () => {
    const door = await doorOf(it.app, 'admin')
    for (const [by, status] of [
      [it.app.admin, 'denied'],
      [it.app.manager, 'canceled'],
    ] as const) {
      const id = await it.app.request('rejected.test')
      const answer = await it.app.call('POST', one(id, '/reject'), { by })
      expect(answer).toMatchObject({ status: 202, json: { result: { message: 'success' } } })
      expect((await show(id)).status).toBe('Rejected')
      expect((await door.list.request(id)).status).toBe(status)
      expect((await it.app.call('POST', one(id, '/reject'), { by })).status).toBe(422)
      expect((await sign(id)).status).toBe(422)
    }
  })
})
