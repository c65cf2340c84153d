import { z } from 'zod'
import { certificateEntry } from './certificateSchema.ts'
import { entryView } from './certificateView.ts'
import { readFilters, searchableFields, searchFilters } from './inventorySearch.ts'
import { operation } from './operation.ts'
import { pageFields, pageOf, pageQuery } from './page.ts'
import { text } from './text.ts'

export const TAG = 'Certificate inventory'
export const ALL = '/v1/certificates'

/** In the body pages are numbers, and may be null. */
const listRequest = z.object({
  filters: searchFilters.nullish(),
  itemsPerPage: z.int().min(1).max(1000).nullish(),
  pageNumber: z.int().min(1).max(1_000_000).nullish(),
  includeArchived: z.boolean().nullish(),
})

const searchableField = z.object({
  fieldIdentifier: z.string(),
  fieldLabel: z.string(),
  type: z.enum(['string', 'list', 'datetime']),
  conditions: z.array(z.string()),
  value: z.array(z.string()).optional(),
  multiValue: z.boolean(),
})

const content = z.object({
  uuid: z.string(),
  commonName: z.string(),
  serialNumber: z.string(),
  certificateContent: z.string(),
})

export const uuids = z.array(text(200)).max(1000)

export const inventoryListOperations = [
  operation({
    method: 'post',
    path: ALL,
    tag: TAG,
    summary:
      'Lists orders and certificates, the newest first. Filters must all hold; those on what only a certificate has leave orders without one out.',
    body: listRequest,
    bodyOptional: true,
    answer: z.object({ certificates: z.array(certificateEntry), ...pageFields }),
    async run({ door, host, body }) {
      const { filters, itemsPerPage, pageNumber, includeArchived } = body ?? {}
      const page = pageQuery.parse({
        ...(itemsPerPage ? { itemsPerPage } : {}),
        ...(pageNumber ? { pageNumber } : {}),
      })
      const { among, where } = readFilters(filters ?? [], host.clock())
      const search = {
        where,
        page: page.pageNumber,
        size: page.itemsPerPage,
        ...(includeArchived ? { archived: true } : {}),
      }
      const { rows, total } =
        among === 'issued'
          ? await door.list.searchCertificates(search)
          : await door.list.searchRequests({ ...search, kind: 'sign' })
      const lines = await door.inventory.lines(rows.map(({ id }) => id))
      return { body: { certificates: lines.map(entryView), ...pageOf(page, total) } }
    },
  }),
  operation({
    method: 'get',
    path: `${ALL}/search`,
    tag: TAG,
    summary: 'Says by what certificates are filtered.',
    answer: z.array(z.object({ filterFieldSource: z.string(), searchFieldData: z.array(searchableField) })),
    async run() {
      return { body: searchableFields() }
    },
  }),
  operation({
    method: 'post',
    path: `${ALL}/content`,
    tag: TAG,
    summary: 'The certificates of many entries; those without one, and those that are not there, are left out.',
    body: uuids,
    answer: z.array(content),
    async run({ door, body }) {
      const lines = await door.inventory.lines(body)
      const contents = lines.flatMap((line) => {
        const { certificate } = line.record
        if (!certificate) return []
        const { uuid, commonName, serialNumber } = entryView(line)
        return [{ uuid, commonName, serialNumber, certificateContent: certificate.der.toString('base64') }]
      })
      return { body: contents }
    },
  }),
]
