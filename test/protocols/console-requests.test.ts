import { beforeAll, describe, expect, it } from 'vitest'
import { useConsoleApp } from '../helpers/consoleApp.ts'
import { doorFor } from '../helpers/consoleCertificates.ts'
import { everywhere, hashOf, ordered, revocation, statusOf } from '../helpers/consoleRequests.ts'
import { auto, type Person, waits } from '../helpers/raApp.ts'

const used = useConsoleApp()
const NONE = '01890000-0000-7000-8000-000000000000'
let second: Person

beforeAll(async () => {
  const { app } = used
  second = await app.person('second', { capabilities: ['read', 'approve'] })
  const issue = [
    { name: 'strangers', when: 'size(identifiers) > 5', deny: 'too many names' },
    {
      name: 'a person looks',
      when: 'protocol == "console"',
      remember: '30d',
      require: [{ users: ['approver', 'second'] }],
    },
  ]
  await app.save('decided', { rules: { ...everywhere(waits), issue } })
  const two = [
    {
      name: 'two look',
      require: [
        { users: ['approver', 'second'], quorum: 2 },
        { roles: [], owner: true },
      ],
    },
  ]
  await app.save('twice', { rules: everywhere(two) })
  await app.save('passes', { rules: { ...everywhere(auto), revoke: waits } })
})

const approver = () => used.app.approver
const vote = (at: string, fields: Record<string, string>, by: Person = approver()) =>
  used.app.post(`${at}/vote`, fields, { by, follow: true })

describe('the page of a request', () => {
  it('shows what is asked beside what is allowed and certified, with the differences marked', async () => {
    const { app } = used
    const { at } = await ordered(app, 'shown.test', {
      names: ['shown.test', 'other.test'],
      subject: { CN: 'shown.test', O: 'Left Out Ltd' },
    })
    const { status, text, html } = await app.get(at, { by: approver() })
    expect(status).toBe(200)
    expect(text).toContain('shown.test Requested New certificate · asked by operator over Console')
    expect(text).toContain('Subject CN=shown.test Changed ')
    expect(text).toContain('DNS name other.test other.test')
    expect(text).toContain('Key EC P-256 EC P-256 RSA 2048 to 8192')
    expect(text).toMatch(/Validity 90 days from issuing on – 90 days, at most 90 days/)
    expect(text).toMatch(/Extended key usage serverAuth – for servers/)
    expect(html).toContain('<span class="badge warn">Changed</span>')
  })

  it('names the rule, its condition, the steps and who may approve', async () => {
    const { app } = used
    const { at } = await ordered(app, 'rule.test', { profile: 'twice' })
    const { text } = await app.get(at, { by: approver() })
    expect(text).toContain('Rule two look applies')
    expect(text).toContain('2 of approver , second')
    expect(text).toContain('0 of 2 so far')
    expect(text).toContain("the authority's owner")
    expect(text).toContain('May still approve: approver , second')
    const other = await ordered(app, 'condition.test')
    expect((await app.get(other.at, { by: approver() })).text).toContain(
      'applies, since this holds: protocol == "console"',
    )
  })

  it('is approved by what was shown, and tells how it went on', async () => {
    const { app } = used
    const { at, uuid } = await ordered(app, 'yes.test')
    const done = await vote(at, { hash: await hashOf(app, at), verdict: 'approve' })
    expect(done.text).toContain('You approved it. The certificate is there.')
    expect(done.text).toContain('yes.test Signed')
    expect(done.text).toContain('What Certificate Asked in the CSR')
    expect(done.html).toContain(`/console/certificates/${uuid}`)
    expect(done.text).toContain('Approved by approver')
  })

  it('has an approval remembered for as long as the rule allows', async () => {
    const { app } = used
    const { at } = await ordered(app, 'again.test')
    expect((await app.get(at, { by: approver() })).text).toContain('Remember this approval for 30d')
    await vote(at, { hash: await hashOf(app, at), verdict: 'approve', remember: '30d' })
    expect(await ordered(app, 'again.test')).toMatchObject({ status: 'signed' })
  })

  it('is denied with a reason that whoever asked reads', async () => {
    const { app } = used
    const { at } = await ordered(app, 'no.test')
    await vote(at, { hash: await hashOf(app, at), verdict: 'deny', reason: 'not one of ours' })
    const { text } = await app.get(at, { by: app.operator })
    expect(text).toContain('no.test Denied')
    expect(text).toContain('Why: not one of ours')
  })

  it('takes comments and a cancellation of who asked', async () => {
    const { app } = used
    const { at } = await ordered(app, 'later.test')
    const by = app.operator
    const said = await app.post(`${at}/comment`, { comment: 'for Monday' }, { by, follow: true })
    expect(said.text).toMatch(/operator just now for Monday/)
    const done = await app.post(`${at}/cancel`, { cancelReason: 'changed my mind' }, { by, follow: true })
    expect(done.text).toContain('The request is canceled.')
    expect(done.text).toContain('Why: changed my mind')
  })

  it('is overridden by an administrator, with a reason', async () => {
    const { app } = used
    const { at, uuid } = await ordered(app, 'override.test', { profile: 'twice' })
    const hash = await hashOf(app, at, app.admin)
    const fields = { hash, verdict: 'approve', override: 'yes' }
    const without = await app.post(`${at}/vote`, fields)
    expect(without).toMatchObject({ status: 422 })
    expect(without.text).toContain('An override needs a reason.')
    const done = await app.post(`${at}/vote`, { ...fields, overrideReason: 'at night' }, { follow: true })
    expect(done.text).toContain('Override')
    expect(await statusOf(app, uuid)).toBe('signed')
  })

  it('is edited while it waits, and asked anew', async () => {
    const { app } = used
    const { at, uuid } = await ordered(app, 'edit.test', { names: ['edit.test', 'gone.test'] })
    const before = await hashOf(app, at)
    const fields = { revision: '1', names: 'edit.test\n192.0.2.9', notAfter: '' }
    const done = await app.post(`${at}/edit`, fields, { by: app.operator, follow: true })
    expect(done.text).toContain('It is edited.')
    expect(done.text).toContain('IP address 192.0.2.9 Added')
    expect(done.text).toContain('DNS name – Left out gone.test')
    const late = await vote(at, { hash: before, verdict: 'approve' })
    expect(late.status).toBe(409)
    expect(late.text).toContain('The request has changed since you looked at it')
    expect(await statusOf(app, uuid)).toBe('requested')
  })

  it('says what an earlier approver did when two decide at once', async () => {
    const { app } = used
    const { at } = await ordered(app, 'twoatonce.test')
    const hash = await hashOf(app, at)
    const [mine, his] = await Promise.all([
      vote(at, { hash, verdict: 'approve' }),
      vote(at, { hash, verdict: 'approve' }, second),
    ])
    const late = mine.status === 409 ? mine : his
    expect([mine.status, his.status].sort()).toEqual([200, 409])
    expect(late.text).toContain('Too late: the request is signed.')
    expect(late.text).toContain('twoatonce.test Signed')
    expect(late.text).toMatch(/Approved by (approver|second)/)
  })

  it('is found by its number, as alerts name it', async () => {
    const { app } = used
    const { id, uuid } = await ordered(app, 'number.test')
    const { html, status } = await app.get(`/console/requests/sign/${id}`)
    expect(status).toBe(200)
    expect(html).toContain(uuid)
  })

  it('of a rule that denied says why', async () => {
    const { app } = used
    const names = ['a.test', 'b.test', 'c.test', 'd.test', 'e.test', 'f.test']
    const { at } = await ordered(app, 'a.test', { names })
    expect((await app.get(at)).text).toContain('Why: too many names')
  })
})

