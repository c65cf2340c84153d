import type { Row, Rows } from '../row.ts'
import type { Scene } from '../scene.ts'

const ALL = '/v1/countersign/discoveries'
const ONE = `${ALL}/{uuid}` as const

const draft = (name: string) => ({ name, targets: ['www.example.org'], organization: 'default' })

/** An organization has a hundred at most: the one before it goes. */
async function made({ call, name }: Scene): Promise<string> {
  const [old] = (await call('get', `${ALL}?organization=default`)) as { uuid: string }[]
  if (old) await call('delete', `${ALL}/${old.uuid}`)
  return (await call('post', ALL, draft(name()))).uuid
}

const onOne: NonNullable<Row['sample']> = async (scene) => ({ params: { uuid: await made(scene) } })

/** What is looked for, and where certificates were seen. */
export const discoveryRows: Rows = {
  [`GET ${ALL}`]: {
    needs: 'manage',
    but: { stranger: 'empty' },
    note: 'An administrator gets those of his own organization.',
    sample: async (scene) => ({ shows: await made(scene) }),
  },
  [`POST ${ALL}`]: { needs: 'manage', sample: ({ name }) => ({ body: draft(name()) }) },
  [`GET ${ONE}`]: { needs: 'manage', sample: onOne },
  [`PATCH ${ONE}`]: {
    needs: 'manage',
    sample: async (scene) => ({ ...(await onOne(scene)), body: { intervalHours: 24 } }),
  },
  [`DELETE ${ONE}`]: { needs: 'manage', sample: onOne },
  [`POST ${ONE}/run`]: { needs: 'manage', sample: onOne },
  [`GET ${ONE}/places`]: { needs: 'manage', sample: onOne },
  'GET /v1/countersign/certificates/{certificateUuid}/sightings': {
    needs: 'sees',
    record: true,
    sample: async ({ once, order }) => ({ params: { certificateUuid: await once('sighted order', () => order()) } }),
  },
}
