import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { editEndEntity, readEndEntity } from '../../protocols/ra/endEntity.ts'
import { approveEndEntity } from '../../protocols/ra/endEntityApproval.ts'
import type { RaTables } from '../../protocols/ra/tables.ts'
import { asRequester } from '../../src/core/identity/identity.ts'
import type { TokenScope } from '../../src/core/identity/tokenScope.ts'
import { createToken } from '../../src/core/login/token.ts'
import { system } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { createRaApp, doorOf, type Person, type RaApp, useRaApp, waits } from '../helpers/raApp.ts'
import { autoRules, certificateIn, decide, pkcs10, setUpLegacy, waitingFor } from '../helpers/raLegacy.ts'

const used = useRaApp()
const WAITING = 'WAITING_FOR_ADD_APPROVAL'
const options = { approveEndEntities: true }

/** An end entity `device` of a profile that asks for approval, which `by` has added. */
async function setUp(app: RaApp, profile: string, by = app.operator, change: Parameters<RaApp['save']>[1] = {}) {
  const legacy = await setUpLegacy(app, profile, { options, ...change }, by)
  const seen = {
    raProfile: { name: profile },
    subjectDN: 'CN=device.test,O=Field',
    subjectAltName: 'DNS:device.test',
  }
  const edit = (by: Person | string, status: string, more: object = {}) =>
    app.call('post', legacy.endEntity, { by, body: { ...seen, status, ...more } })
  const { id } = await app.world.profile(profile)
  const events = async () => {
    const rows = await withTables<CoreTables>(app.host.db)
      .selectFrom('audit_events')
      .selectAll()
      .orderBy('id')
      .execute()
    return rows
      .map(({ actor, action, details }) => ({ action, by: JSON.parse(actor).name, ...JSON.parse(details) }))
      .filter((one) => one.kind === 'end entity' && one.profile === profile)
  }
  return { ...legacy, edit, events, profileId: id }
}

/** Another token of somebody. */
const tokenOf = async (app: RaApp, { id }: Person, scope?: TokenScope) => {
  const change = { actor: system('test'), at: app.world.time.now }
  return (
    await transaction(app.host.db, (db) =>
      createToken(db, change, { userId: id, name: 'another', ...(scope ? { scope } : {}) }),
    )
  ).text
}

