import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { taken } from './errors.ts'
import { paging, text } from './fields.ts'
import { type Call, operation } from './operation.ts'
import { findOrganization, organization, showOrganizations } from './organizationView.ts'
import { requireAdministrator } from './rights.ts'
import type { FastpkiTables } from './tables.ts'
import { findUser, showUser, showUsers, user } from './userView.ts'

const tag = 'organizations'
const description = text(500).nullish()

/** Tenants, which see nothing of each other. */
export const organizationOperations = [
  operation({
    method: 'post',
    path: '/organizations/',
    tag,
    summary: 'Makes an organization. For superusers.',
    body: z.object({ name: text(99).min(1), description }),
    status: 201,
    answer: organization,
    async run(call) {
      const { door, body } = call
      const made = await taken('Organization name already registered', () => door.admin.createOrganization(body.name))
      if (body.description) await describe(call, made.id, body.description)
      return { body: await shown(call, made.id) }
    },
  }),
  operation({
    method: 'get',
    path: '/organizations/',
    tag,
    summary: 'The caller’s own; all for a superuser.',
    query: z.object(paging),
    answer: z.array(organization),
    async run(call) {
      const { skip, limit } = call.query
      const all = (await call.door.admin.organizations()).sort((a, b) => a.id - b.id)
      return { body: await showOrganizations(call, all.slice(skip, skip + limit)) }
    },
  }),
  operation({
    method: 'get',
    path: '/organizations/{id}',
    tag,
    summary: 'One organization.',
    answer: organization,
    run: async (call) => ({ body: await shown(call, call.params.id) }),
  }),
  operation({
    method: 'put',
    path: '/organizations/{id}',
    tag,
    summary: 'Describes an organization; its name stays. For its administrators.',
    body: z.object({ name: text(99).nullish(), description }),
    answer: organization,
    async run(call) {
      const { door, params, body } = call
      const found = await findOrganization(door, params.id)
      await requireAdministrator(call, found.name)
      if (body.name != null && body.name !== found.name)
        throw new Failure('unsupported', 'An organization keeps its name: records tell of it by that')
      if (body.description !== undefined) await describe(call, found.id, body.description)
      return { body: await shown(call, found.id) }
    },
  }),
  operation({
    method: 'delete',
    path: '/organizations/{id}',
    tag,
    summary: 'Always refused: what an organization has done stays on record.',
    status: 204,
    async run(call) {
      const { door, params } = call
      const { name } = await findOrganization(door, params.id)
      await requireAdministrator(call, name)
      const users = (await door.admin.users()).filter(({ organization }) => organization === name)
      if (users.length > 0) throw new Failure('malformed', 'Organization has users and cannot be deleted')
      throw new Failure('unsupported', 'Organizations are not deleted: what they have done stays on record')
    },
  }),
  operation({
    method: 'get',
    path: '/organizations/{id}/users',
    tag,
    summary: 'The users of an organization, as far as the caller sees them.',
    answer: z.array(user),
    async run(call) {
      const { name } = await findOrganization(call.door, call.params.id)
      const users = (await call.door.admin.users()).filter(({ organization }) => organization === name)
      return { body: await showUsers(call, users) }
    },
  }),
  operation({
    method: 'post',
    path: '/organizations/{id}/users/{user_id}',
    tag,
    summary: 'A user is in his organization from the beginning: this answers him, and refuses one of another.',
    answer: user,
    async run(call) {
      const found = await member(call)
      if (!found.inside)
        throw new Failure('unsupported', 'A user stays in the organization that he was made in: make one in this')
      return { body: await showUser(call, found.user) }
    },
  }),
  operation({
    method: 'delete',
    path: '/organizations/{id}/users/{user_id}',
    tag,
    summary: 'Always refused: a user without an organization could do nothing. Deactivate or delete him.',
    answer: user,
    async run(call) {
      const { inside } = await member(call)
      throw new Failure(
        inside ? 'unsupported' : 'malformed',
        inside
          ? 'A user stays in his organization: deactivate him (PATCH /users/{id}) or delete him'
          : 'User is not in this organization',
      )
    },
  }),
]

async function member(call: Pick<Call<'id' | 'user_id'>, 'host' | 'door' | 'requester' | 'params'>) {
  const { name } = await findOrganization(call.door, call.params.id)
  await requireAdministrator(call, name)
  const user = await findUser(call, call.params.user_id)
  return { user, inside: user.organization === name }
}

async function shown(call: Pick<Call, 'host' | 'door'>, id: number): Promise<z.output<typeof organization>> {
  const [one] = await showOrganizations(call, [await findOrganization(call.door, id)])
  if (!one) throw new Failure('notFound', 'Organization not found')
  return one
}

async function describe({ host }: Pick<Call, 'host'>, id: number, description: string | null): Promise<void> {
  const row = { description, updated_at: host.clock().getTime() }
  await transaction(host.db, (db) =>
    withTables<FastpkiTables>(db)
      .insertInto('fastpki_organizations')
      .values({ organization_id: id, ...row })
      .onConflict((conflict) => conflict.column('organization_id').doUpdateSet(row))
      .execute(),
  )
}
