import { beforeAll, describe, expect, it } from 'vitest'
import { asRequester } from '../../src/core/identity/identity.ts'
import { readCrl } from '../../src/pki/crlReader.ts'
import { parseCsr } from '../../src/pki/csr.ts'
import { nameOf } from '../../src/pki/name.ts'
import { pemDecode } from '../../src/pki/pem.ts'
import { type AlpaconApp, BASE, issued, ordered, type Person, useAlpaconApp, waits } from '../helpers/alpaconApp.ts'
import { manualAuthority } from '../helpers/manualAuthority.ts'

const used = useAlpaconApp()
const ALL = `${BASE}/revoke-requests/`

const doorOf = (app: AlpaconApp, person: Person) => app.world.core.as(asRequester(person))

/** As `revoke create` makes it; answers its id. */
async function asked(certificate: string, reason = 1): Promise<string> {
  const made = await used.app.call('POST', ALL, { body: { certificate, reason } })
  expect(made.status, made.text).toBe(201)
  return made.json.id
}

describe('revoke create', () => {
  it('waits for approval, with the reason as a number and in words', async () => {
    const { app } = used
    const certificate = await issued(app, ['wait.test'])
    const body = { certificate, reason: 4, requested_reason: 'a new one is there' }
    const made = await app.call('POST', ALL, { body })
    expect(made.status).toBe(201)
    expect(made.json).toMatchObject({
      certificate,
      authority: { name: 'issuing', owner: { name: 'admin' } },
      common_name: 'wait.test',
      serial_number: expect.stringMatching(/^[0-9a-f]+$/),
      reason: 4,
      status: 'requested',
      requested_reason: 'a new one is there',
      requested_by: { name: 'operator' },
      approved_by: null,
      denied_by: null,
      error_message: '',
      handled_at: null,
    })
    const again = await app.call('POST', ALL, { body })
    expect(again.json).toMatchObject({ id: made.json.id, requested_reason: 'a new one is there' })
    const { comments } = await doorOf(app, app.operator).approvals.review('revoke', made.json.id)
    expect(comments).toHaveLength(1)
    const other = await app.call('POST', ALL, { by: app.admin, body })
    expect([other.status, other.json.detail]).toEqual([409, expect.stringContaining('is open')])
  })

  it.each([0, 1, 2, 3, 4, 5, 6, 9, 10])('takes the code %i, which the CRL has', async (reason) => {
    const { app } = used
    const certificate = await issued(app, [`code-${reason}.test`])
    const id = await asked(certificate, reason)
    const done = await app.call('POST', `${ALL}${id}/approve/`, { by: app.approver, body: {} })
    expect(done.json).toMatchObject({ reason, status: 'revoked' })
    const { serial_number } = done.json
    const authority = (await app.call('GET', `${BASE}/certificates/${certificate}/`)).json.authority.id
    const { crl_text } = (await app.call('GET', `${BASE}/authorities/${authority}/crl/`)).json
    const [block] = pemDecode(crl_text)
    const entry = readCrl(block?.der ?? Buffer.alloc(0)).entries.find(({ serial }) => serial === serial_number)
    expect(entry?.reason ?? 0).toBe(reason)
  })

  it.each([
    ['a code that there is not', { reason: 7 }, 'reason'],
    ['the code that only a delta CRL has', { reason: 8 }, 'reason'],
    ['a code beyond', { reason: 11 }, 'reason'],
    ['a code that is text', { reason: '1' }, 'reason'],
    ['half a code', { reason: 0.5 }, 'reason'],
    ['a certificate that there is not', { certificate: '01890000-0000-7000-8000-000000000000' }, 'certificate'],
    ['a certificate that is a number', { certificate: 1 }, 'certificate'],
    ['a certificate that is no id', { certificate: "' or 1=1" }, 'certificate'],
    ['words that are a list', { requested_reason: [] }, 'requested_reason'],
  ])('refuses %s by the name of the field', async (_what, wrong, field) => {
    const certificate = await known()
    const refused = await used.app.call('POST', ALL, { body: { certificate, reason: 1, ...wrong } })
    expect([refused.status, Object.keys(refused.json)]).toEqual([400, [field]])
  })

  it('refuses what is revoked already, and an order without a certificate', async () => {
    const { app } = used
    const certificate = await issued(app, ['twice.test'])
    await app.call('POST', `${ALL}${await asked(certificate)}/approve/`, { by: app.approver, body: {} })
    const again = await app.call('POST', ALL, { body: { certificate, reason: 1 } })
    expect([again.status, Object.keys(again.json)]).toEqual([400, ['certificate']])
    const waiting = await app.call('POST', ALL, { body: { certificate: await ordered(app, ['none.test']), reason: 1 } })
    expect([waiting.status, Object.keys(waiting.json)]).toEqual([400, ['certificate']])
  })

  it('does not tell another organization that a certificate is there', async () => {
    const { app } = used
    const body = { certificate: await known(), reason: 1 }
    const refused = await app.call('POST', ALL, { by: app.stranger, body })
    expect(refused.json).toEqual({ certificate: ['There is no such certificate.'] })
  })
})

let one: string | undefined
async function known(): Promise<string> {
  one ??= await issued(used.app, ['known.test'])
  return one
}

