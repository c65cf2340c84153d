import type { AcmeTables } from '../../../protocols/acme/tables.ts'
import { uuidv7 } from '../../../src/core/uuid.ts'
import { withTables } from '../../../src/db/tables.ts'
import { transaction } from '../../../src/db/transaction.ts'
import type { Row, Rows } from '../row.ts'
import type { Scene } from '../scene.ts'

/** For the page. */
export const NO_CMP = 'There are no CMP profiles: the contract’s operations are there and always say so.'

type Kind = 'acme' | 'scep'
const OWN_KEY = '00000000-0000-0000-0000-000000000000'
const more = { acme: {}, scep: { caCertificateUuid: OWN_KEY } } as const satisfies Record<Kind, object>

const made = async (scene: Scene, kind: Kind): Promise<string> =>
  (await scene.call('post', `/v1/${kind}Profiles`, { name: scene.name(), ...more[kind] })).uuid

function rows(kind: Kind): Rows {
  const path = `/v1/${kind}Profiles` as const
  const one: NonNullable<Row['sample']> = async (scene) => ({ params: { uuid: await made(scene, kind) } })
  const several: NonNullable<Row['sample']> = async (scene) => ({ body: [await made(scene, kind)] })
  return {
    [`GET ${path}`]: { needs: 'member', list: true, sample: async (scene) => ({ shows: await made(scene, kind) }) },
    [`POST ${path}`]: {
      needs: 'manage',
      ofProfile: true,
      sample: async (scene) => ({
        body: { name: scene.name(), ...more[kind], raProfileUuid: (await scene.profile()).profile },
      }),
    },
    [`GET ${path}/{uuid}`]: { needs: 'member', sample: one },
    [`PUT ${path}/{uuid}`]: {
      needs: 'manage',
      sample: async (scene) => ({ params: { uuid: await made(scene, kind) }, body: more[kind] }),
    },
    [`PATCH ${path}/{uuid}/enable`]: { needs: 'manage', sample: one },
    [`PATCH ${path}/enable`]: { needs: 'manage', sample: several },
    [`PATCH ${path}/{uuid}/disable`]: { needs: 'manage', sample: one },
    [`PATCH ${path}/disable`]: { needs: 'manage', sample: several },
    [`DELETE ${path}/{uuid}`]: { needs: 'manage', sample: one },
    [`DELETE ${path}/delete`]: { needs: 'manage', sample: several },
    [`DELETE ${path}/delete/force`]: { needs: 'manage', sample: several },
  }
}

/** An ACME account of the profile `inner-open`. */
async function account({ app, open, name }: Scene): Promise<string> {
  const { id, name: profile } = await app.world.profile('inner-open')
  const uuid = uuidv7(app.world.time.now)
  await transaction(app.world.it.db, (db) =>
    withTables<AcmeTables>(db)
      .insertInto('acme_accounts')
      .values({
        uuid,
        profile_id: id,
        profile,
        jwk: '{}',
        thumbprint: name(),
        status: 'valid',
        contact: '[]',
        terms_agreed: null,
        created_at: app.world.time.now.getTime(),
      })
      .execute(),
  )
  if (open.profile === '') throw new Error('no profile')
  return uuid
}

const oneAccount: NonNullable<Row['sample']> = async (scene) => ({
  params: { acmeProfileUuid: scene.open.profile, acmeAccountUuid: await account(scene) },
})
const severalAccounts: NonNullable<Row['sample']> = async (scene) => ({ body: [await account(scene)] })
const cmp: NonNullable<Row['sample']> = ({ open }) => ({ params: { uuid: open.profile } })
const ACCOUNT = '/v1/acmeProfiles/{acmeProfileUuid}/acmeAccounts/{acmeAccountUuid}'

export const protocolProfileRows: Rows = {
  ...rows('acme'),
  ...rows('scep'),
  'PATCH /v1/acmeProfiles/{uuid}/raprofile/{raProfileUuid}': {
    needs: 'manage',
    ofProfile: true,
    sample: async (scene) => ({
      params: { uuid: await made(scene, 'acme'), raProfileUuid: (await scene.profile()).profile },
    }),
  },
  'GET /v1/scepProfiles/caCertificates': {
    needs: 'member',
    list: true,
    async sample({ call, name }) {
      const draft = { kind: 'local', name: name(), key: 'RSA-2048', parent: 'root', validity: '5y' }
      await call('post', '/v1/countersign/authorities', { ...draft, subject: 'CN=inner-rsa' })
      return { shows: 'inner-rsa' }
    },
  },
  'GET /v1/cmpProfiles': { needs: 'known' },
  'POST /v1/cmpProfiles': { needs: 'known', reads: true, answers: 422, note: NO_CMP },
  'GET /v1/cmpProfiles/{uuid}': { needs: 'known', reads: true, sample: cmp, answers: 404, note: NO_CMP },
  'PUT /v1/cmpProfiles/{uuid}': { needs: 'known', reads: true, sample: cmp, answers: 404, note: NO_CMP },
  'DELETE /v1/cmpProfiles/{uuid}': { needs: 'known', reads: true, sample: cmp, answers: 404, note: NO_CMP },
  'GET /v1/acmeAccounts': {
    needs: 'manage',
    list: true,
    ofProfile: true,
    sample: async (scene) => ({ shows: await account(scene) }),
  },
  [`GET ${ACCOUNT}`]: { needs: 'manage', reads: true, ofProfile: true, sample: oneAccount },
  [`PATCH ${ACCOUNT}/enable`]: { needs: 'manage', ofProfile: true, sample: oneAccount },
  [`PATCH ${ACCOUNT}/disable`]: { needs: 'manage', ofProfile: true, sample: oneAccount },
  [`POST ${ACCOUNT}`]: { needs: 'manage', ofProfile: true, sample: oneAccount },
  'PATCH /v1/acmeAccounts/enable': { needs: 'manage', ofProfile: true, sample: severalAccounts },
  'PATCH /v1/acmeAccounts/disable': { needs: 'manage', ofProfile: true, sample: severalAccounts },
  'PUT /v1/acmeAccounts/revoke': { needs: 'manage', ofProfile: true, sample: severalAccounts },
}
