import { beforeAll, describe, expect, it } from 'vitest'
import { pages } from '../../src/console/pages/index.ts'
import { raiseAlert } from '../../src/core/audit/alert.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { useConsoleApp } from '../helpers/consoleApp.ts'
import { doorFor, issued } from '../helpers/consoleCertificates.ts'
import { everywhere, ordered, revocation } from '../helpers/consoleRequests.ts'
import { auto, waits } from '../helpers/raApp.ts'

const world = useConsoleApp()
/** What the other organization has, each by what addresses and forms call it. */
const theirs: string[] = []
const secret = 'hushed.test'

beforeAll(async () => {
  const { app } = world
  await app.save('rest', { rules: everywhere(auto) })
  await app.save('decided', { rules: everywhere(waits) })
  const certificate = await issued(app, [secret])
  const waiting = await ordered(app, secret)
  await app.world.profile('decided')
  const { admin, webhooks, discovery, groups, identities, delegations } = doorFor(app, app.admin)
  const expiresAt = new Date(app.world.time.now.getTime() + 3_600_000)
  const { view: challenge } = await admin.createChallenge({ profile: 'rest', uses: 1, expiresAt, note: secret })
  const { view: credential } = await admin.createCredential({ kind: 'eab', profile: 'rest', singleUse: true })
  const webhook = await webhooks.add({ name: secret, events: [], decidesAs: 'decider' })
  const found = await discovery.add({ name: secret, targets: ['127.0.0.1:9'] })
  const group = await groups.create({ name: 'hushed group' })
  const role = await identities.createRole({ name: 'hushed role' })
  const { view: token } = await doorFor(app, app.operator).admin.createToken({ user: 'operator', name: secret })
  await app.session(app.operator)
  const [session] = await identities.sessions('operator')
  const until = new Date(app.world.time.now.getTime() + 86_400_000)
  const delegation = await doorFor(app, app.approver).delegations.create({ to: 'operator', until, reason: secret })
  expect(await delegations.list()).not.toEqual([])
  const revoked = await revocation(app, certificate.id)
  const { organizationId } = app.operator
  const subject = { kind: 'sign_request', id: waiting.id } as const
  const raised = { kind: 'order_failed', organizationId, subject, detail: secret } as const
  await transaction(app.world.it.db, (db) => raiseAlert(db, app.world.time.now, raised))
  const [alert] = await admin.alerts()
  const made = [certificate, waiting, revoked, challenge, credential, webhook, found, group, role, token, session]
  theirs.push(
    ...[...made, delegation].map((one) => one?.uuid ?? ''),
    'rest',
    'decided',
    'operator',
    app.place.authority,
  )
  theirs.push(...[certificate.id, waiting.id, alert?.id].map(String))
  expect(theirs).not.toContain('')
})

/** One field each that could reach something, and what makes the rest of a form complete. */
function fieldsWith(id: string): Record<string, string> {
  const ids = [
    'profile',
    'authority',
    'parent',
    'user',
    'role',
    'to',
    'owner',
    'groups',
    'view',
    'delivery',
    'eab-profile',
  ]
  const filled = {
    hash: 'x',
    verdict: 'approve',
    reason: 'superseded',
    code: '000000',
    comment: 'x',
    failReason: 'x',
    revision: '1',
    names: 'a.test',
    capability: 'read',
    field: 'enabled',
    value: 'false',
    do: 'add',
    enabled: 'false',
    text: 'rules: {}',
    version: '1',
    days: '1',
    hours: '1',
    uses: '1',
    years: '1',
    key: 'P-256',
    subject: 'CN=x',
    protocol: 'ra',
    pem: 'x',
    way: 'server',
    settings: '{}',
    issuer: 'https://a.test',
    row: `${id} x`,
    password: 'x',
  }
  return { ...filled, name: 'x y', ...Object.fromEntries(ids.map((name) => [name, id])) }
}

const ofTheirs = async () =>
  (
    await withTables<CoreTables>(world.app.world.it.db)
      .selectFrom('audit_events')
      .select('action')
      .where('organization_id', '=', world.app.operator.organizationId)
      .execute()
  ).map(({ action }) => action)

const kinds = ['sign_request', 'revoke_request', 'certificate', 'authority', 'profile', 'user']
const addresses = (path: string, id: string) =>
  (path.includes(':kind') ? kinds : ['']).map((kind) =>
    `/console${path}`.replace(':kind', kind).replace(/:\w+/, encodeURIComponent(id)),
  )

describe('an administrator of another organization', () => {
  it.each(['get', 'post'] as const)(
    'reaches nothing by %s, whatever he calls it',
    async (method) => {
      const { app } = world
      const before = await ofTheirs()
      const reached: string[] = []
      for (const { path, method: how } of pages.filter(({ path }) => path.includes(':'))) {
        if (how !== method) continue
        for (const id of theirs)
          for (const at of addresses(path, id)) {
            const sent =
              method === 'post' ? app.post(at, fieldsWith(id), { by: app.stranger }) : app.get(at, { by: app.stranger })
            const { status, text } = await sent
            if (status < 400 || status >= 500 || text.includes('hushed')) reached.push(`${at} ${status}`)
          }
      }
      expect(reached).toEqual([])
      expect(await ofTheirs()).toEqual(before)
    },
    600_000,
  )

  it('reaches nothing by what a form names either', async () => {
    const { app } = world
    const before = await ofTheirs()
    for (const { path, method } of pages) {
      if (method !== 'post' || path.includes(':') || /sessions|password/.test(path)) continue
      for (const id of theirs) {
        const { status, text } = await app.post(`/console${path}`, fieldsWith(id), { by: app.stranger })
        expect(status, path).toBeLessThan(500)
        expect(text, `${path} ${id}`).not.toContain('hushed')
      }
    }
    expect(await ofTheirs()).toEqual(before)
  }, 600_000)
})
