import { capabilities } from '../../src/core/identity/capability.ts'
import { createToken } from '../../src/core/login/token.ts'
import { system } from '../../src/core/requester.ts'
import { transaction } from '../../src/db/transaction.ts'
import type { Person, RaApp } from '../helpers/raApp.ts'

/** Who calls: the columns of docs/authorization.md, with what stands above them there. */
export const roles = {
  nobody: ['nobody', 'shows neither token nor session'],
  none: ['none', 'a user of the organization to whom nothing was granted'],
  reader: ['read', 'was granted `read`'],
  orderer: ['order', 'was granted `read` and `create_cert`; what the call is about is somebody else’s'],
  asker: [
    'own',
    'was granted the same as *order*; the order, revocation, end entity, token, session or account is his own',
  ],
  revoker: ['revoke', 'was granted `read` and `revoke_cert`'],
  approver: ['approve', 'was granted `approve`, and the approval rules name him'],
  manager: ['manage', 'was granted `manage`'],
  creator: ['create_ca', 'was granted `create_ca`'],
  admin: ['admin', 'an administrator of the organization'],
  superuser: ['super', 'a superuser'],
  readOnly: ['ro', 'a token of that superuser for everything, read-only'],
  scoped: ['scoped', 'a token of that superuser for every capability, on one other RA profile'],
  stranger: ['other', 'an administrator of another organization'],
} as const satisfies Record<string, readonly [string, string]>

export type Role = keyof typeof roles
export const roleNames = Object.keys(roles) as Role[]

/** Who sends what: a person, the text of a token, or nobody. */
export type Callers = Record<Role, Person | string | null>

/** One person for each column, and the tokens, in a fresh app. */
export async function createCallers(app: RaApp): Promise<Callers & { none: Person; asker: Person; approver: Person }> {
  const { superuser, stranger } = { superuser: app.admin, stranger: app.stranger }
  const elsewhere = await app.save('inner-elsewhere')
  const { id: profileId } = await app.world.profile('inner-elsewhere')
  if (elsewhere.profile === '') throw new Error('no other profile')
  const token = async (name: string, scope: NonNullable<Parameters<typeof createToken>[2]['scope']>) => {
    const change = { actor: system('test'), at: app.world.time.now }
    const made = await transaction(app.world.it.db, (db) =>
      createToken(db, change, { userId: superuser.id, name, scope }),
    )
    return made.text
  }
  return {
    nobody: null,
    none: await app.person('inner-none'),
    reader: await app.person('inner-reader', { capabilities: ['read'] }),
    orderer: await app.person('inner-orderer', { capabilities: ['read', 'create_cert'] }),
    asker: await app.person('inner-asker', { capabilities: ['read', 'create_cert'] }),
    revoker: await app.person('inner-revoker', { capabilities: ['read', 'revoke_cert'] }),
    approver: await app.person('inner-approver', { capabilities: ['approve'] }),
    manager: await app.person('inner-manager', { capabilities: ['manage'] }),
    creator: await app.person('inner-creator', { capabilities: ['create_ca'] }),
    admin: await app.person('inner-admin', { admin: true }),
    superuser,
    stranger,
    readOnly: await token('reads', { capabilities: [...capabilities, 'admin'], readOnly: true }),
    scoped: await token('elsewhere', { capabilities: [...capabilities], profileId }),
  }
}
