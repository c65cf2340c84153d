import { createHash } from 'node:crypto'
import { actions } from '../../../src/core/profile/rule.ts'
import type { Row, Rows } from '../row.ts'
import type { Scene } from '../scene.ts'

const NEEDS_ADMIN = 'A token that has a scope needs `admin` in it.'
const BASE = '/v1/countersign'
const WRITTEN = `${BASE}/raProfiles` as const
const hours = ({ app }: Scene, count: number) =>
  new Date(app.world.time.now.getTime() + count * 3_600_000).toISOString()

const group = async ({ call, name }: Scene): Promise<string> =>
  (await call('post', `${BASE}/groups`, { name: name(), organization: 'default' })).uuid
const onGroup: NonNullable<Row['sample']> = async (scene) => ({ params: { uuid: await group(scene) } })

const delegation = async (scene: Scene): Promise<string> =>
  (
    await scene.call(
      'post',
      `${BASE}/delegations`,
      { to: 'inner-second', until: hours(scene, 24) },
      scene.callers.asker,
    )
  ).uuid

const standingDraft = (scene: Scene, profile = 'inner-asks') => ({
  profile,
  action: 'issue',
  names: { dns: [`${scene.name()}.test`] },
  uses: 1,
  until: hours(scene, 24),
  requesterUser: 'inner-asker',
  reason: 'a new host',
})

/** One that lacks the word of `approver`, where `half`, or that he gave alone. */
async function standing(scene: Scene, half = false): Promise<string> {
  const { call, callers, second } = scene
  const draft = standingDraft(scene, half ? 'inner-pairs' : 'inner-asks')
  return (await call('post', `${BASE}/standingApprovals`, draft, half ? second : callers.approver)).uuid
}

const bucket = ({ name }: Scene) => ({ profile: 'inner-open', limit: 'newOrder', key: `account:${name()}` })

async function limited(scene: Scene): Promise<ReturnType<typeof bucket>> {
  const made = bucket(scene)
  await scene.call('post', `${BASE}/limits/override`, { ...made, rate: '10/1h' })
  return made
}

const key = ({ name }: Scene) => createHash('sha256').update(name()).digest('hex')
const block = async (scene: Scene): Promise<string> => {
  const spkiSha256 = key(scene)
  await scene.call('post', `${BASE}/blockedKeys`, { spkiSha256, reason: 'lost' })
  return spkiSha256
}

const windowDraft = (scene: Scene) => ({ profile: 'inner-open', start: hours(scene, 1), end: hours(scene, 5) })
const renewalWindow = async (scene: Scene): Promise<string> =>
  String((await scene.call('post', `${BASE}/renewalWindows`, windowDraft(scene))).renewalWindows[0].id)

/** An approval of `approver` that he had remembered: its id. */
async function remembered(scene: Scene): Promise<string> {
  const { call, callers, order, keeps } = scene
  const uuid = await order(keeps)
  const path = `${BASE}/signRequests/${uuid}`
  const { review, status } = await call('get', path)
  if (status === 'requested')
    await call('post', `${path}/approve`, { hash: review.hash, remember: '30d' }, callers.approver)
  const { rememberedApprovals } = await call('get', `${BASE}/rememberedApprovals`)
  return String(rememberedApprovals[0].id)
}

const written: NonNullable<Row['sample']> = async ({ profile }) => ({ params: { name: (await profile()).name } })

