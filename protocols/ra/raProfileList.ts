import { z } from 'zod'
import type { Door } from '../../src/core/core.ts'
import { flag } from './fields.ts'
import { operation } from './operation.ts'
import { raProfile, raProfileView } from './raProfileSchema.ts'

const TAG = 'RA profiles'
const ALL = '/v1/raProfiles'

const uuids = z.array(z.string().max(200)).max(1000)

/** One after the other: the first that fails ends it, and those before it stay done. */
async function each(all: readonly string[], run: (uuid: string) => Promise<unknown>): Promise<undefined> {
  for (const uuid of new Set(all)) await run(uuid)
  return undefined
}

const enabling = (door: Door, enabled: boolean) => (uuid: string) => door.raProfiles.change(uuid, () => ({ enabled }))

/** RA profiles whatever their authority. */
export const raProfileListOperations = [
  operation({
    method: 'get',
    path: ALL,
    tag: TAG,
    summary: 'Lists all RA profiles that the caller sees, by name.',
    query: z.object({ enabled: flag.optional() }),
    answer: z.array(raProfile),
    async run({ door, query: { enabled } }) {
      const all = await door.raProfiles.list()
      const wanted = all.filter((profile) => enabled === undefined || profile.enabled === enabled)
      return { body: await Promise.all(wanted.map((profile) => raProfileView(door, profile))) }
    },
  }),
  operation({
    method: 'get',
    path: `${ALL}/{raProfileUuid}`,
    tag: TAG,
    summary: 'Shows an RA profile, with its authority.',
    answer: raProfile,
    run: async ({ door, params }) => ({
      body: await raProfileView(door, await door.raProfiles.find(params.raProfileUuid)),
    }),
  }),
  operation({
    method: 'delete',
    path: `${ALL}/{raProfileUuid}`,
    tag: TAG,
    summary: 'Deletes an RA profile over which nothing was ever ordered.',
    status: 204,
    conflict: 422,
    async run({ door, params }) {
      await door.raProfiles.remove(params.raProfileUuid)
      return undefined
    },
  }),
  operation({
    method: 'delete',
    path: ALL,
    tag: TAG,
    summary: 'Deletes several, one after the other; the first that cannot be deleted ends it.',
    body: uuids,
    status: 204,
    conflict: 422,
    run: ({ door, body }) => each(body, (uuid) => door.raProfiles.remove(uuid)),
  }),
  operation({
    method: 'patch',
    path: `${ALL}/enable`,
    tag: TAG,
    summary: 'Enables several, one after the other.',
    body: uuids,
    status: 204,
    run: ({ door, body }) => each(body, enabling(door, true)),
  }),
  operation({
    method: 'patch',
    path: `${ALL}/disable`,
    tag: TAG,
    summary: 'Disables several, one after the other.',
    body: uuids,
    status: 204,
    run: ({ door, body }) => each(body, enabling(door, false)),
  }),
  operation({
    method: 'post',
    path: `${ALL}/compliance`,
    tag: TAG,
    summary: 'Nothing has to be started: findings are shown as they are at the time of each read.',
    body: uuids,
    status: 204,
    run: ({ door, body }) => each(body, (uuid) => door.raProfiles.find(uuid)),
  }),
]