describe('approve, deny, retry, cancel', () => {
  it('revoke what somebody else approved, and say who', async () => {
    const { app } = used
    const certificate = await issued(app, ['yes.test'])
    const id = await asked(certificate)
    const own = await app.call('POST', `${ALL}${id}/approve/`, { body: {} })
    expect([own.status, own.json.detail]).toEqual([403, expect.stringContaining('behind this request')])
    const done = await app.call('POST', `${ALL}${id}/approve/`, { by: app.approver, body: {} })
    expect(done.json).toMatchObject({ status: 'revoked', approved_by: { name: 'approver' } })
    expect(done.json.handled_at).not.toBeNull()
    const shown = await app.call('GET', `${BASE}/certificates/${certificate}/`)
    expect(shown.json).toMatchObject({ status: 'revoked', is_revoked: true, can_revoke: false })
    expect((await app.call('DELETE', `${ALL}${id}/`)).status).toBe(409)
  })

  it('deny with a sentence that names the contract and the user; the certificate stays', async () => {
    const { app } = used
    const certificate = await issued(app, ['no.test'])
    const denied = await app.call('POST', `${ALL}${await asked(certificate)}/deny/`, { by: app.approver, body: {} })
    expect(denied.json).toMatchObject({
      status: 'denied',
      denied_by: { name: 'approver' },
      error_message: 'denied by approver over the Alpacon contract, which takes no reason',
    })
    expect((await app.call('GET', `${BASE}/certificates/${certificate}/`)).json.is_revoked).toBe(false)
  })

  it('cancel by who asked, not by others', async () => {
    const { app } = used
    const id = await asked(await issued(app, ['cancel.test']))
    expect((await app.call('DELETE', `${ALL}${id}/`, { by: app.approver })).status).toBe(403)
    const gone = await app.call('DELETE', `${ALL}${id}/`)
    expect([gone.status, gone.text]).toEqual([204, ''])
    expect((await app.call('GET', `${ALL}${id}/`)).json.status).toBe('canceled')
  })

  it('retry what the authority has not done yet or what failed, and nothing else', async () => {
    const { app } = used
    const elsewhere = await manualAuthority(app.world)
    const draft = { authority: elsewhere.id, rules: { issue: waits, revoke: waits } }
    await app.world.save('slow', { ...draft, protocols: { alpacon: { takesOrders: true } } })
    const certificate = await ordered(app, ['slow.test'])
    await app.world.save('slow', { ...draft, protocols: {} })
    await app.call('POST', `${BASE}/sign-requests/${certificate}/approve/`, { by: app.approver, body: {} })
    const { csr } = await doorOf(app, app.admin).list.request(certificate)
    const { publicKey, identifiers } = parseCsr(csr ?? Buffer.alloc(0))
    const { der } = await elsewhere.ca.issue({ publicKey, identifiers, subject: nameOf({ CN: 'slow.test' }) })
    await doorOf(app, app.admin).upload(certificate, [der])
    const id = await asked(certificate)
    expect((await app.call('POST', `${ALL}${id}/retry/`, { body: {} })).status).toBe(409)
    const approved = await app.call('POST', `${ALL}${id}/approve/`, { by: app.approver, body: {} })
    expect(approved.json.status).toBe('revoking')
    expect((await app.call('GET', `${ALL}?status=revoking`)).json).toMatchObject({ count: 1, results: [{ id }] })
    expect((await app.call('POST', `${ALL}${id}/retry/`, { body: {} })).json.status).toBe('revoking')
    await doorOf(app, app.admin).approvals.markFailed('revoke', id, 'no answer from the CA')
    const failed = await app.call('GET', `${ALL}${id}/`)
    expect(failed.json).toMatchObject({ status: 'failed', error_message: 'no answer from the CA' })
    expect((await app.call('POST', `${ALL}${id}/retry/`, { body: {} })).json.status).toBe('revoking')
  })
})

describe('revoke ls and describe', () => {
  let certificate: string
  const ids: string[] = []

  beforeAll(async () => {
    const { app } = used
    certificate = await issued(app, ['many.test'])
    for (let n = 0; n < 3; n++) {
      const id = await asked(certificate)
      ids.unshift(id)
      if (n < 2) await app.call('DELETE', `${ALL}${id}/`)
    }
  })

  it('list by page and status, the newest first', async () => {
    const { app } = used
    const all = await app.call('GET', `${ALL}?page=1&page_size=1`)
    expect(all.json).toMatchObject({ current: 1, next: 2, results: [{ id: ids[0], common_name: 'many.test' }] })
    for (const status of ['requested', 'revoked', 'denied', 'canceled']) {
      const { results } = (await app.call('GET', `${ALL}?status=${status}`)).json
      expect(new Set(results.map((row: { status: string }) => row.status))).toEqual(new Set([status]))
    }
  })

  it('list those of one certificate', async () => {
    const { app } = used
    const all = await app.call('GET', `${ALL}?certificate=${certificate}`)
    expect(all.json.results.map(({ id }: { id: string }) => id)).toEqual(ids)
    const canceled = await app.call('GET', `${ALL}?certificate=${certificate}&status=canceled&page_size=1&page=2`)
    expect(canceled.json).toMatchObject({ count: 2, next: 0, results: [{ id: ids[2] }] })
    const none = await app.call('GET', `${ALL}?certificate=${certificate}`, { by: app.stranger })
    expect([none.status, Object.keys(none.json)]).toEqual([400, ['certificate']])
  })

  it.each(['status=signed', 'status=x', 'certificate=1'])('know no %s', async (query) => {
    const refused = await used.app.call('GET', `${ALL}?${query}`)
    expect([refused.status, Object.keys(refused.json)]).toEqual([400, [query.split('=')[0]]])
  })

  it('show another organization nothing, and no id of it', async () => {
    const { app } = used
    expect((await app.call('GET', ALL, { by: app.stranger })).json).toMatchObject({ count: 0, results: [] })
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', 'approve/'],
      ['POST', 'deny/'],
      ['POST', 'retry/'],
    ] as const)
      expect((await app.call(method, `${ALL}${ids[0]}/${path}`, { by: app.stranger, body: {} })).status).toBe(404)
  })
})
