import type { Row, Rows } from '../row.ts'
import { NO_CMP } from './protocolProfiles.ts'

const ALL = '/v1/raProfiles'
const UNDER = '/v1/authorities/{authorityUuid}/raProfiles'
const ONE = `${UNDER}/{raProfileUuid}` as const

/** A profile of its own, by its uuid in the path. */
const own: NonNullable<Row['sample']> = async ({ profile }) => ({
  params: { raProfileUuid: (await profile()).profile },
})
const several: NonNullable<Row['sample']> = async ({ profile }) => ({ body: [(await profile()).profile] })

const activated =
  (kind: 'acme' | 'scep', name: 'acmeProfileUuid' | 'scepProfileUuid'): NonNullable<Row['sample']> =>
  async (scene) => {
    const more = kind === 'scep' ? { caCertificateUuid: '00000000-0000-0000-0000-000000000000' } : {}
    const { uuid } = await scene.call('post', `/v1/${kind}Profiles`, { name: scene.name(), ...more })
    await scene.call('patch', `/v1/${kind}Profiles/${uuid}/enable`)
    return { params: { raProfileUuid: (await scene.profile()).profile, [name]: uuid } }
  }

const served =
  (protocol: 'acme' | 'scep' | 'cmp' | 'est'): NonNullable<Row['sample']> =>
  async ({ profile }) => ({ params: { raProfileUuid: (await profile({ protocols: { [protocol]: {} } })).profile } })

const depending = [
  { name: 'site', choices: ['north'] },
  { name: 'room', dependsOn: 'site', choicesBy: { north: ['N1'] } },
]

export const profileRows: Rows = {
  [`GET ${ALL}`]: { needs: 'member', list: true, ofProfile: true, sample: ({ open }) => ({ shows: open.profile }) },
  [`GET ${ALL}/{raProfileUuid}`]: { needs: 'member', ofProfile: true },
  [`DELETE ${ALL}/{raProfileUuid}`]: { needs: 'manage', ofProfile: true, sample: own },
  [`DELETE ${ALL}`]: { needs: 'manage', ofProfile: true, sample: several },
  [`PATCH ${ALL}/enable`]: { needs: 'manage', ofProfile: true, sample: several },
  [`PATCH ${ALL}/disable`]: { needs: 'manage', ofProfile: true, sample: several },
  [`POST ${ALL}/compliance`]: {
    needs: 'member',
    ofProfile: true,
    reads: true,
    sample: ({ open }) => ({ body: [open.profile] }),
  },
  [`POST ${ALL}/{raProfileUuid}/callback`]: {
    needs: 'member',
    ofProfile: true,
    reads: true,
    sample: async ({ profile }) => ({
      params: { raProfileUuid: (await profile({ protocols: { ra: { issueAttributes: depending } } })).profile },
      body: { name: 'room', body: { site: 'north' } },
    }),
  },
  [`GET ${UNDER}`]: {
    needs: 'member',
    list: true,
    ofProfile: true,
    but: { stranger: '404' },
    sample: ({ open }) => ({ shows: open.profile }),
  },
  [`POST ${UNDER}`]: { needs: 'manage', sample: ({ name }) => ({ body: { name: name() } }) },
  [`GET ${ONE}`]: { needs: 'member', ofProfile: true },
  [`PUT ${ONE}`]: {
    needs: 'manage',
    ofProfile: true,
    sample: async ({ profile }) => ({
      params: { raProfileUuid: (await profile()).profile },
      body: { description: 'x' },
    }),
  },
  [`DELETE ${ONE}`]: { needs: 'manage', ofProfile: true, sample: own },
  [`PATCH ${ONE}/enable`]: { needs: 'manage', ofProfile: true, sample: own },
  [`PATCH ${ONE}/disable`]: { needs: 'manage', ofProfile: true, sample: own },
  [`PATCH ${ONE}/validation`]: {
    needs: 'manage',
    ofProfile: true,
    sample: async ({ profile }) => ({ params: { raProfileUuid: (await profile()).profile }, body: { enabled: true } }),
  },
  [`PATCH ${ONE}/requestAttributes`]: {
    needs: 'manage',
    ofProfile: true,
    sample: async ({ profile }) => ({
      params: { raProfileUuid: (await profile()).profile },
      body: { mergeMode: 'staticOnly' },
    }),
  },
  [`GET ${ONE}/attributes/issue`]: { needs: 'member', ofProfile: true },
  [`GET ${ONE}/attributes/revoke`]: { needs: 'member', ofProfile: true },
  [`GET ${ONE}/complianceProfiles`]: { needs: 'member', ofProfile: true },
  [`GET ${ONE}/protocols/acme`]: { needs: 'member', ofProfile: true },
  [`PATCH ${ONE}/protocols/acme/activate/{acmeProfileUuid}`]: {
    needs: 'manage',
    ofProfile: true,
    sample: activated('acme', 'acmeProfileUuid'),
  },
  [`GET ${ONE}/protocols/scep`]: { needs: 'member', ofProfile: true },
  [`PATCH ${ONE}/protocols/scep/activate/{scepProfileUuid}`]: {
    needs: 'manage',
    ofProfile: true,
    sample: activated('scep', 'scepProfileUuid'),
  },
  [`GET ${ONE}/protocols/cmp`]: { needs: 'member', ofProfile: true },
  [`PATCH ${ONE}/protocols/cmp/activate/{cmpProfileUuid}`]: {
    needs: 'member',
    ofProfile: true,
    reads: true,
    sample: ({ open }) => ({ params: { cmpProfileUuid: open.profile } }),
    answers: 422,
    note: NO_CMP,
  },
  [`PATCH ${ONE}/protocols/cmp/activate`]: { needs: 'manage', ofProfile: true, sample: own },
  [`GET ${ONE}/protocols/est`]: { needs: 'member', ofProfile: true },
  [`PATCH ${ONE}/protocols/est/activate`]: { needs: 'manage', ofProfile: true, sample: own },
  [`PATCH ${ONE}/protocols/acme/deactivate`]: { needs: 'manage', ofProfile: true, sample: served('acme') },
  [`PATCH ${ONE}/protocols/scep/deactivate`]: { needs: 'manage', ofProfile: true, sample: served('scep') },
  [`PATCH ${ONE}/protocols/est/deactivate`]: { needs: 'manage', ofProfile: true, sample: served('est') },
  [`PATCH ${ONE}/protocols/cmp/deactivate`]: { needs: 'manage', ofProfile: true, sample: served('cmp') },
}