describe('a revocation', () => {
  it('shows its certificate and reason, and is approved', async () => {
    const { app } = used
    const { id, uuid } = await ordered(app, 'revoked.test', { profile: 'passes' })
    const { at } = await revocation(app, id)
    const { text, html } = await app.get(at, { by: approver() })
    expect(text).toContain('revoked.test Requested Revocation · asked by operator over Console')
    expect(text).toContain('Reason Superseded')
    expect(html).toContain(`/console/certificates/${uuid}`)
    const done = await vote(at, { hash: await hashOf(app, at), verdict: 'approve' })
    expect(done.text).toContain('You approved it. The certificate is revoked.')
    expect((await app.get('/console/requests/revoke')).text).toMatch(/revoked\.test Revoked Superseded/)
  })

  it('is withdrawn by who asked, and not decided by him', async () => {
    const { app } = used
    const { id } = await ordered(app, 'kept.test', { profile: 'passes' })
    const { at, uuid } = await revocation(app, id)
    const own = await app.get(at, { by: app.operator })
    expect(own.text).toContain('You are behind this request')
    await app.post(`${at}/cancel`, {}, { by: app.operator })
    expect(await statusOf(app, uuid, 'revoke')).toBe('canceled')
  })
})

describe('requests refuse', () => {
  it('a vote of who asked, and of one whom no step names', async () => {
    const { app } = used
    const { at, uuid } = await ordered(app, 'own.test')
    const hash = await hashOf(app, at)
    expect((await app.get(at, { by: app.operator })).text).toContain('You are behind this request')
    const own = await vote(at, { hash, verdict: 'approve' }, app.operator)
    expect(own.status).toBe(403)
    expect(own.text).toContain('You are behind this request, so you do not decide on it')
    const reader = await app.person('reader', { capabilities: ['read'] })
    expect((await app.get(at, { by: reader })).text).toContain('This step does not name you')
    expect((await vote(at, { hash, verdict: 'approve' }, reader)).status).toBe(403)
    expect(await statusOf(app, uuid)).toBe('requested')
  })

  it('an override of one who is no administrator', async () => {
    const { app } = used
    const { at } = await ordered(app, 'nooverride.test', { profile: 'twice' })
    const fields = { hash: await hashOf(app, at), verdict: 'approve', override: 'yes', overrideReason: 'please' }
    expect(await vote(at, fields)).toMatchObject({ status: 403 })
  })

  it('a denial without a reason, a vote without the hash, and a longer memory than the rule has', async () => {
    const { app } = used
    const { at, uuid } = await ordered(app, 'bare.test')
    const hash = await hashOf(app, at)
    const bare = await vote(at, { hash, verdict: 'deny' })
    expect(bare.status).toBe(422)
    expect(bare.text).toContain('A denial needs a reason.')
    expect((await vote(at, { verdict: 'approve' })).text).toContain('The hash of what was shown is missing')
    expect((await vote(at, { hash, verdict: 'approve', remember: '60d' })).status).toBe(422)
    expect(await statusOf(app, uuid)).toBe('requested')
  })

  it("another organization's, of either kind, in every way", async () => {
    const { app } = used
    const { at, uuid, id } = await ordered(app, 'secret.test', { profile: 'passes' })
    const revoking = await revocation(app, id)
    const by = app.stranger
    for (const path of [at, revoking.at, `/console/requests/sign/${id}`, `/console/requests/sign/${NONE}`]) {
      const answer = await app.get(path, { by })
      expect(answer.status, path).toBe(404)
      expect(answer.text).not.toContain('secret.test')
    }
    for (const what of ['vote', 'comment', 'cancel', 'retry', 'fail', 'edit', 'upload']) {
      const fields = { hash: 'x', comment: 'x', failReason: 'x', names: 'a.test', revision: '1', pem: 'x' }
      const answer = await app.post(`${at}/${what}`, fields, { by })
      expect(answer.status, `${what}: ${answer.text}`).toBe(404)
      expect(answer.text, what).not.toContain('secret.test')
    }
    expect((await app.get('/console/requests/sign', { by })).text).not.toContain('secret.test')
    expect(uuid).not.toBe('')
  })

  it('to be marked failed or edited by who only reads', async () => {
    const { app } = used
    const { at, uuid } = await ordered(app, 'notyours.test')
    const by = await app.person('onlooker', { capabilities: ['read'] })
    expect((await app.post(`${at}/fail`, { failReason: 'x' }, { by })).status).toBe(403)
    expect((await app.post(`${at}/edit`, { revision: '1', names: 'x.test' }, { by })).status).toBe(403)
    expect((await app.get(at, { by })).text).not.toContain('Mark as failed')
    expect(await statusOf(app, uuid)).toBe('requested')
  })

  it('names and dates that are none', async () => {
    const { app } = used
    const { at } = await ordered(app, 'badedit.test')
    const by = app.operator
    const wrong = await app.post(`${at}/edit`, { revision: '1', names: 'not a name!' }, { by })
    expect(wrong.status).toBe(422)
    const dated = await app.post(`${at}/edit`, { revision: '1', names: 'badedit.test', notAfter: 'tomorrow' }, { by })
    expect(dated.text).toContain('Write the day as 2027-01-31.')
  })
})