describe('an end entity that waits for approval', () => {
  it('orders nothing until somebody else sets NEW, and then goes the ordinary road', async () => {
    const { app } = used
    const { issue, status, edit, events } = await setUp(app, 'asked')
    expect(await status()).toBe(WAITING)
    const csr = await pkcs10()
    const early = await issue(csr)
    expect([early.status, early.json.message]).toEqual([400, expect.stringContaining('ask somebody who has approve')])
    const approved = await edit(app.approver, 'NEW')
    expect([approved.status, approved.text]).toEqual([200, ''])
    expect(await status()).toBe('NEW')
    const issued = await issue(csr)
    expect(issued.status).toBe(200)
    expect((await certificateIn(app, issued.json.certificateData)).identifiers).toEqual([
      { type: 'dns', value: 'device.test' },
    ])
    const [added, approval, ...more] = await events()
    expect(added).toMatchObject({ by: 'operator', status: WAITING, names: 'DNS:device.test' })
    expect(approval).toMatchObject({ by: 'approver', status: 'NEW', approved: true, names: 'DNS:device.test' })
    expect(more.filter(({ approved }) => approved)).toEqual([])
  })

  it('is no way around the approval of what it orders', async () => {
    const { app } = used
    const { issue, edit } = await setUp(app, 'twice', app.operator, { rules: { ...autoRules, issue: waits } })
    expect((await edit(app.approver, 'NEW')).status).toBe(200)
    const csr = await pkcs10()
    expect((await issue(csr)).json.message).toContain('waits for approval')
    const [row] = await waitingFor(app, 'sign', 'twice')
    await expect(decide(app, row, 'approve', app.operator)).rejects.toThrow('you are behind this request')
    await decide(app, row)
    expect((await issue(csr)).status).toBe(200)
  })

  it('is not approved by who added it: not with another token, not as an administrator or superuser', async () => {
    const { app } = used
    const chief = await app.person('chief', { admin: true })
    const both = await app.person('both', { capabilities: ['create_cert', 'approve', 'manage'] })
    for (const [at, by] of [app.admin, chief, both].entries()) {
      const { edit, status, endEntity } = await setUp(app, `self-${at}`, by)
      for (const token of [by.token, await tokenOf(app, by)]) {
        const refused = await edit(token, 'NEW')
        expect([refused.status, refused.json.message]).toEqual([403, expect.stringContaining('separation of duties')])
        expect((await app.call('put', `${endEntity}/resetPassword`, { by: token })).status).toBe(422)
      }
      expect(await status()).toBe(WAITING)
    }
  })

  it('is not approved without approve on the profile, by nobody of another organization, nor beyond the scope of a token', async () => {
    const { app } = used
    const { edit, status, profileId } = await setUp(app, 'refused')
    const manager = await app.person('head', { capabilities: ['manage', 'create_cert', 'read'] })
    const voter = await app.person('voter', { capabilities: ['approve'] })
    const other = await app.world.profile('rest')
    const tokens = [
      await tokenOf(app, app.approver, { capabilities: ['read'] }),
      await tokenOf(app, app.approver, { capabilities: ['read', 'approve'], profileId: other.id }),
      await tokenOf(app, app.admin, { capabilities: ['read', 'approve'], readOnly: true }),
    ]
    const refused = []
    for (const by of [manager, voter, ...tokens]) refused.push((await edit(by, 'NEW')).status)
    // A profile beyond the scope of a token is not there for it.
    expect(refused).toEqual([403, 403, 403, 404, 403])
    expect((await edit(manager, 'NEW')).json.message).toContain('the capability approve')
    expect((await edit(app.stranger, 'NEW')).status).toBe(404)
    expect(await status()).toBe(WAITING)
    const right = await tokenOf(app, app.approver, { capabilities: ['read', 'approve'], profileId })
    expect((await edit(right, 'NEW')).status).toBe(200)
  })

  it('goes on waiting after an edit, behind which its editor stands as well', async () => {
    const { app } = used
    const editor = await app.person('editor', { capabilities: ['manage', 'approve', 'read'] })
    const { edit, status } = await setUp(app, 'edited')
    const renamed = { subjectAltName: 'DNS:other.test' }
    expect((await edit(editor, WAITING, renamed)).status).toBe(200)
    expect(await status()).toBe(WAITING)
    expect((await edit(editor, 'NEW', renamed)).status).toBe(403)
    expect((await edit(app.operator, 'NEW', renamed)).status).toBe(403)
    expect((await edit(app.approver, 'NEW', renamed)).status).toBe(200)
  })

  it('is approved as it was seen: what was edited in between, or a password with it, is refused', async () => {
    const { app } = used
    const { edit, status } = await setUp(app, 'seen')
    expect((await edit(app.operator, WAITING, { subjectAltName: 'DNS:other.test' })).status).toBe(200)
    const stale = await edit(app.approver, 'NEW')
    expect([stale.status, stale.json[0]]).toEqual([422, expect.stringContaining('read it again')])
    const now = { subjectAltName: 'DNS:other.test' }
    expect((await edit(app.approver, 'NEW', { ...now, password: 'one of his own' })).status).toBe(422)
    expect(await status()).toBe(WAITING)
    expect((await edit(app.approver, 'NEW', now)).status).toBe(200)
  })

  it('is put aside or deleted by who added it, and comes back by an approval alone', async () => {
    const { app } = used
    const { edit, status, issue, endEntity } = await setUp(app, 'aside')
    expect((await edit(app.operator, 'HISTORICAL')).status).toBe(200)
    expect(await status()).toBe('HISTORICAL')
    for (const to of ['INITIALIZED', 'KEY_RECOVERY', WAITING])
      expect([403, 422]).toContain((await edit(app.operator, to)).status)
    for (const to of ['INITIALIZED', 'KEY_RECOVERY', WAITING]) expect((await edit(app.admin, to)).status).toBe(422)
    expect((await edit(app.operator, 'NEW')).status).toBe(403)
    expect((await app.call('put', `${endEntity}/resetPassword`)).status).toBe(422)
    expect((await issue(await pkcs10())).status).toBe(400)
    expect(await status()).toBe('HISTORICAL')
    expect((await edit(app.approver, 'NEW')).status).toBe(200)
    expect((await app.call('delete', endEntity)).status).toBe(200)
    const gone = await setUp(app, 'gone')
    expect((await app.call('delete', gone.endEntity)).status).toBe(200)
    expect((await app.call('get', gone.endEntity)).status).toBe(404)
  })

  it('waits anew for another name or password, in every status, and its order is withdrawn', async () => {
    const { app } = used
    const { edit, status, issue } = await setUp(app, 'anew', app.operator, { rules: { ...autoRules, issue: waits } })
    expect((await edit(app.approver, 'NEW')).status).toBe(200)
    // Nothing that counts has changed.
    for (const to of ['INITIALIZED', 'NEW']) expect((await edit(app.operator, to)).status).toBe(200)
    expect(await status()).toBe('NEW')
    expect((await issue(await pkcs10())).status).toBe(400)
    expect(await status()).toBe('IN_PROCESS')
    const evil = { subjectAltName: 'DNS:evil.test' }
    expect((await edit(app.operator, 'IN_PROCESS', evil)).status).toBe(200)
    expect(await status()).toBe(WAITING)
    expect(await waitingFor(app, 'sign', 'anew')).toEqual([])
    expect((await edit(app.approver, 'NEW', evil)).status).toBe(200)
    for (const to of ['NEW', 'INITIALIZED']) {
      expect((await edit(app.operator, to, { ...evil, password: 'another one' })).status).toBe(200)
      expect(await status()).toBe(WAITING)
      expect((await edit(app.approver, 'NEW', evil)).status).toBe(200)
    }
    expect((await edit(app.operator, 'HISTORICAL', { subjectAltName: 'DNS:worse.test' })).status).toBe(200)
    expect((await edit(app.operator, 'NEW', { subjectAltName: 'DNS:worse.test' })).status).toBe(403)
  })

  it('waits still when a node of an earlier version, which knows no approval, has set NEW', async () => {
    const { app } = used
    const { edit, status, issue, profileId } = await setUp(app, 'earlier')
    await transaction(app.host.db, (db) =>
      withTables<RaTables>(db)
        .updateTable('ra_end_entities')
        .set({ status: 'NEW' })
        .where('profile_id', '=', profileId)
        .execute(),
    )
    expect(await status()).toBe(WAITING)
    expect((await issue(await pkcs10())).status).toBe(400)
    expect((await edit(app.approver, 'NEW')).status).toBe(200)
    expect(await status()).toBe('NEW')
  })

  it('goes on waiting where the profile asks for no approval any more; where it asks for none, nothing waits', async () => {
    const { app } = used
    const { edit, status, issue } = await setUp(app, 'was-on')
    await app.save('was-on', { rules: autoRules })
    expect(await status()).toBe(WAITING)
    expect((await issue(await pkcs10())).status).toBe(400)
    expect((await edit(app.operator, 'NEW')).status).toBe(403)
    expect((await edit(app.approver, 'NEW')).status).toBe(200)
    const off = await setUpLegacy(app, 'off')
    expect(await off.status()).toBe('NEW')
    await app.save('off', { rules: autoRules, options })
    expect((await off.issue(await pkcs10())).status).toBe(200)
  })
})

