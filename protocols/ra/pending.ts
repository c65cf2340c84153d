import { z } from 'zod'
import { requestAttributes } from './attribute.ts'
import { detailOf } from './certificateDetail.ts'
import { derOf } from './certificateRequest.ts'
import { certificateDetail } from './certificateSchema.ts'
import { asCustomAttributes } from './customAttribute.ts'
import { Unprocessable } from './errors.ts'
import { operation } from './operation.ts'
import { activeRecordIn, PLACE, recordIn } from './place.ts'
import { stateOf } from './state.ts'
import { text } from './text.ts'

const uploadRequest = z.object({
  certificate: z.string().min(1),
  customAttributes: requestAttributes.nullish(),
})

export const finalizeIssue = operation({
  method: 'post',
  path: `${PLACE}/certificates/{certificateUuid}/issue/finalize`,
  tag: 'Client operations',
  summary: 'Uploads the certificate that an authority elsewhere has issued for an order in state pending_issue.',
  body: uploadRequest,
  bodyLimit: 8 * 2 ** 20,
  answer: certificateDetail,
  conflict: 422,
  async run(call) {
    const { record } = await activeRecordIn(call)
    const state = stateOf(record)
    if (state !== 'pending_issue')
      throw new Unprocessable([`Certificate is not in PENDING_ISSUE state. Current state: ${state}`])
    const { certificate, customAttributes } = call.body
    const der = derOf(certificate, 'certificate')
    const attributes = customAttributes?.length ? asCustomAttributes(customAttributes) : undefined
    await call.door.upload(record.request.uuid, [der], attributes)
    return { body: await detailOf(call, record.request.uuid) }
  },
})

const cancelRequest = z.object({ reason: text(1000).nullish() })

export const cancelPending = operation({
  method: 'post',
  path: `${PLACE}/certificates/{certificateUuid}/cancel`,
  tag: 'Client operations',
  summary: 'Withdraws what is pending: an issuance becomes failed, a revocation leaves the certificate issued.',
  body: cancelRequest,
  bodyOptional: true,
  answer: certificateDetail,
  conflict: 422,
  async run(call) {
    const { record } = await recordIn(call)
    const { request, revocation } = record
    const state = stateOf(record)
    const reason = call.body?.reason ?? undefined
    if (revocation) await call.door.approvals.cancel('revoke', revocation.uuid, reason)
    else if (state === 'pending_issue' || state === 'pending_approval')
      await call.door.approvals.cancel('sign', request.uuid, reason)
    else throw new Unprocessable([`Cannot cancel: certificate is not in a pending state. Current state: ${state}`])
    return { body: await detailOf(call, request.uuid) }
  },
})
