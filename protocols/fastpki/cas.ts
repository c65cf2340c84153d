import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import {
  type Authority,
  authority,
  findAuthority,
  type SeenAuthority,
  seenAuthorities,
  showAuthorities,
} from './authorityView.ts'
import { paging } from './fields.ts'
import { createAuthority, newAuthority } from './newAuthority.ts'
import { type Call, operation } from './operation.ts'
import type { FastpkiTables } from './tables.ts'

const tag = 'cas'

/** Certificate authorities. */
export const authorityOperations = [
  operation({
    method: 'post',
    path: '/cas/',
    tag,
    summary:
      'Makes an authority, and, for who may, the RA profile over which it takes orders. Its private key stays here.',
    body: newAuthority,
    status: 201,
    answer: authority.extend({ private_key: z.null() }),
    async run(call) {
      const id = await createAuthority(call)
      return { body: { ...(await shown(call, id)), private_key: null } }
    },
  }),
  operation({
    method: 'get',
    path: '/cas/',
    tag,
    summary: 'The authorities of the organization; all for a superuser.',
    query: z.object(paging),
    answer: z.array(authority),
    async run(call) {
      const { skip, limit } = call.query
      return { body: await showAuthorities(call, (await seenAuthorities(call)).slice(skip, skip + limit)) }
    },
  }),
  operation({
    method: 'get',
    path: '/cas/{id}',
    tag,
    summary: 'One authority.',
    answer: authority,
    run: async (call) => ({ body: await shown(call, call.params.id) }),
  }),
  operation({
    method: 'get',
    path: '/cas/{id}/chain',
    tag,
    summary: 'The authority, then those above it.',
    answer: z.array(authority),
    async run(call) {
      const found = await findAuthority(call, call.params.id)
      return { body: await showAuthorities(call, upwards(found, await seenAuthorities(call))) }
    },
  }),
  operation({
    method: 'get',
    path: '/cas/{id}/children',
    tag,
    summary: 'The authorities right below it.',
    answer: z.array(authority),
    async run(call) {
      const { view } = await findAuthority(call, call.params.id)
      return { body: await showAuthorities(call, childrenOf(view.id, await seenAuthorities(call))) }
    },
  }),
  operation({
    method: 'get',
    path: '/cas/{id}/private-key',
    tag,
    summary: 'Always refused: the key of an authority does not leave.',
    async run(call) {
      await findAuthority(call, call.params.id)
      throw keyStays()
    },
  }),
  operation({
    method: 'delete',
    path: '/cas/{id}',
    tag,
    summary: 'Switches off an authority that has signed nothing, and shows it no more.',
    status: 204,
    async run(call) {
      const { host, door } = call
      const found = await findAuthority(call, call.params.id)
      await requireDelete(call, found)
      if (childrenOf(found.view.id, await seenAuthorities(call)).length > 0)
        throw new Failure('conflict', 'CA has child CAs and cannot be deleted')
      if (await hasCertificates(call, found)) throw new Failure('conflict', 'CA has certificates and cannot be deleted')
      await door.admin.changeAuthority(found.view.name, { enabled: false })
      await markDeleted(call, found, host.clock().getTime())
      return undefined
    },
  }),
]

export function keyStays(): Failure {
  return new Failure('forbidden', 'The private key of an authority does not leave the server: nobody exports it')
}

async function shown(call: Pick<Call, 'door' | 'host'>, id: number): Promise<Authority> {
  const [one] = await showAuthorities(call, [await findAuthority(call, id)])
  if (!one) throw new Failure('notFound', 'CA not found')
  return one
}

function childrenOf(id: number, all: readonly SeenAuthority[]): SeenAuthority[] {
  return all.filter(({ parent, view }) => parent === id && view.id !== id)
}

function upwards(from: SeenAuthority, all: readonly SeenAuthority[]): SeenAuthority[] {
  const chain = [from]
  for (;;) {
    const above = chain.at(-1)?.parent
    const next = all.find(({ view }) => view.id === above && !chain.some((one) => one.view.id === view.id))
    if (!next) return chain
    chain.push(next)
  }
}

/** Beside `manage`, which switching off needs, the contract asks for this one. */
async function requireDelete({ door }: Pick<Call, 'door'>, { view }: SeenAuthority): Promise<void> {
  const { superuser, admin, grants } = await door.identities.me()
  if (superuser || admin) return
  const may = grants.some(
    ({ capability, authority }) => capability === 'delete_ca' && (authority ?? view.name) === view.name,
  )
  if (!may) throw new Failure('forbidden', 'Not enough permissions: this needs the capability delete_ca')
}

/** Those of its RA profiles; what the installation signs for itself below an authority goes with it. */
async function hasCertificates({ door }: Pick<Call, 'door'>, { view }: SeenAuthority): Promise<boolean> {
  for (let after: number | undefined; ; ) {
    const page = await door.list.certificates({
      authority: view.name,
      archived: true,
      limit: 200,
      ...(after ? { after } : {}),
    })
    if (page.rows.some(({ profile }) => profile !== null && !profile.startsWith('@'))) return true
    if (page.next === undefined) return false
    after = page.next
  }
}

async function markDeleted(
  { host }: Pick<Call, 'host'>,
  { view, name, kept }: SeenAuthority,
  now: number,
): Promise<void> {
  if (!kept) return
  await transaction(host.db, (db) =>
    withTables<FastpkiTables>(db)
      .updateTable('fastpki_authorities')
      .set({ deleted_at: now, updated_at: now, name })
      .where('authority_id', '=', view.id)
      .execute(),
  )
}
