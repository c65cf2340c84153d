import { detailOf } from './certificateDetail.ts'
import { certificateDetail } from './certificateSchema.ts'
import { operation } from './operation.ts'

export const certificateByUuid = operation({
  method: 'get',
  path: '/v1/certificates/{uuid}',
  tag: 'Certificate inventory',
  summary: 'An order and what came of it.',
  answer: certificateDetail,
  async run(call) {
    const body = await detailOf(call, call.params.uuid)
    await call.door.inventory.opened(call.params.uuid)
    return { body }
  },
})
