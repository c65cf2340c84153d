import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import type { Location } from '../../src/core/inventory/location.ts'
import { type RequestAttribute, requestAttributes } from './attribute.ts'
import { firstValue } from './attributeCheck.ts'
import { asCustomAttributes } from './customAttribute.ts'
import { Unprocessable } from './errors.ts'
import { name } from './fields.ts'
import { readCsrAttributes } from './filledIn.ts'
import { type LocationBody, location } from './locationSchema.ts'
import { entityUuid, inLocation, locationView } from './locationView.ts'
import { type Call, operation } from './operation.ts'
import { pageFields, pageOf, pageQuery } from './page.ts'
import { text } from './text.ts'

const TAG = 'Locations'
const ALL = '/v1/entities/{entityUuid}/locations'
const ONE = `${ALL}/{locationUuid}` as const

const addRequest = z.object({
  name,
  /** Empty: none. */
  description: z.literal('').or(text(1000)).nullish(),
  attributes: requestAttributes,
  customAttributes: requestAttributes.nullish(),
  enabled: z.boolean().nullish(),
})
const editRequest = addRequest.omit({ name: true })
const listRequest = z.object({
  filters: z.array(z.unknown()).max(50).nullish(),
  itemsPerPage: z.int().min(1).max(1000).nullish(),
  pageNumber: z.int().min(1).max(1_000_000).nullish(),
})
const added = z.object({
  uuid: z.string(),
  /** Of a webhook, once: what its messages are signed with. */
  secret: z.string().optional(),
})

const kinds = ['folder', 'webhook'] as const

/** Kinds of places stand where the contract has entities: by uuid or by name. Throws Failure('notFound'). */
function kindOf(entity: string): Location['kind'] {
  const kind = kinds.find((one) => one === entity || entityUuid(one) === entity)
  if (!kind) throw new Failure('notFound', `there is no such entity: locations are below ${kinds.join(' or ')}`)
  return kind
}

/** Its settings as attributes: path of a folder, url and ca of a webhook; multiple of both. */
function settingsOf(kind: Location['kind'], attributes: readonly RequestAttribute[]) {
  const known = kind === 'folder' ? ['path', 'multiple'] : ['url', 'ca', 'multiple']
  const unknown = attributes.filter(({ name }) => !known.includes(name))
  if (unknown.length > 0)
    throw new Unprocessable(unknown.map(({ name }) => `attributes: ${name}: a ${kind} has ${known.join(', ')}`))
  const { multiple, ...settings } = Object.fromEntries(attributes.map((one) => [one.name, firstValue([one], one.name)]))
  if (multiple !== undefined && typeof multiple !== 'boolean')
    throw new Unprocessable(['attributes: multiple: true or false'])
  return { settings, ...(multiple === undefined ? {} : { multiple }) }
}

/** What is absent stays; an empty list of custom attributes, and an empty description, empty. */
function saidOf({ description, customAttributes, enabled }: z.output<typeof editRequest>) {
  return {
    ...(typeof description === 'string' ? { description: description || null } : {}),
    ...(customAttributes ? { attributes: asCustomAttributes(customAttributes) } : {}),
    ...(typeof enabled === 'boolean' ? { enabled } : {}),
  }
}

type Below = Pick<Call<'entityUuid' | 'locationUuid'>, 'door' | 'host' | 'params'>

/** Throws Failure('notFound') also for one of another kind or organization. */
async function locationAt({ door, params }: Pick<Below, 'door' | 'params'>): Promise<Location> {
  const kind = kindOf(params.entityUuid)
  const found = (await door.inventory.locations.list()).find(({ uuid }) => uuid === params.locationUuid)
  if (found?.kind !== kind) throw new Failure('notFound', 'there is no such location')
  return found
}

async function whole({ door, host }: Below, found: Location): Promise<LocationBody> {
  const content = await door.inventory.locations.content(found.uuid)
  const lines = await door.inventory.lines(content.map(({ id }) => id))
  const byId = new Map(lines.map((line) => [line.record.request.id, line]))
  const csrAttributes = await readCsrAttributes(
    host.db,
    lines.map(({ record }) => record.request),
  )
  return {
    ...locationView(found),
    certificates: content.flatMap((entry) => {
      const line = byId.get(entry.id)
      if (!line) return []
      const attributes = csrAttributes.get(line.record.request.uuid) ?? []
      return [inLocation({ line, location: found, entry, csrAttributes: attributes })]
    }),
  }
}

/** As it is by now. */
async function shown(call: Below): Promise<{ body: LocationBody }> {
  return { body: await whole(call, await locationAt(call)) }
}

