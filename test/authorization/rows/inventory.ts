import type { Row, Rows } from '../row.ts'
import type { Scene } from '../scene.ts'

export const THERE = 'A stranger does so for his own organization.'

const ALL = '/v1/certificates'
const ONE = `${ALL}/{uuid}` as const

const onOrder =
  (more: { query?: string; body?: unknown } = {}): NonNullable<Row['sample']> =>
  async ({ order }) => ({ params: { uuid: await order() }, ...more })

const several: NonNullable<Row['sample']> = async ({ order }) => ({ body: [await order()] })

/** A certificate of somebody else's that nobody has uploaded yet, as base64 of DER. */
export const foreign = async ({ elsewhere }: Scene): Promise<string> => (await elsewhere.issue()).der.toString('base64')

const uploaded = async (scene: Scene): Promise<string> =>
  (await scene.call('post', `${ALL}/upload`, { certificate: await foreign(scene) })).uuid

/** An order of `asker` that is only read. */
const read = ({ once, order }: Scene) => once('order', () => order())
const onRead: NonNullable<Row['sample']> = async (scene) => ({ params: { uuid: await read(scene) } })

const onFormat =
  (certificateFormat: string): NonNullable<Row['sample']> =>
  async (scene) => ({ params: { uuid: await read(scene), certificateFormat } })

/** Two certificates, of which the second follows the first where `told`. */
const related =
  (told: boolean): NonNullable<Row['sample']> =>
  async (scene) => {
    const params = { uuid: await uploaded(scene), certificateUuid: await uploaded(scene) }
    if (told) await scene.call('patch', `${ALL}/${params.uuid}/relations/${params.certificateUuid}`)
    return { params }
  }

const archived = async (scene: Scene): Promise<string> => {
  const uuid = await scene.order()
  await scene.call('patch', `${ALL}/${uuid}/archive`)
  return uuid
}

/** Everything that was ordered, issued and uploaded. */
export const inventoryRows: Rows = {
  [`POST ${ALL}`]: { needs: 'sees', list: true, reads: true, sample: async ({ order }) => ({ shows: await order() }) },
  [`GET ${ALL}/search`]: { needs: 'known' },
  [`GET ${ALL}/csr/attributes`]: { needs: 'known' },
  [`POST ${ALL}/content`]: {
    needs: 'sees',
    list: true,
    reads: true,
    async sample({ order }) {
      const uuid = await order()
      return { body: [uuid], shows: uuid }
    },
  },
  [`GET ${ONE}`]: { needs: 'sees', record: true, sample: onRead },
  [`PATCH ${ONE}`]: { needs: 'manage', ofProfile: true, record: true, sample: onOrder({ body: { groupUuids: [] } }) },
  [`PATCH ${ALL}`]: {
    needs: 'manage',
    ofProfile: true,
    record: true,
    sample: async ({ order }) => ({ body: { certificateUuids: [await order()], groupUuids: [] } }),
  },
  [`DELETE ${ONE}`]: {
    needs: 'manage',
    ofProfile: true,
    record: true,
    sample: async (scene) => ({ params: { uuid: await uploaded(scene) } }),
  },
  [`POST ${ALL}/delete`]: {
    needs: 'manage',
    ofProfile: true,
    record: true,
    sample: async (scene) => ({ body: { uuids: [await uploaded(scene)] } }),
  },
  [`PATCH ${ONE}/archive`]: { needs: 'manage', ofProfile: true, record: true, sample: onOrder() },
  [`PATCH ${ALL}/archive`]: { needs: 'manage', ofProfile: true, record: true, sample: several },
  [`PATCH ${ONE}/unarchive`]: {
    needs: 'manage',
    ofProfile: true,
    record: true,
    sample: async (scene) => ({ params: { uuid: await archived(scene) } }),
  },
  [`PATCH ${ALL}/unarchive`]: {
    needs: 'manage',
    ofProfile: true,
    record: true,
    sample: async (scene) => ({ body: [await archived(scene)] }),
  },
  [`POST ${ALL}/compliance`]: {
    needs: 'sees',
    record: true,
    reads: true,
    sample: async ({ order }) => ({ body: { certificateUuids: [await order()] } }),
  },
  [`POST ${ALL}/upload`]: {
    needs: 'manage',
    but: { stranger: 'yes' },
    note: THERE,
    sample: async (scene) => ({ body: { certificate: await foreign(scene) } }),
  },
  [`POST ${ALL}/upload/async`]: {
    needs: 'manage',
    but: { stranger: 'yes' },
    note: THERE,
    sample: async (scene) => ({ body: { certificate: await foreign(scene) } }),
  },
  [`GET ${ONE}/{certificateFormat}`]: { needs: 'sees', record: true, sample: onFormat('raw') },
  [`GET ${ONE}/chain`]: { needs: 'sees', record: true, sample: onRead },
  [`GET ${ONE}/chain/{certificateFormat}`]: { needs: 'sees', record: true, sample: onFormat('pkcs7') },
  [`GET ${ONE}/history`]: { needs: 'sees', record: true, sample: onRead },
  [`GET ${ONE}/locations`]: { needs: 'sees', record: true, sample: onRead },
  [`GET ${ONE}/validate`]: { needs: 'sees', record: true, sample: onRead },
  [`GET ${ONE}/relations`]: { needs: 'sees', record: true, sample: onRead },
  [`PATCH ${ONE}/relations/{certificateUuid}`]: {
    needs: 'manage',
    ofProfile: true,
    record: true,
    sample: related(false),
  },
  [`DELETE ${ONE}/relations/{certificateUuid}`]: {
    needs: 'manage',
    ofProfile: true,
    record: true,
    sample: related(true),
  },
}
