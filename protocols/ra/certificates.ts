import { certificateDetail } from './certificateSchema.ts'
import { certificateDetailView } from './certificateView.ts'
import { operation } from './operation.ts'

export const certificateByUuid = operation({
  method: 'get',
  path: '/v1/certificates/{uuid}',
  tag: 'Certificate inventory',
  summary: 'An order and what came of it.',
  answer: certificateDetail,
  async run({ door, params }) {
    return { body: certificateDetailView(await door.list.record(params.uuid)) }
  },
})