export const locationOperations = [
  operation({
    method: 'post',
    path: '/v1/locations',
    tag: TAG,
    summary: 'Lists locations by name, without what is in them.',
    body: listRequest,
    bodyOptional: true,
    answer: z.object({ locations: z.array(location), ...pageFields }),
    async run({ door, body }) {
      if (body?.filters?.length) throw new Unprocessable(['filters: locations are not searched'])
      const { itemsPerPage, pageNumber } = body ?? {}
      const page = pageQuery.parse({ ...(itemsPerPage ? { itemsPerPage } : {}), ...(pageNumber ? { pageNumber } : {}) })
      const all = await door.inventory.locations.list()
      const from = (page.pageNumber - 1) * page.itemsPerPage
      const locations = all.slice(from, from + page.itemsPerPage).map(locationView)
      return { body: { locations, ...pageOf(page, all.length) } }
    },
  }),
  operation({
    method: 'post',
    path: ALL,
    tag: TAG,
    summary:
      'Makes a location: a folder (attribute path) or a webhook (attributes url, ca). The secret of a webhook is shown once.',
    body: addRequest,
    status: 201,
    answer: added,
    async run({ door, host, params, body }) {
      const kind = kindOf(params.entityUuid)
      const { description, ...said } = saidOf(body)
      const { uuid, secret } = await door.inventory.locations.add({
        name: body.name,
        kind,
        ...settingsOf(kind, body.attributes),
        enabled: false,
        ...said,
        ...(description ? { description } : {}),
      })
      return {
        body: { uuid, ...(secret === undefined ? {} : { secret }) },
        headers: { Location: `${host.baseUrl}/api/v1/entities/${entityUuid(kind)}/locations/${uuid}` },
      }
    },
  }),
  operation({
    method: 'get',
    path: ONE,
    tag: TAG,
    summary: 'Shows a location with the newest thousand certificates that are put there.',
    answer: location,
    run: shown,
  }),
  operation({
    method: 'put',
    path: ONE,
    tag: TAG,
    summary: 'Changes where a location is, what is said of it, and whether it is enabled.',
    body: editRequest,
    answer: location,
    async run(call) {
      const { uuid, kind } = await locationAt(call)
      await call.door.inventory.locations.change(uuid, {
        ...settingsOf(kind, call.body.attributes),
        ...saidOf(call.body),
      })
      return shown(call)
    },
  }),
  operation({
    method: 'delete',
    path: ONE,
    tag: TAG,
    summary: 'Deletes a location. What was put there stays there.',
    status: 204,
    async run(call) {
      await call.door.inventory.locations.remove((await locationAt(call)).uuid)
      return undefined
    },
  }),
  ...(['enable', 'disable'] as const).map((verb) =>
    operation({
      method: 'patch',
      path: `${ONE}/${verb}`,
      tag: TAG,
      summary: `Says that certificates ${verb === 'enable' ? 'are' : 'are not'} put there.`,
      status: 204,
      async run(call) {
        await call.door.inventory.locations.change((await locationAt(call)).uuid, { enabled: verb === 'enable' })
        return undefined
      },
    }),
  ),
  operation({
    method: 'put',
    path: `${ONE}/certificates/{certificateUuid}`,
    tag: TAG,
    summary: 'Puts a certificate there, at once or when it is issued; one that is there already once more.',
    body: z.object({ attributes: requestAttributes.nullish() }),
    bodyOptional: true,
    answer: location,
    conflict: 422,
    async run(call) {
      const { uuid } = await locationAt(call)
      const { inventory } = call.door
      const { certificateUuid } = call.params
      const there = (await inventory.locationsOf(certificateUuid)).some(({ location }) => location.uuid === uuid)
      if (there) await inventory.pushAgain(certificateUuid, uuid)
      else await inventory.associate(certificateUuid, { location: uuid, ...entryOf(call.body?.attributes ?? []) })
      return shown(call)
    },
  }),
  operation({
    method: 'delete',
    path: `${ONE}/certificates/{certificateUuid}`,
    tag: TAG,
    summary: 'Takes a certificate out of a location; what was put there stays there.',
    answer: location,
    conflict: 422,
    async run(call) {
      const { uuid } = await locationAt(call)
      await call.door.inventory.dissociate(call.params.certificateUuid, uuid)
      return shown(call)
    },
  }),
]

/** The one attribute of a push: the certificate's name there. */
function entryOf(attributes: readonly RequestAttribute[]): { entry?: string } {
  const unknown = attributes.filter(({ name }) => name !== 'entry')
  if (unknown.length > 0) throw new Unprocessable(unknown.map(({ name }) => `attributes: ${name}: there is only entry`))
  const entry = firstValue(attributes, 'entry')
  return entry === undefined ? {} : { entry: String(entry) }
}
