import { beforeAll, describe, expect, it } from 'vitest'
import { revocationReasons } from '../../protocols/ra/revoke.ts'
import { readCrl } from '../../src/pki/crlReader.ts'
import type { Csr } from '../../src/pki/csr.ts'
import { manualAuthority } from '../helpers/manualAuthority.ts'
import { auto, doorOf, type Person, type Place, useRaApp } from '../helpers/raApp.ts'
import { newCsr } from '../helpers/world.ts'

/** What an administrator of requests is shown and may do, over REST. */

const used = useRaApp()
const BASE = '/v1/countersign'
const owner = [{ name: 'the owner looks', require: [{ owner: true }] }]
let manager: Person
let asked: Place
let elsewhere: Place
/** What the authority elsewhere has signed. */
let upload: (uuid: string, csr: Csr) => Promise<void>

beforeAll(async () => {
  const { app } = used
  manager = await app.person('manager', { capabilities: ['manage', 'read'] })
  const rules = { issue: owner, renew: [], rekey: [], revoke: owner, export: [] }
  asked = await app.save('asked', { rules })
  const manual = await manualAuthority(app.world)
  await app.save('elsewhere', { authority: manual.id, rules: { ...rules, issue: auto } })
  const path = `/v2/operations/authorities/${manual.name}/raProfiles/elsewhere`
  elsewhere = { ...asked, path }
  upload = async (uuid, csr) => {
    const { der } = await manual.ca.issue({
      publicKey: csr.publicKey,
      identifiers: csr.identifiers,
      subject: csr.subject,
    })
    await doorOf(app, manager).upload(uuid, [der])
  }
  await doorOf(app, app.admin).admin.changeAuthority('issuing', { owner: 'approver' })
  await doorOf(app, app.admin).admin.changeAuthority(manual.name, { owner: 'approver' })
})

async function order(name: string, place: Place = used.app.place): Promise<string> {
  return (await ordered(name, place)).uuid
}

async function ordered(name: string, { path }: Place): Promise<{ uuid: string; csr: Csr }> {
  const csr = await newCsr([name], { subject: { CN: name } })
  const body = { request: csr.der.toString('base64'), attributes: [] }
  const { status, json } = await used.app.call('post', `${path}/certificates`, { body })
  expect(status).toBe(200)
  return { uuid: json.uuid, csr }
}
const revoke = (uuid: string, reason: string, { path }: Place = used.app.place) =>
  used.app.call('post', `${path}/certificates/${uuid}/revoke`, { body: { reason, attributes: [] } })
const stateOf = async (uuid: string) => (await used.app.call('get', `/v1/certificates/${uuid}`)).json.state

type Kind = 'signRequests' | 'revokeRequests'
const show = async (kind: Kind, uuid: string) => (await used.app.call('get', `${BASE}/${kind}/${uuid}`)).json
const move = (kind: Kind, uuid: string, verb: string, body?: object, by = used.app.operator) =>
  used.app.call('post', `${BASE}/${kind}/${uuid}/${verb}`, { by, body })
const listed = async (kind: Kind, status: string): Promise<{ uuid: string }[]> =>
  (await used.app.call('get', `${BASE}/${kind}?status=${status}`)).json.requests

async function vote(kind: Kind, uuid: string, verdict: 'approve' | 'deny') {
  const { review } = await show(kind, uuid)
  const { json } = await move(kind, uuid, verdict, { hash: review.hash, reason: 'seen' }, used.app.approver)
  return json
}

/** The newest order to revoke, which waits. */
async function revocation(name: string, place: Place): Promise<{ certificate: string; uuid: string }> {
  const { uuid: certificate, csr } = await ordered(name, place)
  if (place === asked) await vote('signRequests', certificate, 'approve')
  else await upload(certificate, csr)
  expect((await revoke(certificate, 'superseded', place)).status).toBe(204)
  const [newest] = await listed('revokeRequests', 'requested')
  return { certificate, uuid: newest?.uuid ?? '' }
}

describe('reasons for a revocation', () => {
  const codes = [0, 1, 2, 3, 4, 5, 6, 9, 10]
  it.each(revocationReasons.map((reason, at) => [reason, codes[at] ?? 0] as const))(
    '%s is taken, and stands on the CRL as %i',
    async (reason, code) => {
      const { app } = used
      const uuid = await order(`${reason.toLowerCase()}.test`)
      expect((await revoke(uuid, reason)).status).toBe(204)
      const { serialNumber } = (await app.call('get', `/v1/certificates/${uuid}`)).json
      const { der } = await doorOf(app, app.operator).crl({ authority: 'issuing' })
      const entry = readCrl(der).entries.find(({ serial }) => serial === serialNumber)
      // RFC 5280 section 5.3.1: instead of 0 it is left out.
      expect([entry?.serial, entry?.reason ?? 0]).toEqual([serialNumber, code])
    },
  )
})

