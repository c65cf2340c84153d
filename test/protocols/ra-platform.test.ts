import { beforeAll, describe, expect, it } from 'vitest'
import type { AcmeTables } from '../../protocols/acme/tables.ts'
import { uuidv7 } from '../../src/core/uuid.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { doorOf, useRaApp } from '../helpers/raApp.ts'

const used = useRaApp()

describe('what user interfaces ask for when they start', () => {
  it('enumerations, each with codes and labels', async () => {
    const { json } = await used.app.call('get', '/v1/enums')
    expect(json.CertificateState.pending_approval).toEqual({ code: 'pending_approval', label: 'Pending approval' })
    expect(json.CertificateRevocationReason.keyCompromise).toEqual({ code: 'keyCompromise', label: 'Key compromise' })
    expect(json.ApprovalStatus.PENDING.code).toBe('PENDING')
    for (const [name, items] of Object.entries<Record<string, { code: string; label: string }>>(json))
      for (const [code, item] of Object.entries(items))
        expect([name, item.code, item.label !== '']).toEqual([name, code, true])
  })

  it('settings, notifications and connectors', async () => {
    const { app } = used
    expect((await app.call('get', '/v1/settings/platform')).status).toBe(200)
    expect((await app.call('get', '/v1/notifications')).json).toMatchObject({ notifications: [], totalItems: 0 })
    expect((await app.call('get', '/v1/connectors')).json).toEqual([])
  })

  it.each(['/v1/enums', '/v1/connectors', '/v1/users', '/v1/acmeAccounts'])(
    'nothing of it to nobody: %s',
    async (path) => {
      expect((await used.app.call('get', path, { by: null })).status).toBe(401)
    },
  )

  it('people, roles and groups, as far as the caller sees them', async () => {
    const { app } = used
    const { admin, groups } = doorOf(app, app.admin)
    await admin.addToRole('approver', 'security')
    const group = await groups.create({ name: 'web team', organization: 'default', email: 'web@example.org' })
    await groups.addMember({ uuid: group.uuid }, 'approver')
    const users = (await app.call('get', '/v1/users', { by: app.admin })).json
    expect(users.find(({ username }: { username: string }) => username === 'approver')).toMatchObject({
      uuid: app.approver.uuid,
      enabled: true,
      groups: [{ uuid: group.uuid, name: 'web team' }],
    })
    expect((await app.call('get', '/v1/users')).json).toMatchObject([{ username: 'operator' }])
    expect((await app.call('get', '/v1/roles', { by: app.approver })).json).toMatchObject([{ name: 'security' }])
    expect((await app.call('get', '/v1/groups')).json).toMatchObject([{ name: 'web team', email: 'web@example.org' }])
    expect((await app.call('get', '/v1/groups', { by: app.stranger })).json).toEqual([])
  })
})

describe('ACME accounts', () => {
  let account = ''
  let profile = { id: 0, uuid: '', name: '' }
  beforeAll(async () => {
    const { app } = used
    profile = await app.world.profile('default')
    const now = app.world.time.now
    account = uuidv7(now)
    await transaction(app.world.it.db, (db) =>
      withTables<AcmeTables>(db)
        .insertInto('acme_accounts')
        .values({
          uuid: account,
          profile_id: profile.id,
          profile: profile.name,
          jwk: '{}',
          thumbprint: 'thumb',
          status: 'valid',
          contact: '["mailto:a@example.org"]',
          terms_agreed: null,
          created_at: now.getTime(),
        })
        .execute(),
    )
  })

  it('are listed and shown, with counts', async () => {
    const { app } = used
    const { json } = await app.call('get', '/v1/acmeAccounts', { by: app.admin })
    expect((await app.call('get', '/v1/acmeAccounts')).json, 'who does not manage the profile').toEqual([])
    expect(json).toEqual([
      {
        uuid: account,
        accountId: account,
        enabled: true,
        status: 'valid',
        totalOrders: 0,
        raProfileUuid: profile.uuid,
        raProfileName: 'default',
        acmeProfileUuid: profile.uuid,
        acmeProfileName: 'default',
      },
    ])
    const shown = await app.call('get', `/v1/acmeProfiles/${profile.uuid}/acmeAccounts/${account}`, { by: app.admin })
    expect(shown.json).toMatchObject({ contact: ['mailto:a@example.org'], successfulOrders: 0, pendingOrders: 0 })
  })

  it('are disabled, enabled and revoked, one and many', async () => {
    const { app } = used
    const one = `/v1/acmeProfiles/${profile.uuid}/acmeAccounts/${account}`
    const shown = async () => {
      const { enabled, status } = (await app.call('get', one, { by: app.admin })).json
      return [enabled, status]
    }
    const by = app.admin
    for (const [method, path, body, then] of [
      ['patch', `${one}/disable`, undefined, [false, 'valid']],
      ['patch', `${one}/enable`, undefined, [true, 'valid']],
      ['patch', '/v1/acmeAccounts/disable', [account], [false, 'valid']],
      ['patch', '/v1/acmeAccounts/enable', [account], [true, 'valid']],
      ['put', '/v1/acmeAccounts/revoke', [account], [false, 'revoked']],
      ['post', one, undefined, [false, 'revoked']],
    ] as const) {
      expect((await app.call(method, path, { by, ...(body ? { body } : {}) })).status).toBe(204)
      expect([path, await shown()]).toEqual([path, then])
    }
    const late = await app.call('patch', `${one}/enable`, { by })
    expect([late.status, late.json]).toEqual([422, [expect.stringContaining('revoked')]])
  })

  it('are for who manages the profile to change, and nobody’s of another organization to see', async () => {
    const { app } = used
    const one = `/v1/acmeProfiles/${profile.uuid}/acmeAccounts/${account}`
    expect((await app.call('patch', `${one}/disable`)).status).toBe(403)
    expect((await app.call('patch', '/v1/acmeAccounts/disable', { body: [account] })).status).toBe(403)
    expect((await app.call('get', '/v1/acmeAccounts', { by: app.stranger })).json).toEqual([])
    for (const path of [one, one.replace(account, profile.uuid)])
      expect((await app.call('get', path, { by: app.stranger })).status).toBe(404)
    expect((await app.call('get', one)).status).toBe(403)
    expect((await app.call('get', one.replace(profile.uuid, account), { by: app.admin })).status).toBe(404)
  })
})
