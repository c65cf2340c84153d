import { createHmac } from 'node:crypto'
import type { Row, Rows, Sample } from '../row.ts'
import type { Scene } from '../scene.ts'
import { THERE } from './inventory.ts'

const LOCATIONS = '/v1/entities/{entityUuid}/locations'
const LOCATION = `${LOCATIONS}/{locationUuid}` as const
const CUSTOM = '/v1/attributes/custom'
const HOOKS = '/v1/countersign/webhooks'
const HOOK = `${HOOKS}/{uuid}` as const
const entityUuid = 'folder'

const folder = (name: string) => ({ name, attributes: [{ name: 'path', content: [{ data: name }] }] })

const location = async ({ call, name }: Scene): Promise<string> =>
  (await call('post', '/v1/entities/folder/locations', { ...folder(name()), enabled: true })).uuid

const onLocation: NonNullable<Row['sample']> = async (scene) => ({
  params: { entityUuid, locationUuid: await location(scene) },
})

/** A location, and a certificate of `asker` that is put there where `there`. */
const onContent =
  (there: boolean): NonNullable<Row['sample']> =>
  async (scene) => {
    const params = { entityUuid, locationUuid: await location(scene), certificateUuid: await scene.order() }
    const path = `/v1/entities/folder/locations/${params.locationUuid}/certificates/${params.certificateUuid}`
    if (there) await scene.call('put', path, {})
    return { params, body: there ? undefined : {} }
  }

const definition = (name: string) => ({ name, label: name, contentType: 'string' })
const defined = async ({ call, name }: Scene): Promise<string> => (await call('post', CUSTOM, definition(name()))).uuid
const onDefinition: NonNullable<Row['sample']> = async (scene) => ({ params: { uuid: await defined(scene) } })

interface Hook {
  uuid: string
  inboundSecret: string
}
const hookDraft = (name: string) => ({ name, url: 'https://hooks.test/inner', organization: 'default' })

/** An organization has twenty at most: the one before it goes. */
async function hook({ call, name }: Scene, more: object = {}): Promise<Hook> {
  const [old] = (await call('get', `${HOOKS}?organization=default`)) as Hook[]
  if (old) await call('delete', `${HOOKS}/${old.uuid}`)
  return call('post', HOOKS, { ...hookDraft(name()), ...more })
}

const onHook: NonNullable<Row['sample']> = async (scene) => ({ params: { uuid: (await hook(scene)).uuid } })

async function delivery(scene: Scene): Promise<{ uuid: string; deliveryUuid: string }> {
  const { uuid } = await hook(scene)
  return { uuid, deliveryUuid: (await scene.call('post', `${HOOKS}/${uuid}/ping`)).delivery }
}

/** What a ticket system sends: an approval of an order that waits for it. */
async function decision(scene: Scene): Promise<Sample> {
  const { app, call, name } = scene
  const decidesAs = name()
  const { uuid, inboundSecret } = await hook(scene, { decidesAs })
  const issue = [{ name: 'a ticket', require: [{ users: [decidesAs] }] }]
  const place = await scene.profile({ rules: { issue, renew: [], rekey: [], revoke: [], export: [] } })
  const request = await scene.order(place)
  const { review } = await call('get', `/v1/countersign/signRequests/${request}`)
  const raw = JSON.stringify({ id: decidesAs, request, hash: review.hash, verdict: 'approve', ticket: 'T-1' })
  const timestamp = String(Math.floor(app.world.time.now.getTime() / 1000))
  const mac = createHmac('sha256', inboundSecret).update(`${timestamp}.${raw}`).digest('hex')
  const headers = { 'x-countersign-timestamp': timestamp, 'x-countersign-signature': `v1=${mac}` }
  return { params: { uuid }, raw, headers }
}

/** Where certificates go, what is said of them, and who is told. */
export const placeRows: Rows = {
  'POST /v1/locations': {
    needs: 'member',
    list: true,
    reads: true,
    sample: async (scene) => ({ body: { itemsPerPage: 1000 }, shows: await location(scene) }),
  },
  [`POST ${LOCATIONS}`]: {
    needs: 'admin',
    but: { stranger: 'yes' },
    note: THERE,
    sample: ({ name }) => ({ params: { entityUuid }, body: folder(name()) }),
  },
  [`GET ${LOCATION}`]: { needs: 'member', sample: onLocation },
  [`PUT ${LOCATION}`]: {
    needs: 'admin',
    sample: async (scene) => ({ ...(await onLocation(scene)), body: { attributes: folder(scene.name()).attributes } }),
  },
  [`DELETE ${LOCATION}`]: { needs: 'admin', sample: onLocation },
  [`PATCH ${LOCATION}/enable`]: { needs: 'admin', sample: onLocation },
  [`PATCH ${LOCATION}/disable`]: { needs: 'admin', sample: onLocation },
  [`PUT ${LOCATION}/certificates/{certificateUuid}`]: {
    needs: 'manage',
    ofProfile: true,
    record: true,
    sample: onContent(false),
  },
  [`DELETE ${LOCATION}/certificates/{certificateUuid}`]: {
    needs: 'manage',
    ofProfile: true,
    record: true,
    sample: onContent(true),
  },
  [`GET ${CUSTOM}`]: { needs: 'member', list: true, sample: async (scene) => ({ shows: await defined(scene) }) },
  [`GET ${CUSTOM}/resources`]: { needs: 'known' },
  [`POST ${CUSTOM}`]: {
    needs: 'admin',
    but: { stranger: 'yes' },
    note: THERE,
    sample: ({ name }) => ({ body: definition(name()) }),
  },
  [`GET ${CUSTOM}/{uuid}`]: { needs: 'member', sample: onDefinition },
  [`PUT ${CUSTOM}/{uuid}`]: {
    needs: 'admin',
    sample: async (scene) => ({ ...(await onDefinition(scene)), body: { label: 'other' } }),
  },
  [`DELETE ${CUSTOM}/{uuid}`]: { needs: 'admin', sample: onDefinition },
  [`GET ${HOOKS}`]: {
    needs: 'admin',
    but: { stranger: 'empty' },
    note: 'An administrator gets those of his own organization.',
    sample: async (scene) => ({ shows: (await hook(scene)).uuid }),
  },
  [`POST ${HOOKS}`]: { needs: 'admin', sample: ({ name }) => ({ body: hookDraft(name()) }) },
  [`GET ${HOOK}`]: { needs: 'admin', sample: onHook },
  [`PATCH ${HOOK}`]: { needs: 'admin', sample: async (scene) => ({ ...(await onHook(scene)), body: { csr: true } }) },
  [`DELETE ${HOOK}`]: { needs: 'admin', sample: onHook },
  [`POST ${HOOK}/secret`]: {
    needs: 'admin',
    sample: async (scene) => ({ ...(await onHook(scene)), body: { which: 'outbound' } }),
  },
  [`GET ${HOOK}/deliveries`]: { needs: 'admin', sample: async (scene) => ({ params: await delivery(scene) }) },
  [`POST ${HOOK}/deliveries/{deliveryUuid}/redeliver`]: {
    needs: 'admin',
    sample: async (scene) => ({ params: { ...(await delivery(scene)) } }),
  },
  [`POST ${HOOK}/ping`]: { needs: 'admin', sample: onHook },
  [`POST ${HOOK}/decisions`]: { needs: 'open', sample: decision },
}
