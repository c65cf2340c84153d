import { describe, expect, it } from 'vitest'
import { type Answered, useConsoleApp } from '../helpers/consoleApp.ts'
import { doorFor, issued } from '../helpers/consoleCertificates.ts'
import { auto, type Person, waits } from '../helpers/raApp.ts'

const world = useConsoleApp()

/** The code as the page shows it. */
const codeIn = ({ text }: Answered) => /(\d{3}) (\d{3})/.exec(text)?.slice(1).join('') ?? ''
const wrong = (code: string) => String((Number(code) + 1) % 1_000_000).padStart(6, '0')

async function asked(at: string, by?: Person) {
  const page = await world.app.post(`${at}/revoke/code`, {}, by ? { by } : {})
  expect(page.status).toBe(200)
  const code = codeIn(page)
  expect(code).toMatch(/^\d{6}$/)
  return { page, code }
}

const statusOf = async (id: number) => (await doorFor(world.app, world.app.operator).findCertificate({ id }))?.status

describe('revoking', () => {
  it('takes the code and a reason, and says that the certificate is revoked', async () => {
    const { app } = world
    const { id, at } = await issued(app, ['revoke.test'])
    const { page, code } = await asked(at)
    for (const reason of [
      'Key compromise',
      'CA compromise',
      'Affiliation changed',
      'Superseded',
      'Cessation of operation',
      'Unspecified',
      'Certificate hold',
      'Privilege withdrawn',
      'AA compromise',
    ])
      expect(page.text).toContain(reason)
    const fields = {
      code: `${code.slice(0, 3)} ${code.slice(3)}`,
      reason: 'keyCompromise',
      since: '2020-02-29',
      comment: 'a <b>laptop</b>',
    }
    const done = await app.post(`${at}/revoke`, fields, { follow: true })
    expect(done.text).toContain('The certificate is revoked')
    expect(done.text).toContain('Key compromise')
    expect(done.text).not.toContain('Revoke certificate')
    const certificate = await doorFor(app, app.operator).findCertificate({ id })
    expect([certificate?.status, certificate?.revocationReason]).toEqual(['revoked', 'keyCompromise'])
    const { rows } = await doorFor(app, app.admin).list.audit({
      action: 'certificate.revoke.requested',
      subject: { kind: 'certificate', id },
    })
    expect(rows).toHaveLength(1)
    const again = await app.post(`${at}/revoke/code`)
    expect(again.status).toBe(409)
  })

  it('takes a wrong code three times, shows the form again, and then none', async () => {
    const { app } = world
    const { id, at } = await issued(app, ['wrong.test'])
    const { code } = await asked(at)
    for (const left of ['2 more can be tried', '1 more can be tried', 'ask for a new one']) {
      const { status, text, html } = await app.post(`${at}/revoke`, {
        code: wrong(code),
        shown: code,
        reason: 'superseded',
      })
      expect(status).toBe(422)
      expect(text.toLowerCase()).toContain(left)
      expect(html).toMatch(/value="superseded" checked/)
      expect(codeIn({ text } as Answered)).toBe(left === 'ask for a new one' ? '' : code)
    }
    const right = await app.post(`${at}/revoke`, { code })
    expect(right.status).toBe(422)
    expect(await statusOf(id)).toBe('issued')
    const fresh = await asked(at)
    await app.post(`${at}/revoke`, { code: fresh.code })
    expect(await statusOf(id)).toBe('revoked')
  })

  it('takes no code of another certificate, of another person, of five minutes ago, or one that was used', async () => {
    const { app } = world
    const [first, second] = [await issued(app, ['one.test']), await issued(app, ['two.test'])]
    const { code } = await asked(first.at)
    expect((await app.post(`${second.at}/revoke`, { code })).status).toBe(422)
    expect((await app.post(`${first.at}/revoke`, { code }, { by: app.operator })).status).toBe(422)
    app.world.time.pass(5 * 60_000 + 1000)
    const late = await app.post(`${first.at}/revoke`, { code })
    expect(late.status).toBe(422)
    expect(late.text).toContain('ask for a new one')
    const { code: fresh } = await asked(first.at)
    expect((await app.post(`${first.at}/revoke`, { code: fresh, reason: 'certificateHold' })).status).toBe(303)
    expect((await app.post(`${first.at}/revoke`, { code: fresh })).status).toBe(422)
    expect([await statusOf(first.id), await statusOf(second.id)]).toEqual(['hold', 'issued'])
  })

  it.each([
    ['no code', {}],
    ['letters', { code: 'abcdef' }],
    ['a long one', { code: '1'.repeat(100) }],
    ['a reason that is none', { reason: 'boredom' }],
    ['the reason that lifts a hold', { reason: 'removeFromCRL' }],
    ['a day that has not begun', { since: '2999-01-01' }],
    ['a day that is none', { since: '2020-13-45' }],
  ])('refuses %s', async (_what, fields) => {
    const { app } = world
    const { id, at } = await issued(app, ['refuse.test'])
    const { code } = await asked(at)
    const { status, html } = await app.post(`${at}/revoke`, {
      code,
      ...('code' in fields || Object.keys(fields).length > 0 ? {} : { code: '' }),
      ...fields,
    })
    expect(status).toBe(422)
    expect(html).toContain('role="alert"')
    expect(await statusOf(id)).toBe('issued')
  })

  it('waits for people where a rule says so', async () => {
    const { app } = world
    await app.save('revoked-by-two', { rules: { issue: auto, revoke: waits } })
    const { id, at } = await issued(app, ['slow.test'], { profile: 'revoked-by-two' })
    const { code } = await asked(at, app.operator)
    const sent = await app.post(`${at}/revoke`, { code }, { by: app.operator })
    expect(sent.location).toMatch(/^\/console\/requests\/revoke\/[0-9a-f-]{36}$/)
    expect(await statusOf(id)).toBe('issued')
    const page = await app.get(at)
    expect(page.text).toContain('A revocation waits for approval')
    expect(page.text).not.toContain('Revoke certificate')
  })
})

