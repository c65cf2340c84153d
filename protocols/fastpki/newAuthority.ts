import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { nameText } from '../../src/pki/name.ts'
import { findAuthority, type SeenAuthority, seenAuthorities } from './authorityView.ts'
import { id, integer, text } from './fields.ts'
import { holdingName } from './nameHold.ts'
import { newProfile } from './newProfile.ts'
import type { Call } from './operation.ts'
import { keySizes } from './options.ts'
import { slugOf } from './slug.ts'
import { readSubject } from './subjectName.ts'
import type { FastpkiTables } from './tables.ts'

const DAY = 86_400_000

/** CACreate. */
export const newAuthority = z.object({
  name: text(200).min(1),
  description: text(500).nullish(),
  subject_dn: text(1000).min(1),
  key_size: integer(1, 1_000_000).nullish(),
  valid_days: integer(1, 36_500).nullish(),
  parent_ca_id: id.nullish(),
  path_length: integer(0, 10).nullish(),
  allow_leaf_certs: z.boolean().nullish(),
  crl_base_url: z.string().nullish(),
})

type Create = Call<string, unknown, z.output<typeof newAuthority>>

/** Throws Failure: malformed where the organization has one of that name, conflict where somebody makes one, forbidden, and what the parent's authority throws. Answers its id. */
export async function createAuthority(call: Create): Promise<number> {
  const { host, door, body } = call
  const subject = nameText(readSubject(body.subject_dn))
  const key = keyOf(body.key_size ?? 4096)
  const parent = body.parent_ca_id ? await findAuthority(call, body.parent_ca_id) : undefined
  const { organization } = await door.identities.me()
  const make = () => createNamed(call, { subject, key, parent, organization })
  return holdingName(host, { organization, name: body.name }, make)
}

interface Wanted {
  subject: string
  key: ReturnType<typeof keyOf>
  parent: SeenAuthority | undefined
  organization: string
}

async function createNamed(call: Create, { subject, key, parent, organization }: Wanted): Promise<number> {
  const { door, body } = call
  const all = await seenAuthorities(call)
  if (all.some(({ name, view }) => name === body.name && view.organization === organization))
    throw new Failure('malformed', `A CA of the name ${body.name} is there already`)
  const organizationId = (await door.admin.organizations()).find((one) => one.name === organization)?.id ?? 0
  const made = await underFreeName(body.name, all, (name) =>
    door.admin.createAuthority(
      {
        name,
        key,
        subject,
        validity: (body.valid_days ?? 3650) * DAY,
        ...(parent ? { parent: parent.view.name } : {}),
        ...(body.path_length == null ? {} : { pathLength: body.path_length }),
      },
      async (db, id) => {
        await keep(db, call, { id, organizationId, parent })
        if (body.allow_leaf_certs ?? true) await newProfile(call, db, { name, path_length: pathLengthOf(body, parent) })
      },
    ),
  )
  return made.id
}

/** What is said, or what those above leave. */
function pathLengthOf({ path_length: said }: z.output<typeof newAuthority>, parent: SeenAuthority | undefined) {
  const above = parent?.certificate.pathLength
  return above === undefined ? said : Math.min(said ?? above, above - 1)
}

function keyOf(size: number): 'RSA-2048' | 'RSA-3072' | 'RSA-4096' {
  const known = keySizes.find((one) => one === size)
  if (known) return `RSA-${known}`
  throw new Failure('badKey', `key_size: RSA keys of ${keySizes.join(', ')} bits are made here`)
}

/** Names are unique over the installation: one of another organization, which nobody here sees, must not get in the way. */
async function underFreeName<T>(
  name: string,
  seen: readonly SeenAuthority[],
  make: (slug: string) => Promise<T>,
): Promise<T> {
  const slug = slugOf(name)
  const another = `${slug}-${randomBytes(3).toString('hex')}`
  if (slug !== name || seen.some(({ view }) => view.name === slug)) return make(another)
  try {
    return await make(slug)
  } catch (error) {
    if (error instanceof Failure && error.code === 'conflict') return make(another)
    throw error
  }
}

interface Kept {
  id: number
  organizationId: number
  parent: SeenAuthority | undefined
}

/** With a child below it an authority made here signs no more leaves, as the contract has it. */
async function keep(
  db: Database,
  { host, body, requester }: Create,
  { id, organizationId, parent }: Kept,
): Promise<void> {
  const now = host.clock().getTime()
  const tables = withTables<FastpkiTables>(db)
  await tables
    .insertInto('fastpki_authorities')
    .values({
      authority_id: id,
      organization_id: organizationId,
      name: body.name,
      description: body.description ?? null,
      allow_leaf_certs: (body.allow_leaf_certs ?? true) ? 1 : 0,
      created_by: requester.people[0] ?? null,
      created_at: now,
      updated_at: now,
      deleted_at: null,
    })
    .execute()
  if (parent)
    await tables
      .updateTable('fastpki_authorities')
      .set({ allow_leaf_certs: 0, updated_at: now })
      .where('authority_id', '=', parent.view.id)
      .execute()
}
