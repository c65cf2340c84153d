import { parsePkcs10 } from '../../../src/core/request/csr.ts'
import { nameOf } from '../../../src/pki/name.ts'
import { pemEncode } from '../../../src/pki/pem.ts'
import type { Rows, Sample } from '../row.ts'
import type { Scene } from '../scene.ts'

const OURS = '/v1/countersign/authorities'
const ALL = '/v1/authorities'

/** An authority that is on nobody's way. */
async function authority({ call, name }: Scene): Promise<{ name: string; uuid: string }> {
  const body = { kind: 'local', name: name(), parent: 'root', subject: 'CN=inner', validity: '5y', pathLength: 0 }
  return call('post', OURS, body)
}

/** One whose parent is elsewhere, and what that has signed for its next key. */
async function rollingElsewhere({ call, name, manual }: Scene): Promise<Sample> {
  const { ca } = manual.by
  const ours = name()
  const draft = {
    type: 'ca',
    keyUsage: ['digitalSignature', 'keyCertSign', 'cRLSign'],
    subject: nameOf({ CN: ours }),
  } as const
  const { pem } = await ca.issue(draft)
  await call('post', OURS, { kind: 'import', name: ours, pem: pem + ca.certificate })
  const { csr } = await call('post', `${OURS}/${ours}/rollover`, {})
  const { publicKey } = parsePkcs10(Buffer.from(csr.data ?? csr, 'base64'))
  const { der } = await ca.issue({ ...draft, publicKey })
  return { params: { name: ours }, body: { pem: pemEncode('CERTIFICATE', der) } }
}

async function rolling(scene: Scene): Promise<{ params: { name: string } }> {
  const { name } = await authority(scene)
  await scene.call('post', `${OURS}/${name}/rollover`, {})
  return { params: { name } }
}

export const authorityRows: Rows = {
  [`GET ${OURS}`]: { needs: 'member', list: true, sample: ({ open }) => ({ shows: open.authority }) },
  [`POST ${OURS}`]: {
    needs: 'create_ca',
    sample: ({ name }) => ({
      body: { kind: 'local', name: name(), parent: 'root', subject: 'CN=inner', validity: '5y', pathLength: 0 },
    }),
  },
  [`GET ${OURS}/{name}`]: { needs: 'member', sample: () => ({ params: { name: 'issuing' } }) },
  [`PATCH ${OURS}/{name}`]: {
    needs: 'manage',
    sample: async (scene) => ({ params: { name: (await authority(scene)).name }, body: { enabled: false } }),
  },
  [`GET ${OURS}/{name}/rollover`]: { needs: 'member', sample: rolling },
  [`POST ${OURS}/{name}/rollover`]: {
    needs: 'create_ca',
    sample: async (scene) => ({ params: { name: (await authority(scene)).name } }),
  },
  [`POST ${OURS}/{name}/rollover/upload`]: {
    needs: 'create_ca',
    sample: rollingElsewhere,
  },
  [`POST ${OURS}/{name}/rollover/activate`]: { needs: 'create_ca', sample: rolling },
  [`POST ${OURS}/{name}/rollover/cancel`]: { needs: 'create_ca', sample: rolling },
  [`GET ${ALL}`]: { needs: 'member', list: true, sample: ({ open }) => ({ shows: open.authority }) },
  [`GET ${ALL}/{authorityUuid}`]: { needs: 'member' },
  [`GET ${ALL}/{authorityUuid}/caCertificates`]: { needs: 'member' },
  [`GET ${ALL}/{authorityUuid}/raProfiles/{raProfileUuid}/caCertificates`]: { needs: 'member', ofProfile: true },
  [`PATCH ${ALL}/{authorityUuid}/enable`]: {
    needs: 'manage',
    sample: async (scene) => ({ params: { authorityUuid: (await authority(scene)).uuid } }),
  },
  [`PATCH ${ALL}/{authorityUuid}/disable`]: {
    needs: 'manage',
    sample: async (scene) => ({ params: { authorityUuid: (await authority(scene)).uuid } }),
  },
}