/** People and groups beside users, what is said of profiles as they are written, and the rest of what is administered. */
export const administrationRows: Rows = {
  [`GET ${BASE}/groups`]: { needs: 'member', list: true, sample: async (scene) => ({ shows: await group(scene) }) },
  [`POST ${BASE}/groups`]: {
    needs: 'admin',
    sample: ({ name }) => ({ body: { name: name(), organization: 'default' } }),
  },
  [`PATCH ${BASE}/groups/{uuid}`]: {
    needs: 'admin',
    sample: async (scene) => ({ ...(await onGroup(scene)), body: { description: 'other' } }),
  },
  [`DELETE ${BASE}/groups/{uuid}`]: { needs: 'admin', sample: onGroup },
  [`PUT ${BASE}/groups/{uuid}/members/{user}`]: {
    needs: 'admin',
    sample: async (scene) => ({ params: { uuid: await group(scene), user: 'inner-none' } }),
  },
  [`DELETE ${BASE}/groups/{uuid}/members/{user}`]: {
    needs: 'admin',
    async sample(scene) {
      const params = { uuid: await group(scene), user: 'inner-none' }
      await scene.call('put', `${BASE}/groups/${params.uuid}/members/inner-none`)
      return { params }
    },
  },
  [`GET ${BASE}/delegations`]: {
    needs: 'self',
    list: true,
    sample: async (scene) => ({ shows: await delegation(scene) }),
  },
  [`POST ${BASE}/delegations`]: {
    needs: 'member',
    but: { scoped: '403' },
    note: NEEDS_ADMIN,
    sample: (scene) => ({ body: { to: 'inner-second', until: hours(scene, 24) } }),
  },
  [`POST ${BASE}/delegations/{uuid}/end`]: {
    needs: 'self',
    hidden: true,
    sample: async (scene) => ({ params: { uuid: await delegation(scene) } }),
  },
  [`GET ${BASE}/standingApprovals`]: {
    needs: 'sees',
    list: true,
    sample: async (scene) => ({ shows: await standing(scene) }),
  },
  [`POST ${BASE}/standingApprovals`]: {
    needs: 'voter',
    but: { scoped: '403' },
    sample: (scene) => ({ body: standingDraft(scene) }),
  },
  [`POST ${BASE}/standingApprovals/{uuid}/confirm`]: {
    needs: 'voter',
    but: { scoped: '403' },
    sample: async (scene) => ({ params: { uuid: await standing(scene, true) } }),
  },
  [`POST ${BASE}/standingApprovals/{uuid}/end`]: {
    needs: 'manage',
    but: { approver: 'yes' },
    note: 'So may who gave it.',
    sample: async (scene) => ({ params: { uuid: await standing(scene) } }),
  },
  [`GET ${BASE}/limits`]: {
    needs: 'manage',
    list: true,
    sample: async (scene) => ({ shows: (await limited(scene)).key }),
  },
  [`POST ${BASE}/limits/override`]: {
    needs: 'manage',
    sample: (scene) => ({ body: { ...bucket(scene), rate: '10/1h' } }),
  },
  [`POST ${BASE}/limits/removeOverride`]: {
    needs: 'manage',
    sample: async (scene) => ({ body: await limited(scene) }),
  },
  [`POST ${BASE}/limits/reset`]: { needs: 'manage', sample: async (scene) => ({ body: await limited(scene) }) },
  [`GET ${BASE}/blockedKeys`]: { needs: 'superuser', sample: async (scene) => ({ shows: await block(scene) }) },
  [`POST ${BASE}/blockedKeys`]: {
    needs: 'superuser',
    sample: (scene) => ({ body: { spkiSha256: key(scene), reason: 'lost' } }),
  },
  [`DELETE ${BASE}/blockedKeys/{spkiSha256}`]: {
    needs: 'superuser',
    sample: async (scene) => ({ params: { spkiSha256: await block(scene) } }),
  },
  [`GET ${BASE}/renewalWindows`]: {
    needs: 'member',
    list: true,
    async sample(scene) {
      await renewalWindow(scene)
      return { shows: 'inner-open' }
    },
  },
  [`POST ${BASE}/renewalWindows`]: { needs: 'manage', sample: (scene) => ({ body: windowDraft(scene) }) },
  [`DELETE ${BASE}/renewalWindows/{id}`]: {
    needs: 'manage',
    sample: async (scene) => ({ params: { id: await renewalWindow(scene) } }),
  },
  [`GET ${BASE}/rememberedApprovals`]: {
    needs: 'manage',
    list: true,
    async sample(scene) {
      await remembered(scene)
      return { shows: 'inner-keeps' }
    },
  },
  [`DELETE ${BASE}/rememberedApprovals/{id}`]: {
    needs: 'manage',
    sample: async (scene) => ({ params: { id: await remembered(scene) } }),
  },
  [`POST ${BASE}/apply`]: {
    needs: 'admin',
    sample: ({ name }) => ({
      raw: `organization: default\ngroups:\n  - name: ${name()}\n`,
      headers: { 'content-type': 'application/yaml' },
    }),
  },
  [`GET ${BASE}/export`]: { needs: 'admin', sample: () => ({ query: '?organization=default' }) },
  [`GET ${WRITTEN}`]: { needs: 'member', list: true, ofProfile: true, sample: ({ open }) => ({ shows: open.profile }) },
  [`GET ${WRITTEN}/{name}`]: { needs: 'member', ofProfile: true, sample: () => ({ params: { name: 'inner-open' } }) },
  [`PUT ${WRITTEN}/{name}`]: {
    needs: 'manage',
    sample: async (scene) => ({ ...(await written(scene)), body: { authority: 'issuing' } }),
  },
  [`GET ${WRITTEN}/{name}/rules`]: {
    needs: 'member',
    ofProfile: true,
    sample: () => ({ params: { name: 'inner-open' } }),
  },
  [`PUT ${WRITTEN}/{name}/rules`]: { needs: 'manage', ofProfile: true, sample: written },
  ...Object.fromEntries(
    actions.flatMap((action): [string, Row][] => [
      [
        `GET ${WRITTEN}/{name}/rules/${action}`,
        { needs: 'member', ofProfile: true, sample: () => ({ params: { name: 'inner-open' } }) },
      ],
      [`PUT ${WRITTEN}/{name}/rules/${action}`, { needs: 'manage', ofProfile: true, sample: written }],
    ]),
  ),
}
