import type { Row, Rows } from '../row.ts'
import type { Scene } from '../scene.ts'

const STORE = '/v1/tokens/{tokenInstanceUuid}'
const PROFILES = `${STORE}/tokenProfiles` as const
const PROFILE = `${PROFILES}/{tokenProfileUuid}` as const
const KEYS = `${PROFILE}/keys/{type}` as const
const spec = [{ name: 'keySpecs', content: [{ data: 'P-256' }] }]

const store = async ({ call }: Scene, by?: Parameters<Scene['call']>[3]): Promise<string> =>
  (await call('get', '/v1/tokens', undefined, by))[0].uuid

/** The keystore of the organization, as its users see it. */
async function here(scene: Scene): Promise<{ tokenInstanceUuid: string }> {
  return { tokenInstanceUuid: await store(scene, scene.callers.asker) }
}

async function profile(scene: Scene, enabled = true): Promise<{ tokenInstanceUuid: string; tokenProfileUuid: string }> {
  const place = await here(scene)
  const body = { name: scene.name(), enabled, attributes: spec }
  const { uuid } = await scene.call('post', `/v1/tokens/${place.tokenInstanceUuid}/tokenProfiles`, body)
  return { ...place, tokenProfileUuid: uuid }
}

/** A key of the organization. */
async function key(scene: Scene): Promise<{ tokenInstanceUuid: string; uuid: string }> {
  const { tokenInstanceUuid, tokenProfileUuid } = await scene.once('token profile', () => profile(scene))
  const path = `/v1/tokens/${tokenInstanceUuid}/tokenProfiles/${tokenProfileUuid}/keys/keyPair`
  const { uuid } = await scene.call('post', path, { name: scene.name(), attributes: [], enabled: true })
  return { tokenInstanceUuid, uuid }
}

const onProfile: NonNullable<Row['sample']> = async (scene) => ({ params: await profile(scene) })
const onKey: NonNullable<Row['sample']> = async (scene) => ({ params: await key(scene) })
const onReadKey: NonNullable<Row['sample']> = async (scene) => ({
  params: await scene.once('key', () => key(scene)),
})

/** Older clients name the keystore, newer ones the key alone. */
function keyRows(path: `${typeof STORE}/keys/{uuid}` | '/v1/keys/{uuid}'): Rows {
  return {
    [`GET ${path}`]: { needs: 'member', sample: onReadKey },
    [`PATCH ${path}/destroy`]: { needs: 'manage', sample: onKey },
    [`PATCH ${path}/enable`]: { needs: 'manage', sample: onKey },
    [`PATCH ${path}/disable`]: { needs: 'manage', sample: onKey },
  }
}

/** Keys that the server holds. */
export const keystoreRows: Rows = {
  'GET /v1/tokens': {
    needs: 'member',
    list: true,
    sample: async (scene) => ({ shows: (await here(scene)).tokenInstanceUuid }),
  },
  [`GET ${STORE}`]: { needs: 'member', sample: async (scene) => ({ params: await here(scene) }) },
  [`GET ${PROFILES}/attributes`]: { needs: 'member', sample: async (scene) => ({ params: await here(scene) }) },
  'GET /v1/tokenProfiles': {
    needs: 'member',
    list: true,
    sample: async (scene) => ({ shows: (await profile(scene)).tokenProfileUuid }),
  },
  [`POST ${PROFILES}`]: {
    needs: 'admin',
    sample: async (scene) => ({ params: await here(scene), body: { name: scene.name(), attributes: spec } }),
  },
  [`GET ${PROFILE}`]: { needs: 'member', sample: onProfile },
  [`DELETE ${PROFILE}`]: { needs: 'admin', sample: onProfile },
  'DELETE /v1/tokenProfiles/{tokenProfileUuid}': { needs: 'admin', sample: onProfile },
  [`PATCH ${PROFILE}/enable`]: { needs: 'admin', sample: async (scene) => ({ params: await profile(scene, false) }) },
  [`PATCH ${PROFILE}/disable`]: { needs: 'admin', sample: onProfile },
  'POST /v1/keys': {
    needs: 'member',
    list: true,
    reads: true,
    sample: async (scene) => ({ shows: (await key(scene)).uuid }),
  },
  'GET /v1/keys/pairs': {
    needs: 'member',
    list: true,
    sample: async (scene) => ({ shows: (await key(scene)).uuid }),
  },
  [`GET ${KEYS}/attributes`]: {
    needs: 'member',
    sample: async (scene) => ({ params: { ...(await profile(scene)), type: 'keyPair' } }),
  },
  [`POST ${KEYS}`]: {
    needs: 'manage',
    sample: async (scene) => ({
      params: { ...(await profile(scene)), type: 'keyPair' },
      body: { name: scene.name(), enabled: true },
    }),
  },
  ...keyRows(`${STORE}/keys/{uuid}`),
  ...keyRows('/v1/keys/{uuid}'),
}
