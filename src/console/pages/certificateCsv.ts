import { fileResponse } from '../certificateName.ts'
import type { Visit } from '../page.ts'
import { findPage, wantedOf } from './certificateSearch.ts'

/** The list as a file, written while it is read. What is refused is refused as a page, before the first line. */
export async function csvPage(visit: Visit): Promise<Response> {
  const wanted = wantedOf(visit.query)
  const { where } = await findPage(visit, wanted, 1, 1)
  const draft = { list: 'certificate', where, ...(wanted.archived ? { archived: true } : {}) } as const
  const parts = (await visit.door.list.csv(draft))[Symbol.asyncIterator]()
  const encoder = new TextEncoder()
  const body = new ReadableStream<Uint8Array>({
    // Spreadsheets take a file for UTF-8 by this mark alone.
    start: (controller) => controller.enqueue(encoder.encode('\ufeff')),
    async pull(controller) {
      const { value, done } = await parts.next()
      if (done) controller.close()
      else controller.enqueue(encoder.encode(value))
    },
    cancel: async () => {
      await parts.return?.()
    },
  })
  const day = visit.host.clock().toISOString().slice(0, 10)
  return fileResponse(body, { name: `certificates-${day}.csv`, type: 'text/csv; charset=utf-8; header=present' })
}
