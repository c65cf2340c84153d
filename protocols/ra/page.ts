import { z } from 'zod'

/** Pages as clients ask for them: from 1, ten lines unless they say so. */
export const pageQuery = z.object({
  itemsPerPage: z.coerce.number().int().min(1).max(1000).default(10),
  pageNumber: z.coerce.number().int().min(1).max(1_000_000).default(1),
})

export const pageFields = {
  itemsPerPage: z.int(),
  pageNumber: z.int(),
  totalPages: z.int(),
  totalItems: z.int(),
}

/** What is said of a page beside its lines. */
export function pageOf({ itemsPerPage, pageNumber }: z.output<typeof pageQuery>, totalItems: number) {
  return { itemsPerPage, pageNumber, totalPages: Math.ceil(totalItems / itemsPerPage), totalItems }
}