describe('a request with what attackers write', () => {
  it('is shown as text', async () => {
    const { app } = used
    const { at } = await ordered(app, 'hostile.test', {
      subject: { CN: 'hostile.test', O: '<script>alert(1)</script>\u202egnp' },
    })
    await doorFor(app, app.operator).approvals.comment(
      'sign',
      at.split('/').at(-1) ?? '',
      '<img src=x onerror=alert(1)>\u0001\u202e',
    )
    const { html, text } = await app.get(at)
    expect(html).not.toContain('<script>alert')
    expect(html).not.toContain('<img')
    expect(text).toContain('O=\\<script\\>alert(1)\\</script\\>\\E2\\80\\AEgnp')
    expect(text).toContain('<img src=x onerror=alert(1)>\\u0001\\u202e')
  })
  it('is refused where it cannot be stored, wherever it stands', async () => {
    const { app } = used
    const { at } = await ordered(app, 'nul.test')
    for (const path of ['/console/requests/sign?search=%00', '/console/requests/sign/%00', `${at}?x=%00`])
      expect(await app.get(path), path).toMatchObject({ status: 400 })
    expect(await app.post(`${at}/comment`, { comment: 'a\u0000b' })).toMatchObject({ status: 422 })
    expect(await app.post(`${at}/fail`, { failReason: 'x'.repeat(1001) })).toMatchObject({ status: 422 })
  })
})