describe.each(databases)('approvals at once on $name', ({ open }) => {
  let app: RaApp
  let close = async () => {}
  let second: Person
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    app = await createRaApp(opened.db)
    second = await app.person('second', { capabilities: ['approve', 'read'] })
  })
  afterAll(() => close())

  it.each([1, 2, 3])('of two, one counts: %i', async (round) => {
    const { edit, status, events } = await setUp(app, `both-${round}`)
    const both = await Promise.all([edit(app.approver, 'NEW'), edit(second, 'NEW')])
    const codes = both.map(({ status }) => status).sort()
    // Whoever reads it when it is NEW already has nothing to approve, and may not edit.
    expect(codes[0]).toBe(200)
    expect([403, 409]).toContain(codes[1])
    expect(await status()).toBe('NEW')
    expect((await events()).filter(({ approved }) => approved)).toHaveLength(1)
  })

  it.each([1, 2, 3])('with an edit let through only what was seen: %i', async (round) => {
    const { edit, endEntity } = await setUp(app, `edit-${round}`)
    const [edited, approved] = await Promise.all([
      edit(app.operator, WAITING, { subjectAltName: 'DNS:evil.test' }),
      edit(app.approver, 'NEW'),
    ])
    const { json } = await app.call('get', endEntity)
    if (approved.status === 200) {
      expect([409, 422]).toContain(edited.status)
      expect(json).toMatchObject({ status: 'NEW', subjectAltName: 'DNS:device.test' })
    } else {
      expect([409, 422]).toContain(approved.status)
      expect(edited.status).toBe(200)
      expect(json).toMatchObject({ status: WAITING, subjectAltName: 'DNS:evil.test' })
    }
  })

  it('after an edit of the password alone, which nobody sees, come too late', async () => {
    await setUp(app, 'late')
    const profile = await app.world.profile('late')
    const placeOf = (person: Person) => {
      return { host: app.host, door: doorOf(app, person), requester: asRequester(person), profile }
    }
    const place = placeOf(app.approver)
    const known = await readEndEntity(place, 'device')
    await editEndEntity(placeOf(app.operator), known, { status: WAITING, password: 'another one' })
    const draft = { subject: known.subject, names: 'DNS:device.test', extensionData: [] }
    await expect(approveEndEntity(place, known, { draft })).rejects.toMatchObject({ code: 'conflict' })
    expect((await readEndEntity(place, 'device')).status).toBe(WAITING)
    await approveEndEntity(place, await readEndEntity(place, 'device'), { draft })
    expect((await readEndEntity(place, 'device')).status).toBe('NEW')
  })
})
