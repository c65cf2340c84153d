import type { Row, Rows } from '../row.ts'
import type { Scene } from '../scene.ts'

const ALL = '/v1/approvalProfiles'
const ONE = `${ALL}/{uuid}` as const
const ASSOCIATION = `${ONE}/associations/{resource}/{objectUuid}` as const
const ON_PROFILE = '/v1/authorities/{authorityUuid}/raProfiles/{raProfileUuid}/approvalProfiles'

const steps = ({ callers }: Scene) => ({
  approvalSteps: [{ userUuid: callers.approver.uuid, order: 1, requiredApprovals: 1 }],
})

const made = async (scene: Scene): Promise<string> =>
  (await scene.call('post', ALL, { name: scene.name(), enabled: true, ...steps(scene) })).uuid

const one: NonNullable<Row['sample']> = async (scene) => ({ params: { uuid: await made(scene) } })

/** With an RA profile that has it, or could. */
const onProfile =
  (there: boolean): NonNullable<Row['sample']> =>
  async (scene) => {
    const uuid = await made(scene)
    const { profile } = await scene.profile({ rules: { issue: [], renew: [], rekey: [], revoke: [], export: [] } })
    if (there) await scene.call('patch', `${ALL}/${uuid}/associations/raProfiles/${profile}`)
    const params = {
      uuid,
      approvalProfileUuid: uuid,
      raProfileUuid: profile,
      resource: 'raProfiles',
      objectUuid: profile,
    }
    return { params }
  }

const shown: NonNullable<Row['sample']> = async (scene) => {
  const sample = await onProfile(true)(scene)
  return { ...sample, shows: `${sample.params?.uuid}` }
}

export const approvalProfileRows: Rows = {
  [`GET ${ALL}`]: {
    needs: 'member',
    list: true,
    sample: async (scene) => ({ query: '?itemsPerPage=1000', shows: await made(scene) }),
  },
  [`POST ${ALL}`]: { needs: 'manage', sample: (scene) => ({ body: { name: scene.name(), ...steps(scene) } }) },
  [`GET ${ONE}`]: { needs: 'member', sample: one },
  [`PUT ${ONE}`]: {
    needs: 'manage',
    sample: async (scene) => ({ params: { uuid: await made(scene) }, body: steps(scene) }),
  },
  [`DELETE ${ONE}`]: { needs: 'manage', sample: one },
  [`PATCH ${ONE}/enable`]: { needs: 'manage', sample: one },
  [`PATCH ${ONE}/disable`]: { needs: 'manage', sample: one },
  [`GET ${ONE}/associations`]: {
    needs: 'member',
    async sample(scene) {
      const sample = await onProfile(true)(scene)
      return { ...sample, shows: `${sample.params?.objectUuid}` }
    },
  },
  [`GET ${ALL}/associations/{resource}/{objectUuid}`]: { needs: 'member', ofProfile: true, sample: shown },
  [`GET ${ON_PROFILE}`]: { needs: 'member', ofProfile: true, sample: shown },
  [`PATCH ${ON_PROFILE}/{approvalProfileUuid}`]: { needs: 'manage', ofProfile: true, sample: onProfile(false) },
  [`PATCH ${ASSOCIATION}`]: { needs: 'manage', ofProfile: true, sample: onProfile(false) },
  [`DELETE ${ON_PROFILE}/{approvalProfileUuid}`]: { needs: 'manage', ofProfile: true, sample: onProfile(true) },
  [`DELETE ${ASSOCIATION}`]: { needs: 'manage', ofProfile: true, sample: onProfile(true) },
}
