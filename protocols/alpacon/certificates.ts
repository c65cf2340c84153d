import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import { authoritiesOf } from './authorityView.ts'
import { certificateView, crtText } from './certificateView.ts'
import { operation } from './operation.ts'
import { pageFields, pageOf, requireNumber, requirePage } from './page.ts'
import { ifThere } from './signRequestView.ts'

const ALL = '/api/cert/certificates/'

export const certificateOperations = [
  operation({
    method: 'GET',
    path: ALL,
    query: z.object(pageFields),
    async run({ host, door, query }) {
      requireNumber(query)
      const { rows, total } = await door.list.searchCertificates({ page: query.page, size: query.page_size })
      requirePage(query, total)
      const authorities = await authoritiesOf(door)
      const found = await Promise.all(
        rows.map(async ({ id, authority }) => {
          const certificate = await door.findCertificate({ id })
          return certificate ? [certificateView(certificate, authorities(authority), host.clock())] : []
        }),
      )
      return { body: pageOf(query, total, found.flat()) }
    },
  }),
  operation({
    method: 'GET',
    path: `${ALL}{id}/`,
    async run({ host, door, id }) {
      const found = await ifThere(door.list.record(id))
      if (!found?.certificate) throw new Failure('notFound', 'Not found.')
      const { certificate, authority } = found
      const authorities = await authoritiesOf(door)
      const view = certificateView(certificate, authorities(authority.name), host.clock())
      return { body: { ...view, crt_text: await crtText(door, certificate) } }
    },
  }),
]
