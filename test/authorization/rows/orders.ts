import type { Row, Rows, Sample } from '../row.ts'
import type { Scene } from '../scene.ts'

const PLACE = '/v2/operations/authorities/{authorityUuid}/raProfiles/{raProfileUuid}'
const ONE = `${PLACE}/certificates/{certificateUuid}` as const

const request = ({ csr }: Scene) => csr.der.toString('base64')

/** On an order of `asker`, with this body. */
const onOrder =
  (body?: (scene: Scene) => unknown): NonNullable<Row['sample']> =>
  async (scene) => ({ params: { certificateUuid: await scene.order() }, body: body?.(scene) })

/** An order that its authority answers elsewhere, in state pending_issue. */
async function elsewhere({ manual, order }: Scene): Promise<Sample & { params: { certificateUuid: string } }> {
  const { authority, profile } = manual
  return {
    params: { authorityUuid: authority, raProfileUuid: profile, certificateUuid: await order(manual) },
  }
}

/** The life of a certificate over REST v2. */
export const orderRows: Rows = {
  [`GET ${PLACE}/attributes/issue`]: { needs: 'member', ofProfile: true },
  [`POST ${PLACE}/attributes/issue/validate`]: { needs: 'member', ofProfile: true, reads: true },
  [`GET ${PLACE}/attributes/register`]: { needs: 'member', ofProfile: true },
  [`GET ${PLACE}/attributes/revoke`]: { needs: 'member', ofProfile: true },
  [`POST ${PLACE}/attributes/revoke/validate`]: { needs: 'member', ofProfile: true, reads: true },
  [`GET ${PLACE}/availableOperations`]: { needs: 'member', ofProfile: true },
  [`POST ${PLACE}/certificates`]: { needs: 'create_cert', sample: (scene) => ({ body: { request: request(scene) } }) },
  [`POST ${PLACE}/certificates/register`]: {
    needs: 'create_cert',
    sample: () => ({ body: { subjectDn: 'CN=inner.test', subjectAltName: 'DNS:inner.test' } }),
  },
  'POST /v1/certificates/create': {
    needs: 'create_cert',
    sample: (scene) => ({ body: { raProfileUuid: scene.open.profile, request: request(scene) } }),
  },
  [`POST ${ONE}/issue`]: {
    needs: 'create_cert',
    record: true,
    sample: async ({ draft }) => ({ params: { certificateUuid: await draft() } }),
  },
  [`POST ${ONE}/issue/finalize`]: {
    needs: 'manage',
    ofProfile: true,
    record: true,
    async sample(scene) {
      return { ...(await elsewhere(scene)), body: { certificate: await scene.signedElsewhere() } }
    },
  },
  [`POST ${ONE}/renew`]: { needs: 'create_cert', record: true, sample: onOrder() },
  [`POST ${ONE}/rekey`]: {
    needs: 'create_cert',
    record: true,
    sample: onOrder(({ otherCsr }) => ({ request: otherCsr.der.toString('base64') })),
  },
  [`POST ${ONE}/cancel`]: { needs: 'own', record: true, sample: elsewhere },
  [`POST ${ONE}/revoke`]: { needs: 'sees', record: true, sample: onOrder() },
  [`POST ${ONE}/revoke/confirm`]: {
    needs: 'manage',
    ofProfile: true,
    record: true,
    async sample(scene) {
      const made = await elsewhere(scene)
      const path = `${scene.manual.path}/certificates/${made.params.certificateUuid}`
      await scene.call('post', `${path}/issue/finalize`, { certificate: await scene.signedElsewhere() })
      await scene.call('post', `${path}/revoke`, {})
      return made
    },
  },
}
