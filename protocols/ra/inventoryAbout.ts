import { z } from 'zod'
import type { InventoryLine } from '../../src/core/inventory/inventoryLines.ts'
import { baseAttribute } from './attribute.ts'
import { asBaseAttribute } from './attributeSchema.ts'
import { certificateEntry, validationStatus } from './certificateSchema.ts'
import { entryView } from './certificateView.ts'
import { csrDefinitions, csrDefinitionsOf } from './csrAttributes.ts'
import { readFilledIn, refsOf } from './filledIn.ts'
import { certificateEvents, changes, eventView } from './inventoryHistory.ts'
import { ALL, TAG } from './inventoryList.ts'
import { location } from './locationSchema.ts'
import { inLocation, locationView } from './locationView.ts'
import { operation } from './operation.ts'
import { text } from './text.ts'

const ONE = `${ALL}/{uuid}` as const
const when = z.iso.datetime()

const event = z.object({
  uuid: z.string(),
  certificateUuid: z.string(),
  created: when,
  createdBy: z.string(),
  event: z.enum(certificateEvents),
  status: z.enum(['SUCCESS', 'FAILED']),
  message: z.string(),
  additionalInformation: z.record(z.string(), z.unknown()),
})

const check = z.object({ status: validationStatus, message: z.string() })
const validation = z.object({
  resultStatus: validationStatus,
  validationChecks: z.object({
    certificate_chain: check,
    signature: check,
    certificate_validity: check,
    ocsp_verification: check,
    crl_verification: check,
    basic_constraints: check,
    key_usage: check,
  }),
  message: z.string(),
  validationTimestamp: when,
})

const simple = certificateEntry
  .pick({
    uuid: true,
    certificateType: true,
    state: true,
    commonName: true,
    subjectDn: true,
    issuerCommonName: true,
    issuerDn: true,
    serialNumber: true,
    fingerprint: true,
    publicKeyAlgorithm: true,
    signatureAlgorithm: true,
    notBefore: true,
    notAfter: true,
  })
  .extend({ relationType: z.enum(['renewal', 'rekey', 'replacement', 'pending']) })

export const inventoryAboutOperations = [
  operation({
    method: 'get',
    path: `${ONE}/history`,
    tag: TAG,
    summary: 'What happened to it, from the audit trail, the oldest first; the newest thousand events.',
    answer: z.array(event),
    async run({ door, params }) {
      const { item } = await door.inventory.entry(params.uuid)
      const events = await door.list.history(item.id)
      return { body: events.filter(changes).map((one) => eventView(one, item)) }
    },
  }),
  operation({
    method: 'get',
    path: `${ONE}/locations`,
    tag: TAG,
    summary: 'The locations that it is in.',
    answer: z.array(location),
    async run({ door, host, params }) {
      const entries = await door.inventory.locationsOf(params.uuid)
      const [line] = await door.inventory.lines([params.uuid])
      const all = new Map((await door.inventory.locations.list()).map((one) => [one.uuid, one]))
      const csrAttributes = line ? (await readFilledIn(host.db, refsOf(line.record.request))).csr : []
      return {
        body: entries.map(({ location, ...entry }) => ({
          ...locationView(all.get(location.uuid) ?? location),
          certificates: line ? [inLocation({ line, location, entry, csrAttributes })] : [],
        })),
      }
    },
  }),
  operation({
    method: 'get',
    path: `${ONE}/validate`,
    tag: TAG,
    summary: 'Looks at a certificate now, and says what was found.',
    answer: validation,
    conflict: 422,
    async run({ door, params }) {
      const { status, message, checks, at } = await door.inventory.validate(params.uuid)
      return {
        body: { resultStatus: status, validationChecks: checks, message, validationTimestamp: at.toISOString() },
      }
    },
  }),
  operation({
    method: 'get',
    path: `${ONE}/relations`,
    tag: TAG,
    summary: 'What it follows, and what follows it; pending: the successor is not issued yet.',
    answer: z.object({
      certificateUuid: z.string(),
      successorCertificates: z.array(simple),
      predecessorCertificates: z.array(simple),
    }),
    async run({ door, params }) {
      const { item } = await door.inventory.entry(params.uuid)
      const relations = await door.inventory.relations(item.id)
      const lines = await door.inventory.lines(relations.map(({ id }) => id))
      const byId = new Map(lines.map((line) => [line.record.request.id, line]))
      const those = (wanted: 'successor' | 'predecessor') =>
        relations.flatMap(({ id, kind, role, pending }) => {
          const line = role === wanted ? byId.get(id) : undefined
          return line ? [simpleView(line, pending ? 'pending' : kind)] : []
        })
      return {
        body: {
          certificateUuid: item.uuid,
          successorCertificates: those('successor'),
          predecessorCertificates: those('predecessor'),
        },
      }
    },
  }),
  ...(['patch', 'delete'] as const).map((method) =>
    operation({
      method,
      path: `${ONE}/relations/{certificateUuid}`,
      tag: TAG,
      summary:
        method === 'patch'
          ? 'Says that a certificate follows another one, the source.'
          : 'Takes back what somebody said of two certificates; a renewal stays.',
      status: 204,
      conflict: 422,
      async run({ door, params }) {
        const related = { successor: params.uuid, predecessor: params.certificateUuid }
        await (method === 'patch' ? door.inventory.relate(related) : door.inventory.unrelate(related))
        return undefined
      },
    }),
  ),
  operation({
    method: 'get',
    path: `${ALL}/csr/attributes`,
    tag: TAG,
    summary: 'What is filled in to have a key of the keystore sign a certificate request.',
    query: z.object({ raProfileUuid: text(200).optional() }),
    answer: z.array(baseAttribute),
    async run({ door, query }) {
      const { raProfileUuid: uuid } = query
      const place = uuid === undefined ? undefined : await door.serving({ uuid }, 'ra')
      const definitions = place ? csrDefinitionsOf(place.profile) : csrDefinitions
      return { body: definitions.map((definition) => asBaseAttribute({ uuid: 'csr' }, definition)) }
    },
  }),
]

function simpleView(line: InventoryLine, relationType: z.output<typeof simple>['relationType']) {
  return { ...simple.omit({ relationType: true }).parse(entryView(line)), relationType }
}
