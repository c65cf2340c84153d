import type { Rows } from '../row.ts'
import type { Scene } from '../scene.ts'
import { authorityOperations } from './authorities.ts'
import { credentialOperations } from './credentials.ts'
import { like, own } from './like.ts'
import { requestOperations } from './requests.ts'

const BASE = '/v1/countersign'
const uuid = ({ params }: { params: { uuid?: string } }) => ({ uuid: params.uuid })
const id = ({ params }: { params: { id?: string } }) => ({ id: Number(params.id) })
const body = ({ body }: { body: Record<string, unknown> }) => body

const BESIDE = { needs: 'beside' } as const

async function overridden({ call, name }: Scene) {
  const limit = { profile: 'inner-open', limit: 'acme.newOrder', key: `account:${name()}` }
  await call('post', `${BASE}/limits/override`, { ...limit, rate: '10/1h' })
  return limit
}

/** A group by its name. */
const group = async ({ call, name }: Scene) => {
  const made = name()
  await call('post', `${BASE}/groups`, { name: made, organization: 'default' })
  return { name: made, organization: 'default' }
}

/** What is expected of every operation of the command line, by its name. */
export const operationRows: Rows = {
  ...requestOperations,
  ...authorityOperations,
  ...credentialOperations,
  'alert.ls': like(`GET ${BASE}/alerts`),
  'alert.close': like(`POST ${BASE}/alerts/{id}/close`, id),
  'approval.ls': like(`GET ${BASE}/rememberedApprovals`),
  'approval.forget': like(`DELETE ${BASE}/rememberedApprovals/{id}`, id),
  'audit.ls': like(`GET ${BASE}/audit`),
  'audit.verify': own({ needs: 'superuser', reads: true }),
  'backup.record': own(BESIDE, () => ({
    madeAt: '2026-01-01T00:00:00Z',
    rows: 1,
    head: { position: 1, hash: 'x' },
  })),
  'configuration.apply': like(`POST ${BASE}/apply`, ({ raw }) => ({ text: raw })),
  'configuration.export': like(`GET ${BASE}/export`, () => ({ organization: 'default' })),
  'delegation.ls': like(`GET ${BASE}/delegations`),
  'delegation.create': like(`POST ${BASE}/delegations`, body),
  'delegation.end': like(`POST ${BASE}/delegations/{uuid}/end`, uuid),
  'discovery.ls': like(`GET ${BASE}/discoveries`),
  'discovery.add': like(`POST ${BASE}/discoveries`, body),
  'discovery.rm': like(`DELETE ${BASE}/discoveries/{uuid}`, ({ params }) => ({
    discovery: params.uuid,
    organization: 'default',
  })),
  'discovery.run': like(`POST ${BASE}/discoveries/{uuid}/run`, ({ params }) => ({
    discovery: params.uuid,
    organization: 'default',
  })),
  'discovery.places': like(`GET ${BASE}/discoveries/{uuid}/places`, ({ params }) => ({
    discovery: params.uuid,
    organization: 'default',
  })),
  'discovery.look': own({ needs: 'manage' }, () => ({ targets: ['127.0.0.1:1'], organization: 'default' })),
  'discovery.take': own({ needs: 'manage' }, async ({ elsewhere }) => ({
    place: 'file:/srv/inner.pem',
    certificates: [(await elsewhere.issue()).der.toString('base64')],
    organization: 'default',
  })),
  'doctor.core': own(BESIDE),
  'doctor.server': own(BESIDE),
  'group.ls': like(`GET ${BASE}/groups`),
  'group.create': like(`POST ${BASE}/groups`, body),
  'group.change': own({ needs: 'admin' }, async (scene) => ({ ...(await group(scene)), description: 'other' })),
  'group.rm': own({ needs: 'admin' }, group),
  'group.member': own({ needs: 'admin' }, async (scene) => ({ ...(await group(scene)), user: 'inner-none' })),
  'key.ls-blocked': like(`GET ${BASE}/blockedKeys`),
  'key-secret.show': own(BESIDE),
  'key-secret.begin': own(BESIDE),
  'key-secret.activate': own(BESIDE),
  'key-secret.reseal': own(BESIDE),
  'key-secret.finish': own(BESIDE),
  'key.block': like(`POST ${BASE}/blockedKeys`, ({ body: { spkiSha256, reason } }) => ({
    key: { spkiSha256 },
    reason,
  })),
  'key.unblock': like(`DELETE ${BASE}/blockedKeys/{spkiSha256}`, ({ params: { spkiSha256 } }) => ({
    key: { spkiSha256 },
  })),
  'limit.ls': like(`GET ${BASE}/limits`),
  'limit.override': like(`POST ${BASE}/limits/override`, ({ body }) => ({ ...body, limit: 'acme.newOrder' })),
  'limit.override-rm': own({ needs: 'manage' }, overridden),
  'limit.reset': like(`POST ${BASE}/limits/reset`, ({ body: { profile, key } }) => ({ profile, key })),
  'organization.ls': like(`GET ${BASE}/organizations`),
  'organization.create': like(`POST ${BASE}/organizations`, ({ body: { name } }) => ({ name })),
  'profile.ls': like(`GET ${BASE}/raProfiles`),
  'profile.show': like(`GET ${BASE}/raProfiles/{name}`, ({ params: { name } }) => ({ name })),
  'profile.set': like(`PUT ${BASE}/raProfiles/{name}`, ({ params: { name }, body }) => ({ ...body, name })),
  'profile.rules': like(`PUT ${BASE}/raProfiles/{name}/rules`, ({ params: { name } }) => ({ name, rules: {} })),
  'renewal.ls': like(`GET ${BASE}/renewalWindows`),
  'renewal.set': like(`POST ${BASE}/renewalWindows`, body),
  'renewal.rm': like(`DELETE ${BASE}/renewalWindows/{id}`, ({ params }) => ({ window: Number(params.id) })),
  'standing-approval.ls': like(`GET ${BASE}/standingApprovals`),
  'standing-approval.create': like(`POST ${BASE}/standingApprovals`, body),
  'standing-approval.confirm': like(`POST ${BASE}/standingApprovals/{uuid}/confirm`, uuid),
  'standing-approval.end': like(`POST ${BASE}/standingApprovals/{uuid}/end`, uuid),
  'token.ls': like(`GET ${BASE}/tokens`),
  'token.create': like(`POST ${BASE}/tokens`, () => ({ name: 'laptop' })),
  'token.revoke': like(`DELETE ${BASE}/tokens/{uuid}`, uuid),
  'user.ls': like(`GET ${BASE}/users`),
  'user.create': like(`POST ${BASE}/users`, ({ body: { name } }) => ({ name, organization: 'default' })),
  'user.change': like(`PATCH ${BASE}/users/{user}`, ({ params }) => ({ name: params.user, enabled: false })),
  'user.setup-link': like(`POST ${BASE}/users/{user}/setupLink`, ({ params }) => ({ name: params.user })),
  'user.set-password': own(BESIDE, () => ({
    user: 'inner-none',
    password: 'wrong',
    next: 'a password of some length',
  })),
  'user.role': like(`PUT ${BASE}/users/{user}/roles/{role}`, ({ params: { user, role } }) => ({ user, role })),
  'user.grant': like(`POST ${BASE}/grants`, body),
  'webhook.ls': like(`GET ${BASE}/webhooks`),
  'webhook.show': like(`GET ${BASE}/webhooks/{uuid}`, uuid),
  'webhook.add': like(`POST ${BASE}/webhooks`, ({ body: { organization, ...draft } }) => ({ draft, organization })),
  'webhook.rm': like(`DELETE ${BASE}/webhooks/{uuid}`, uuid),
  'webhook.ping': like(`POST ${BASE}/webhooks/{uuid}/ping`, uuid),
  'webhook.deliveries': like(`GET ${BASE}/webhooks/{uuid}/deliveries`, uuid),
  'webhook.redeliver': like(`POST ${BASE}/webhooks/{uuid}/deliveries/{deliveryUuid}/redeliver`, ({ params }) => ({
    uuid: params.uuid,
    delivery: params.deliveryUuid,
  })),
}
