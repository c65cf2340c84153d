import { z } from 'zod'
import { fingerprint } from '../../src/pki/certificateReader.ts'
import { requestAttributes } from './attribute.ts'
import { derOf } from './certificateRequest.ts'
import { asCustomAttributes } from './customAttribute.ts'
import { ALL, TAG } from './inventoryList.ts'
import { type Call, operation } from './operation.ts'

const uploadRequest = z.object({ certificate: z.string().min(1), customAttributes: requestAttributes.nullish() })

async function uploaded({ door, body }: Pick<Call<never, unknown, z.output<typeof uploadRequest>>, 'door' | 'body'>) {
  const { certificate, customAttributes } = body
  const der = derOf(certificate, 'certificate')
  const { uuid } = await door.inventory.upload({
    der,
    ...(customAttributes?.length ? { attributes: asCustomAttributes(customAttributes) } : {}),
  })
  return { uuid, der }
}

export const inventoryUploadOperations = [
  operation({
    method: 'post',
    path: `${ALL}/upload`,
    tag: TAG,
    summary: 'Takes in a certificate, whoever issued it; 409 for one that is there already.',
    body: uploadRequest,
    status: 201,
    answer: z.object({ uuid: z.string() }),
    async run(call) {
      const { uuid } = await uploaded(call)
      return { body: { uuid }, headers: { Location: `${call.host.baseUrl}/api${ALL}/${uuid}` } }
    },
  }),
  operation({
    method: 'post',
    path: `${ALL}/upload/async`,
    tag: TAG,
    summary: 'As upload, and answered by the fingerprint (SHA-256); it is there already when the answer comes.',
    body: uploadRequest,
    status: 202,
    answer: z.object({ fingerprint: z.string() }),
    async run(call) {
      const { der } = await uploaded(call)
      return { body: { fingerprint: fingerprint(der) } }
    },
  }),
]
