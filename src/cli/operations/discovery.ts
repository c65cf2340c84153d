import { z } from 'zod'
import type { Door } from '../../core/core.ts'
import { Failure } from '../../core/failure.ts'
import { operation } from '../operation.ts'
import { name, page, text } from './fields.ts'

const organization = name.optional()
const targets = z.array(text(300)).min(1).max(100)
const intervalHours = z.int().min(1).max(8760)
/** Its name or uuid. */
const one = { discovery: name, organization }

async function uuidOf({ discovery }: Door, given: { discovery: string; organization?: string }): Promise<string> {
  const all = await discovery.list(given.organization)
  const found = all.find(({ uuid, name }) => name === given.discovery || uuid === given.discovery.toLowerCase())
  if (!found) throw new Failure('notFound', `there is no discovery ${given.discovery}`)
  return found.uuid
}

/** Looks at some of the places from `from` on. */
export const look = operation({
  name: 'discovery.look',
  input: z.strictObject({ targets, from: z.int().min(0).optional(), organization }),
  run: ({ door }, { targets, ...options }) => door.discovery.look(targets, options),
})

/** What was found in a file of whoever asks. */
export const take = operation({
  name: 'discovery.take',
  input: z.strictObject({
    place: text(1000),
    /** DER in base64. */
    certificates: z.array(z.base64().max(90_000)).min(1).max(16),
    organization,
  }),
  run: ({ door }, { certificates, ...found }) =>
    door.discovery.take({ ...found, certificates: certificates.map((der) => Buffer.from(der, 'base64')) }),
})

export const list = operation({
  name: 'discovery.ls',
  input: z.strictObject({ organization }),
  run: ({ door }, { organization }) => door.discovery.list(organization),
})

export const add = operation({
  name: 'discovery.add',
  input: z.strictObject({
    name,
    targets,
    intervalHours: intervalHours.optional(),
    owner: name.optional(),
    organization,
  }),
  run: ({ door }, { organization, ...draft }) => door.discovery.add(draft, organization),
})

export const remove = operation({
  name: 'discovery.rm',
  input: z.strictObject(one),
  run: async ({ door }, given) => {
    await door.discovery.remove(await uuidOf(door, given))
    return {}
  },
})

export const run = operation({
  name: 'discovery.run',
  input: z.strictObject(one),
  run: async ({ door }, given) => door.discovery.run(await uuidOf(door, given)),
})

export const places = operation({
  name: 'discovery.places',
  input: z.strictObject({ ...one, ...page }),
  run: async ({ door }, { discovery, organization, ...page }) =>
    door.discovery.places(
      await uuidOf(door, { discovery, ...(organization === undefined ? {} : { organization }) }),
      page,
    ),
})