describe('lists and details of requests', () => {
  it('show who asked for which names, when and from where, the authority, how long, and who decides', async () => {
    const { app } = used
    const uuid = await order('shown.test', asked)
    const row = {
      kind: 'sign',
      uuid,
      status: 'requested',
      protocol: 'ra',
      profile: 'asked',
      names: ['shown.test'],
      requester: 'operator',
      source: '192.0.2.7',
      createdAt: app.world.time.now.toISOString(),
    }
    expect(await listed('signRequests', 'requested')).toContainEqual(expect.objectContaining(row))
    expect(await show('signRequests', uuid)).toMatchObject({
      ...row,
      authority: 'issuing',
      wanted: { subject: 'CN=shown.test', identifiers: [{ type: 'dns', value: 'shown.test' }], validity: 90 * 86_400 },
      review: { steps: [{ owner: true, quorum: 1 }], mayApprove: ['approver'] },
    })
  })

  it('show what is to be revoked, why, who asked and when', async () => {
    const { certificate, uuid } = await revocation('going.test', asked)
    const row = { kind: 'revoke', status: 'requested', names: ['going.test'], requester: 'operator' }
    const createdAt = used.app.world.time.now.toISOString()
    expect(await listed('revokeRequests', 'requested')).toContainEqual(
      expect.objectContaining({ ...row, uuid, createdAt }),
    )
    const shown = await show('revokeRequests', uuid)
    expect(shown).toMatchObject({ ...row, code: 'superseded', authority: 'issuing', certificate: { status: 'issued' } })
    expect(await stateOf(certificate)).toBe('pending_approval')
  })
})

describe('requests by hand', () => {
  it('to sign: given up by who manages, not by who asked, and tried again', async () => {
    const uuid = await order('stuck.test', elsewhere)
    expect((await move('signRequests', uuid, 'retry')).json).toEqual({ status: 'signing' })
    const reason = { reason: 'no answer' }
    expect((await move('signRequests', uuid, 'markFailed', reason)).status).toBe(403)
    expect((await move('signRequests', uuid, 'markFailed', {}, manager)).status).toBe(422)
    expect((await move('signRequests', uuid, 'markFailed', reason, manager)).status).toBe(204)
    expect(await show('signRequests', uuid)).toMatchObject({ status: 'failed', reason: 'no answer' })
    expect(await stateOf(uuid)).toBe('failed')
    expect((await move('signRequests', uuid, 'retry', undefined, used.app.stranger)).status).toBe(404)
    expect((await move('signRequests', uuid, 'retry', undefined, manager)).json).toEqual({ status: 'signing' })
    expect(await stateOf(uuid)).toBe('pending_issue')
  })

  it('to revoke: approved they are under way or done; under way they are tried again, or given up', async () => {
    const done = await revocation('done.test', asked)
    expect(await vote('revokeRequests', done.uuid, 'approve')).toEqual({ status: 'revoked' })
    expect(await stateOf(done.certificate)).toBe('revoked')
    expect((await move('revokeRequests', done.uuid, 'retry', undefined, manager)).status).toBe(409)
    const { certificate, uuid } = await revocation('slow.test', elsewhere)
    expect(await vote('revokeRequests', uuid, 'approve')).toEqual({ status: 'revoking' })
    expect(await listed('revokeRequests', 'revoking')).toMatchObject([{ uuid }])
    expect(await stateOf(certificate)).toBe('pending_revoke')
    expect((await move('revokeRequests', uuid, 'retry')).json).toEqual({ status: 'revoking' })
    expect((await move('revokeRequests', uuid, 'markFailed', { reason: 'no answer' })).status).toBe(403)
    expect((await move('revokeRequests', uuid, 'markFailed', { reason: 'no answer' }, manager)).status).toBe(204)
    expect([(await show('revokeRequests', uuid)).status, await stateOf(certificate)]).toEqual(['failed', 'issued'])
    expect((await move('revokeRequests', uuid, 'retry', undefined, manager)).json).toEqual({ status: 'revoking' })
  })

  it('to revoke: denied or withdrawn they leave the certificate as it was', async () => {
    const denied = await revocation('denied.test', asked)
    expect(await vote('revokeRequests', denied.uuid, 'deny')).toEqual({ status: 'denied' })
    const canceled = await revocation('canceled.test', asked)
    expect((await move('revokeRequests', canceled.uuid, 'cancel', undefined, used.app.approver)).status).toBe(403)
    expect((await move('revokeRequests', canceled.uuid, 'cancel')).status).toBe(204)
    for (const [{ certificate, uuid }, status] of [
      [denied, 'denied'],
      [canceled, 'canceled'],
    ] as const) {
      expect(await show('revokeRequests', uuid)).toMatchObject({ status })
      expect(await stateOf(certificate)).toBe('issued')
      expect((await move('revokeRequests', uuid, 'cancel')).status).toBe(409)
    }
  })
})