describe('a hold', () => {
  it('is the one state that is lifted', async () => {
    const { app } = world
    const { id, at } = await issued(app, ['hold.test'])
    const early = await app.post(`${at}/unhold`)
    expect(early.status).toBe(409)
    const page = await app.post(`${at}/revoke/code`, { reason: 'certificateHold' })
    expect(page.html).toMatch(/value="certificateHold" checked/)
    const held = await app.post(`${at}/revoke`, { code: codeIn(page), reason: 'certificateHold' }, { follow: true })
    expect(held.text).toContain('The certificate is on hold')
    expect(held.text).toContain('Lift the hold')
    expect(await statusOf(id)).toBe('hold')
    const lifted = await app.post(`${at}/unhold`, {}, { follow: true })
    expect(lifted.text).toContain('The hold is lifted')
    expect(await statusOf(id)).toBe('issued')
    const { code } = await asked(at)
    await app.post(`${at}/revoke`, { code })
    const late = await app.post(`${at}/unhold`)
    expect(late.status).toBe(409)
    expect(await statusOf(id)).toBe('revoked')
  })

  it('is lifted by nobody without revoke_cert', async () => {
    const { app } = world
    const { id, at } = await issued(app, ['held.test'])
    const { code } = await asked(at)
    await app.post(`${at}/revoke`, { code, reason: 'certificateHold' })
    const reader = await app.person('lifts-nothing', { capabilities: ['read'] })
    expect((await app.get(at, { by: reader })).text).not.toContain('Lift the hold')
    expect((await app.post(`${at}/unhold`, {}, { by: reader })).status).toBe(403)
    expect(await statusOf(id)).toBe('hold')
  })
})
