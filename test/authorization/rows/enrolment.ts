import { password } from '../../helpers/raLegacy.ts'
import type { Rows } from '../row.ts'
import type { Scene } from '../scene.ts'

const BASE = '/v1/countersign'
const V1 = '/v1/operations/{raProfileName}'
const PEOPLE = `${V1}/endentity` as const
const OLD = '/v1/authorities/{authorityUuid}/endentityprofiles'
const raProfileName = 'inner-open'

const challenge = async ({ call }: Scene): Promise<string> =>
  (await call('post', `${BASE}/challenges`, { profile: raProfileName, identifiers: { dns: ['inner.test'] } })).uuid

const credential = async ({ call }: Scene): Promise<string> =>
  (await call('post', `${BASE}/credentials`, { kind: 'eab', profile: raProfileName })).uuid

const draft = (username: string) => ({
  raProfile: { name: raProfileName },
  username,
  password,
  subjectDN: 'CN=inner.test',
  subjectAltName: 'DNS:inner.test',
})

/** An end entity that `asker` has added. */
async function endEntity({ call, name, callers }: Scene): Promise<string> {
  const username = name()
  await call('post', `/v1/operations/${raProfileName}/endentity`, draft(username), callers.asker)
  return username
}

/** The kept hash of a password costs what it must: one end entity for all who are refused. */
const onEndEntity = async (scene: Scene) => ({ params: { raProfileName, username: await endEntity(scene) } })

async function profileId({ call, open }: Scene): Promise<string> {
  const all: { id: number; name: string }[] = await call('get', `/v1/authorities/${open.authority}/endentityprofiles`)
  return String(all.find(({ name }) => name === raProfileName)?.id)
}

/** What lets devices and older programs in. */
export const enrolmentRows: Rows = {
  [`GET ${BASE}/challenges`]: {
    needs: 'manage',
    list: true,
    sample: async (scene) => ({ shows: await challenge(scene) }),
  },
  [`POST ${BASE}/challenges`]: {
    needs: 'manage',
    sample: () => ({ body: { profile: raProfileName, identifiers: { dns: ['inner.test'] } } }),
  },
  [`DELETE ${BASE}/challenges/{uuid}`]: {
    needs: 'manage',
    hidden: true,
    but: { readOnly: '404' },
    note: 'Only who manages the profile sees its challenges: for a read-only token there are none.',
    sample: async (scene) => ({ params: { uuid: await challenge(scene) } }),
  },
  [`GET ${BASE}/credentials`]: {
    needs: 'manage',
    list: true,
    sample: async (scene) => ({ shows: await credential(scene) }),
  },
  [`POST ${BASE}/credentials`]: { needs: 'manage', sample: () => ({ body: { kind: 'eab', profile: raProfileName } }) },
  [`DELETE ${BASE}/credentials/{uuid}`]: {
    needs: 'manage',
    sample: async (scene) => ({ params: { uuid: await credential(scene) } }),
  },
  [`GET ${PEOPLE}`]: {
    needs: 'enrols',
    async sample(scene) {
      return { params: { raProfileName }, shows: await endEntity(scene) }
    },
  },
  [`POST ${PEOPLE}`]: {
    needs: 'create_cert',
    sample: ({ name }) => ({ params: { raProfileName }, body: draft(name()) }),
  },
  [`GET ${PEOPLE}/{username}`]: { needs: 'enrols', sample: onEndEntity },
  [`POST ${PEOPLE}/{username}`]: {
    needs: 'own',
    async sample(scene) {
      const { params } = await onEndEntity(scene)
      const { password: _, ...rest } = draft(params.username)
      return { params, body: { ...rest, status: 'NEW' } }
    },
  },
  [`DELETE ${PEOPLE}/{username}`]: { needs: 'own', sample: onEndEntity },
  [`PUT ${PEOPLE}/{username}/resetPassword`]: { needs: 'own', sample: onEndEntity },
  [`POST ${V1}/certificate/issue`]: {
    needs: 'create_cert',
    async sample(scene) {
      const { params } = await onEndEntity(scene)
      const { username } = params
      return { params, body: { username, password, pkcs10: scene.csr.der.toString('base64') } }
    },
  },
  [`POST ${V1}/certificate/revoke`]: {
    needs: 'sees',
    ofProfile: true,
    record: true,
    async sample(scene) {
      const { serialNumber, issuerDn } = await scene.call('get', `/v1/certificates/${await scene.order()}`)
      return {
        params: { raProfileName },
        body: { certificateSN: serialNumber, issuerDN: issuerDn, reason: 'superseded' },
      }
    },
  },
  [`GET ${OLD}`]: {
    needs: 'member',
    list: true,
    ofProfile: true,
    but: { stranger: '404' },
    sample: () => ({ shows: raProfileName }),
  },
  [`GET ${OLD}/{endEntityProfileId}/certificateprofiles`]: {
    needs: 'member',
    ofProfile: true,
    sample: async (scene) => ({ params: { endEntityProfileId: await profileId(scene) } }),
  },
  [`GET ${OLD}/{endEntityProfileId}/cas`]: {
    needs: 'member',
    ofProfile: true,
    sample: async (scene) => ({ params: { endEntityProfileId: await profileId(scene) } }),
  },
}
