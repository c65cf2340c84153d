import { z } from 'zod'
import {
  addEndEntity,
  type EndEntity,
  type EndEntityPlace,
  editEndEntity,
  listEndEntities,
  readEndEntity,
  resetPassword,
} from './endEntity.ts'
import { approveEndEntity, requireApprover } from './endEntityApproval.ts'
import { deleteEndEntity } from './endEntityDelete.ts'
import { type EndEntityBody, endEntityFields, readDraft } from './endEntityDraft.ts'
import { requireRecoverable } from './endEntityKeys.ts'
import { endEntityStatuses } from './endEntityStatus.ts'
import { type Call, operation } from './operation.ts'
import { text } from './text.ts'
import { V1_PLACE, V1_TAG, v1Place } from './v1Place.ts'

const PATH = `${V1_PLACE}/endentity` as const

/** As a path can name it (input.ts). */
const username = text(200)
  .min(1)
  .refine(
    (name) => /^[^\p{Cc}\p{Cs}\ufffd]+$/u.test(name) && name !== '.' && name !== '..',
    'a name without control characters',
  )

const endEntity = z.object({
  username: z.string(),
  subjectDN: z.string(),
  subjectAltName: z.string().optional(),
  email: z.string().optional(),
  status: z.enum(endEntityStatuses),
  extensionData: z.array(z.object({ name: z.string(), value: z.string() })).optional(),
})

function viewOf({ username, subject, names, email, status, extensionData }: EndEntity): z.output<typeof endEntity> {
  return {
    username,
    subjectDN: subject,
    ...(names === undefined ? {} : { subjectAltName: names }),
    ...(email === undefined ? {} : { email }),
    status,
    ...(extensionData.length > 0 ? { extensionData } : {}),
  }
}

type OfOne = Pick<Call<'raProfileName' | 'username'>, 'host' | 'door' | 'requester' | 'params'>

/** The end entity of a path, for somebody who may look at it. */
async function visible(call: OfOne) {
  const place = await v1Place(call)
  await mayLook(place)
  return { place, found: await readEndEntity(place, call.params.username) }
}

/** Likewise for somebody who may change it: with manage, or who added it and may still order. */
async function changeable(call: OfOne) {
  const { place, found } = await visible(call)
  const { door, profile, requester } = place
  if (requester.people[0] === found.addedBy) await door.enrolment.require(profile, 'create_cert', 'manage')
  else await door.enrolment.require(profile, 'manage')
  return { place, found }
}

/** Whether an edit to NEW was an approval, which it is for one that waits. Throws what requireApprover and approveEndEntity throw. */
async function approved(call: OfOne, body: EndEntityBody & { password?: string | null | undefined }): Promise<boolean> {
  const { place, found } = await visible(call)
  if (!found.awaitsApproval) return false
  await requireApprover(place, found)
  const draft = readDraft(place.door, place.profile, body)
  await approveEndEntity(place, found, { draft, ...(body.password ? { password: body.password } : {}) })
  return true
}

/** Sensible only for those who see other orders of the profile, or make their own. */
const mayLook = ({ door, profile }: EndEntityPlace) => door.enrolment.require(profile, 'read', 'create_cert', 'manage')

export const endEntityOperations = [
  operation({
    method: 'get',
    path: PATH,
    tag: V1_TAG,
    summary: 'The end entities of an RA profile, by name.',
    answer: z.array(endEntity),
    async run(call) {
      const place = await v1Place(call)
      await mayLook(place)
      return { body: (await listEndEntities(place)).map(viewOf) }
    },
  }),
  operation({
    method: 'post',
    path: PATH,
    tag: V1_TAG,
    summary: 'Adds an end entity: whoever has its password orders one certificate for its subject and names.',
    body: z.object({ ...endEntityFields, username, password: z.string().max(1000) }),
    async run(call) {
      const place = await v1Place(call)
      const { door, profile } = place
      await door.enrolment.require(profile, 'create_cert')
      const { username, password } = call.body
      await addEndEntity(place, { username, password, draft: readDraft(door, profile, call.body) })
      return undefined
    },
  }),
  operation({
    method: 'get',
    path: `${PATH}/{username}`,
    tag: V1_TAG,
    summary: 'One end entity, without its password.',
    answer: endEntity,
    async run(call) {
      return { body: viewOf((await visible(call)).found) }
    },
  }),
  operation({
    method: 'post',
    path: `${PATH}/{username}`,
    tag: V1_TAG,
    summary:
      'Replaces what an end entity gets certified, its status, and its password where one is given. NEW approves one that waits, as it is.',
    body: z.object({ ...endEntityFields, password: z.string().max(1000).nullish(), status: z.enum(endEntityStatuses) }),
    async run(call) {
      const { status, password } = call.body
      if (status === 'NEW' && (await approved(call, call.body))) return undefined
      const { place, found } = await changeable(call)
      if (status === 'KEY_RECOVERY' && found.status !== status) await requireRecoverable(place, found)
      const draft = readDraft(place.door, place.profile, call.body)
      await editEndEntity(place, found, { status, draft, ...(password ? { password } : {}) })
      return undefined
    },
  }),
  operation({
    method: 'delete',
    path: `${PATH}/{username}`,
    tag: V1_TAG,
    summary: 'Revokes all certificates that were ordered with the password of an end entity, then deletes it.',
    async run(call) {
      const { place, found } = await changeable(call)
      await deleteEndEntity(place, found)
      return undefined
    },
  }),
  operation({
    method: 'put',
    path: `${PATH}/{username}/resetPassword`,
    tag: V1_TAG,
    summary: 'Lets the password of an end entity be used once more: its status is NEW again.',
    async run(call) {
      const { place, found } = await changeable(call)
      await resetPassword(place, found)
      return undefined
    },
  }),
]
