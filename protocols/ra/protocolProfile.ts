import { z } from 'zod'
import type { Door } from '../../src/core/core.ts'
import type { OptionSet } from '../../src/core/profile/optionSets.ts'
import type { ProfileRecord } from '../../src/core/profile/raProfiles.ts'
import { operation } from './operation.ts'

export const TAG = 'Protocol profiles'

const uuids = z.array(z.string().max(200)).max(1000)

/** RaProfile in protocol profiles. */
export const simpleRaProfile = z.object({
  uuid: z.string(),
  name: z.string(),
  enabled: z.boolean(),
  authorityInstanceUuid: z.string(),
})

export function simpleView({ uuid, name, enabled, authorityUuid }: ProfileRecord): z.output<typeof simpleRaProfile> {
  return { uuid, name, enabled, authorityInstanceUuid: authorityUuid }
}

/** The RA profile that a protocol profile was made for: the one that it names, or the first that uses it. */
export function mainProfile({ profiles, details }: OptionSet): ProfileRecord | undefined {
  return profiles.find(({ uuid }) => uuid === details.raProfileUuid) ?? profiles[0]
}

/** Has the RA profile that a protocol profile was made for use it, and remembers which that is. */
export async function activateOn(
  door: Door,
  { protocol, uuid, details }: OptionSet,
  raProfileUuid: string | null | undefined,
): Promise<void> {
  if (raProfileUuid == null) return
  await door.optionSets.activate(protocol, raProfileUuid, uuid)
  await door.optionSets.change(protocol, uuid, { details: { ...details, raProfileUuid } })
}

async function each(all: readonly string[], run: (uuid: string) => Promise<unknown>): Promise<undefined> {
  for (const uuid of new Set(all)) await run(uuid)
  return undefined
}

/** What is done alike to the profiles of every protocol: below `path`, such as /v1/acmeProfiles. */
export function sharedOperations<Path extends string>(protocol: 'acme' | 'scep', path: Path) {
  const what = `${protocol.toUpperCase()} profile`
  const switching = (verb: 'enable' | 'disable') => (door: Door, uuid: string) =>
    door.optionSets.change(protocol, uuid, { enabled: verb === 'enable' })
  return [
    ...(['enable', 'disable'] as const).flatMap((verb) => [
      operation({
        method: 'patch',
        path: `${path}/{uuid}/${verb}` as `/{uuid}/${typeof verb}`,
        tag: TAG,
        summary: `${verb === 'enable' ? 'Enables' : 'Disables'} ${what}s: RA profiles that use one serve its clients while it is enabled.`,
        status: 204,
        async run({ door, params }) {
          await switching(verb)(door, params.uuid)
          return undefined
        },
      }),
      operation({
        method: 'patch',
        path: `${path}/${verb}`,
        tag: TAG,
        summary: `The same for several, one after the other.`,
        body: uuids,
        status: 204,
        run: ({ door, body }) => each(body, (uuid) => switching(verb)(door, uuid)),
      }),
    ]),
    operation({
      method: 'delete',
      path: `${path}/{uuid}` as '/{uuid}',
      tag: TAG,
      summary: `Deletes one that no RA profile uses.`,
      status: 204,
      conflict: 422,
      async run({ door, params }) {
        await door.optionSets.remove(protocol, params.uuid)
        return undefined
      },
    }),
    ...([false, true] as const).map((force) =>
      operation({
        method: 'delete',
        path: `${path}/delete${force ? '/force' : ''}`,
        tag: TAG,
        summary: force
          ? 'Deletes several, one after the other; RA profiles that use them serve the protocol no more.'
          : 'Deletes several that no RA profile uses, one after the other.',
        body: uuids,
        status: 204,
        conflict: 422,
        run: ({ door, body }) => each(body, (uuid) => door.optionSets.remove(protocol, uuid, force)),
      }),
    ),
  ]
}
