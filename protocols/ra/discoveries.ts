import { z } from 'zod'
import type { DiscoveryPlace } from '../../src/core/discovery/discoveryView.ts'
import { name, when } from './fields.ts'
import { operation } from './operation.ts'
import { defined } from './requests.ts'
import { text } from './text.ts'

const tag = 'Discovery'
const ALL = '/v1/countersign/discoveries'
const ONE = '/v1/countersign/discoveries/{uuid}'

const outcome = z.enum([
  'found',
  'unreachable',
  'refused',
  'unreadable',
] as const satisfies readonly DiscoveryPlace['outcome'][])

const discovery = z.object({
  uuid: z.string(),
  name: z.string(),
  targets: z.array(z.string()),
  owner: z.object({ uuid: z.string(), name: z.string() }).optional(),
  enabled: z.boolean(),
  intervalHours: z.int().optional(),
  nextAt: when.optional(),
  createdAt: when,
  /** The run under way, or the last one. */
  run: z
    .object({
      running: z.boolean(),
      startedAt: when,
      endedAt: when.optional(),
      looked: z.int(),
      places: z.int(),
      found: z.int(),
      newCertificates: z.int(),
      unreachable: z.int(),
      refused: z.int(),
      unreadable: z.int(),
    })
    .optional(),
})

/** HOST:PORT, CIDR:PORT, or folder:PATH; ports with commas between. */
const targets = z.array(text(300)).min(1).max(100)
const intervalHours = z.int().min(1).max(8760)
const owner = text(99)

const place = z.object({
  place: z.string(),
  outcome,
  detail: z.string().optional(),
  certificates: z.int(),
  newCertificates: z.int(),
  lookedAt: when,
})

const sighting = z.object({
  place: z.string(),
  position: z.int(),
  firstSeenAt: when,
  lastSeenAt: when,
  goneAt: when.optional(),
  /** Those that look there; none for who may not read discoveries. */
  discoveries: z.array(z.object({ uuid: z.string(), name: z.string() })),
})

/** Certificates that are looked for at servers and in files. */
export const discoveryOperations = [
  operation({
    method: 'get',
    path: ALL,
    tag,
    summary: 'The discoveries of an organization, by name, each with its last run.',
    query: z.object({ organization: text(100).optional() }),
    answer: z.array(discovery),
    run: async ({ door, query }) => ({ body: await door.discovery.list(query.organization) }),
  }),
  operation({
    method: 'post',
    path: ALL,
    tag,
    summary:
      'Says where certificates are looked for: at once and again after each interval, or without one when asked to.',
    body: z.strictObject({
      name,
      targets,
      intervalHours: intervalHours.optional(),
      enabled: z.boolean().optional(),
      /** Name of the user who answers for it; absent: who makes it. */
      owner: owner.optional(),
      organization: text(100).optional(),
    }),
    status: 201,
    answer: discovery,
    async run({ door, body: { organization, ...draft } }) {
      return { body: await door.discovery.add(defined(draft), organization) }
    },
  }),
  operation({
    method: 'get',
    path: ONE,
    tag,
    summary: 'One discovery, with the run under way or the last one.',
    answer: discovery,
    run: async ({ door, params }) => ({ body: await door.discovery.read(params.uuid) }),
  }),
  operation({
    method: 'patch',
    path: ONE,
    tag,
    summary: 'Changes a discovery; what is absent stays. Other targets end the run under way.',
    body: z.strictObject({
      name: name.optional(),
      targets: targets.optional(),
      /** Null: it runs when it is asked to. */
      intervalHours: intervalHours.nullable().optional(),
      enabled: z.boolean().optional(),
      owner: owner.nullable().optional(),
    }),
    answer: discovery,
    run: async ({ door, params, body }) => ({ body: await door.discovery.change(params.uuid, defined(body)) }),
  }),
  operation({
    method: 'delete',
    path: ONE,
    tag,
    summary: 'Deletes a discovery. What was found stays.',
    status: 204,
    async run({ door, params }) {
      await door.discovery.remove(params.uuid)
      return undefined
    },
  }),
  operation({
    method: 'post',
    path: `${ONE}/run`,
    tag,
    summary: 'Runs it now; 409 while it is running.',
    status: 202,
    answer: discovery,
    run: async ({ door, params }) => ({ body: await door.discovery.run(params.uuid) }),
  }),
  operation({
    method: 'get',
    path: `${ONE}/places`,
    tag,
    summary: 'What the last look at each place came to; hand `next` back as `after`.',
    query: z.object({
      after: z.coerce.number().int().min(1).optional(),
      limit: z.coerce.number().int().min(1).max(200).optional(),
    }),
    answer: z.object({ places: z.array(place), next: z.int().optional() }),
    run: async ({ door, params, query }) => ({ body: await door.discovery.places(params.uuid, defined(query)) }),
  }),
  operation({
    method: 'get',
    path: '/v1/countersign/certificates/{certificateUuid}/sightings',
    tag,
    summary: 'Where a certificate was seen, when first and last, and since when something else is there.',
    answer: z.array(sighting),
    run: async ({ door, params }) => ({ body: await door.discovery.sightings(params.certificateUuid) }),
  }),
]
