import { z } from 'zod'
import type { Door } from '../../src/core/core.ts'
import { Failure } from '../../src/core/failure.ts'
import { withTables } from '../../src/db/tables.ts'
import { when } from './fields.ts'
import type { Call } from './operation.ts'
import type { FastpkiTables } from './tables.ts'

export const organization = z.object({
  id: z.int(),
  name: z.string(),
  description: z.string().nullable(),
  created_at: when,
  updated_at: when,
})

type Organizations = Awaited<ReturnType<Door['admin']['organizations']>>

export async function showOrganizations(
  { host }: Pick<Call, 'host'>,
  found: Organizations,
): Promise<z.output<typeof organization>[]> {
  const kept = await withTables<FastpkiTables>(host.db).selectFrom('fastpki_organizations').selectAll().execute()
  return found.map(({ id, name, createdAt }) => {
    const row = kept.find(({ organization_id }) => organization_id === id)
    return {
      id,
      name,
      description: row?.description ?? null,
      created_at: createdAt.toISOString(),
      updated_at: (row ? new Date(row.updated_at) : createdAt).toISOString(),
    }
  })
}

/** Throws Failure('notFound') alike for none and for one that the caller does not see. */
export async function findOrganization(door: Door, id: number): Promise<Organizations[number]> {
  const found = (await door.admin.organizations()).find((one) => one.id === id)
  if (!found) throw new Failure('notFound', 'Organization not found')
  return found
}

export async function organizationNamed(door: Door, id: number): Promise<string> {
  return (await findOrganization(door, id)).name
}
