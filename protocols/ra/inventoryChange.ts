import { z } from 'zod'
import type { Door } from '../../src/core/core.ts'
import { Failure } from '../../src/core/failure.ts'
import type { Belonging } from '../../src/core/inventory/inventoryBelonging.ts'
import { Unprocessable } from './errors.ts'
import { ALL, TAG, uuids } from './inventoryList.ts'
import { searchFilters } from './inventorySearch.ts'
import { operation } from './operation.ts'
import { text } from './text.ts'

const objects = {
  groupUuids: z.array(text(200)).max(100).nullish(),
  ownerUuid: text(200).nullish(),
  raProfileUuid: text(200).nullish(),
}
const changeOne = z.object({ ...objects, trustedCa: z.boolean().nullish() })
const changeMany = z.object({ ...objects, certificateUuids: uuids.nullish(), filters: searchFilters.nullish() })
const removeMany = z.object({ uuids: uuids.nullish(), filters: searchFilters.nullish() })
const bulkAnswer = z.object({
  status: z.enum(['SUCCESS', 'FAILED', 'PARTIAL']),
  failedItem: z.int(),
  message: z.string(),
})

/** An empty text takes the owner away. */
function belongingOf({ groupUuids, ownerUuid, trustedCa }: z.output<typeof changeOne>): Belonging {
  return {
    ...(groupUuids ? { groups: groupUuids } : {}),
    ...(typeof ownerUuid === 'string' ? { owner: ownerUuid === '' ? null : ownerUuid } : {}),
    ...(typeof trustedCa === 'boolean' ? { trustedCa } : {}),
  }
}

async function assign({ inventory }: Door, refs: readonly string[], asked: z.output<typeof changeOne>): Promise<void> {
  const lines = await inventory.lines(refs)
  const found = new Set(lines.map(({ record }) => record.request.uuid))
  const missing = refs.find((uuid) => !found.has(uuid))
  if (missing !== undefined) throw new Failure('notFound', `there is no certificate ${missing}`)
  const { raProfileUuid } = asked
  if (typeof raProfileUuid === 'string' && lines.some(({ record }) => record.profile?.uuid !== raProfileUuid))
    throw new Unprocessable(['raProfileUuid: a certificate stays with the RA profile over which it was ordered'])
  const belonging = belongingOf(asked)
  if (Object.keys(belonging).length > 0) await inventory.assign(refs, belonging)
}

/** Which of many is said one by one: what a filter finds is another thing by the time it is changed. */
function namedOnes(given: readonly string[] | null | undefined, field: string): readonly string[] {
  if (given?.length) return given
  throw new Unprocessable([`${field} is required: list the certificates; filters do not choose what is changed`])
}

export const inventoryChangeOperations = [
  operation({
    method: 'patch',
    path: `${ALL}/{uuid}`,
    tag: TAG,
    summary: 'Sets groups, owner, or whether a CA certificate of others is trusted; what is absent stays.',
    body: changeOne,
    status: 204,
    conflict: 422,
    async run({ door, params, body }) {
      await assign(door, [params.uuid], body)
      return undefined
    },
  }),
  operation({
    method: 'patch',
    path: ALL,
    tag: TAG,
    summary: 'Sets groups or owner of many, all or none.',
    body: changeMany,
    status: 204,
    conflict: 422,
    async run({ door, body }) {
      await assign(door, namedOnes(body.certificateUuids, 'certificateUuids'), body)
      return undefined
    },
  }),
  operation({
    method: 'delete',
    path: `${ALL}/{uuid}`,
    tag: TAG,
    summary:
      'Deletes a certificate of others, or an order that ended without one. What was issued here is never deleted.',
    status: 204,
    conflict: 422,
    async run({ door, params }) {
      await door.inventory.remove([params.uuid])
      return undefined
    },
  }),
  operation({
    method: 'post',
    path: `${ALL}/delete`,
    tag: TAG,
    summary: 'Deletes many, all or none.',
    body: removeMany,
    answer: bulkAnswer,
    conflict: 422,
    async run({ door, body }) {
      const named = namedOnes(body.uuids, 'uuids')
      await door.inventory.remove(named)
      return { body: { status: 'SUCCESS', failedItem: 0, message: `${new Set(named).size} deleted` } }
    },
  }),
  ...(['archive', 'unarchive'] as const).flatMap((verb) => [
    operation({
      method: 'patch',
      path: `${ALL}/{uuid}/${verb}`,
      tag: TAG,
      summary: verb === 'archive' ? 'Puts an entry into the archive.' : 'Brings an entry back from the archive.',
      status: 204,
      conflict: 422,
      async run({ door, params }) {
        await door.inventory[verb]([params.uuid])
        return undefined
      },
    }),
    operation({
      method: 'patch',
      path: `${ALL}/${verb}`,
      tag: TAG,
      summary: verb === 'archive' ? 'Puts many into the archive, all or none.' : 'Brings many back, all or none.',
      body: uuids,
      status: 204,
      conflict: 422,
      async run({ door, body }) {
        await door.inventory[verb](body)
        return undefined
      },
    }),
  ]),
  operation({
    method: 'post',
    path: `${ALL}/compliance`,
    tag: TAG,
    summary: 'Nothing has to be started: findings are shown as they are at the time of each read.',
    body: z.object({ certificateUuids: uuids }),
    status: 204,
    async run({ door, body }) {
      await assign(door, body.certificateUuids, {})
      return undefined
    },
  }),
]
