import { pemEncode } from '../../../src/pki/pem.ts'
import { foreignCa } from '../../helpers/foreignCa.ts'
import type { Rows } from '../row.ts'
import type { Scene } from '../scene.ts'
import { type Given, like, own } from './like.ts'

const SIGN = '/v1/countersign/signRequests'
const REVOKE = '/v1/countersign/revokeRequests'
const CERTIFICATES = '/v1/certificates'
const PLACE = '/v2/operations/authorities/{authorityUuid}/raProfiles/{raProfileUuid}'

const ref = ({ params }: Given) => ({ ref: params.uuid })
const named = ({ params }: Given) => ({ ref: params.certificateUuid })
/** Who may not read an order does not learn that there is one. */
const record = { record: true } as const

async function onHold({ order, open, call }: Scene) {
  const uuid = await order()
  await call('post', `${open.path}/certificates/${uuid}/revoke`, { reason: 'certificateHold' })
  return { ref: uuid }
}

/** What an authority signed before it was imported. */
async function before({ app, call, name }: Scene) {
  const ca = await foreignCa(app.world.time.now, { name: name() })
  const authority = name()
  await call('post', '/v1/countersign/authorities', { kind: 'import', name: authority, pem: ca.withKey })
  return { authority, certificate: (await ca.issue()).der.toString('base64') }
}

/** Orders, revocations and certificates. */
export const requestOperations: Rows = {
  'request.ls': like(`GET ${SIGN}`),
  'request.search': like(`POST ${SIGN}/search`, () => ({ kind: 'sign' })),
  'request.show': like(`GET ${SIGN}/{uuid}`, ref),
  'request.approve': like(
    `POST ${SIGN}/{uuid}/approve`,
    ({ params, body: { hash } }) => ({ ref: params.uuid, hash }),
    record,
  ),
  'request.deny': like(`POST ${SIGN}/{uuid}/deny`, ({ params, body }) => ({ ref: params.uuid, ...body }), record),
  'request.cancel': like(`POST ${SIGN}/{uuid}/cancel`, ref, record),
  'request.retry': like(`POST ${SIGN}/{uuid}/retry`, ref, record),
  'request.mark-failed': like(
    `POST ${SIGN}/{uuid}/markFailed`,
    ({ params, body }) => ({ ref: params.uuid, ...body }),
    record,
  ),
  'request.comment': like(
    `POST ${SIGN}/{uuid}/comments`,
    ({ params, body }) => ({ ref: params.uuid, ...body }),
    record,
  ),
  'request.confirm-revoked': like(`POST ${REVOKE}/{uuid}/markFailed`, ref, record),
  'request.upload': like(
    `POST ${PLACE}/certificates/{certificateUuid}/issue/finalize`,
    ({ params, body }) => ({
      ref: params.certificateUuid,
      chain: pemEncode('CERTIFICATE', Buffer.from(body.certificate, 'base64')),
    }),
    record,
  ),
  'certificate.ls': like(`POST ${CERTIFICATES}`),
  'certificate.show': like(`GET ${CERTIFICATES}/{uuid}`, ref),
  'certificate.revocation': like(`GET ${CERTIFICATES}/{uuid}`, ref),
  'certificate.revoke': like(`POST ${PLACE}/certificates/{certificateUuid}/revoke`, named),
  'certificate.unhold': own({ needs: 'revoke_cert', record: true }, onHold),
  'certificate.import': own({ needs: 'manage' }, before),
  'certificate.export-key': own(
    {
      needs: 'export_private_key',
      answers: 400,
      note: 'Tried over a profile that has rules for exports, by which nothing is decided yet: 400 to who may.',
    },
    async ({ order }) => ({ ref: await order() }),
  ),
}
