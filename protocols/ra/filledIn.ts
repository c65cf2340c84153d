import type { Claim } from '../../src/core/core.ts'
import type { SignRequest } from '../../src/core/request/request.ts'
import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { asResponse, type RequestAttribute, type ResponseAttribute } from './attribute.ts'
import type { FilledInKind, RaTables } from './tables.ts'

type Given = Partial<Record<FilledInKind, readonly RequestAttribute[] | null | undefined>>

/**
 * Stores what a client filled in, in the transaction of what it asked for. Secrets are left out: nobody reads them afterwards.
 * `earlier` stays beside it, but for what is filled in anew.
 */
export function keepFilledIn(ref: string, given: Given, earlier: readonly ResponseAttribute[] = []): Claim {
  return async (db) => {
    const rows = Object.entries(given).flatMap(([kind, attributes]) => {
      if (!attributes?.length) return []
      const names = new Set(attributes.map(({ name }) => name))
      const kept = earlier.filter(({ name }) => !names.has(name))
      const all = [...kept, ...attributes.map((attribute) => asResponse(attribute))]
      return [{ kind: kind as FilledInKind, ref, attributes: JSON.stringify(all) }]
    })
    for (const row of rows) {
      await withTables<RaTables>(db)
        .insertInto('ra_attributes')
        .values(row)
        .onConflict((conflict) => conflict.columns(['kind', 'ref']).doUpdateSet({ attributes: row.attributes }))
        .execute()
    }
  }
}

/** By what the attributes of an order are found: its uuid, and the ref of its origin where it came over this contract. */
export function refsOf({ uuid, protocol, origin }: Pick<SignRequest, 'uuid' | 'protocol' | 'origin'>): string[] {
  return [uuid, ...(protocol === 'ra' && origin ? [origin.ref] : [])]
}

/** The attributes of the CSRs of many orders, by the uuid of each. */
export async function readCsrAttributes(
  db: Database,
  requests: readonly SignRequest[],
): Promise<Map<string, ResponseAttribute[]>> {
  const owner = new Map(requests.flatMap((request) => refsOf(request).map((ref) => [ref, request.uuid])))
  if (owner.size === 0) return new Map()
  const rows = await withTables<RaTables>(db)
    .selectFrom('ra_attributes')
    .select(['ref', 'attributes'])
    .where('kind', '=', 'csr')
    .where('ref', 'in', [...owner.keys()])
    .execute()
  return new Map(rows.map(({ ref, attributes }) => [owner.get(ref) ?? '', JSON.parse(attributes)]))
}

export type FilledIn = Record<FilledInKind, ResponseAttribute[]>

/** What was filled in with an order (by the ref of its origin) and with the last revocation (by the uuid of the certificate). */
export async function readFilledIn(db: Database, refs: readonly string[]): Promise<FilledIn> {
  const found: FilledIn = { issue: [], csr: [], revoke: [] }
  if (refs.length === 0) return found
  const rows = await withTables<RaTables>(db)
    .selectFrom('ra_attributes')
    .select(['kind', 'attributes'])
    .where('ref', 'in', refs)
    .where('kind', 'in', ['issue', 'csr', 'revoke'])
    .$narrowType<{ kind: FilledInKind }>()
    .execute()
  for (const { kind, attributes } of rows) found[kind] = JSON.parse(attributes)
  return found
}
