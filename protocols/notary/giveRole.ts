import { Failure } from '../../src/core/failure.ts'
import type { Call } from './operation.ts'
import { ADMINISTRATOR, coreRoles, type Role } from './role.ts'

/** Makes a user what a number says, and nothing else of the contract's. Throws Failure. */
export async function giveRole(call: Call, user: string, role: Role): Promise<void> {
  const { admin } = call.door
  if (role !== ADMINISTRATOR) {
    await ensureRole(call, role)
    await admin.addToRole(user, coreRoles[role].name)
  }
  await admin.changeUser(user, { admin: role === ADMINISTRATOR })
  const roles = await call.door.identities.roles()
  for (const other of [1, 2, 3] as const) {
    const { name } = coreRoles[other]
    const isMember = roles.some(
      (one) =>
        one.name === name &&
        one.organization === call.caller.user.organization &&
        one.members.includes(user.toLowerCase()),
    )
    if (other !== role && isMember) await admin.removeFromRole(user, name)
  }
}

/**
 * The core's role of that number, with what it is granted. One that has members already is as its administrators have made it; one that has none
 * may have been left half done.
 */
async function ensureRole({ door, caller }: Call, role: Exclude<Role, 0>): Promise<void> {
  const { name, capabilities } = coreRoles[role]
  const { organization } = caller.user
  const find = async () =>
    (await door.identities.roles()).find((one) => one.name === name && one.organization === organization)
  const known = (await find()) ?? (await door.identities.createRole({ name }).catch(unlessMade)) ?? (await find())
  if (!known || known.members.length > 0) return
  for (const capability of capabilities)
    if (!known.capabilities.some((one) => one.capability === capability))
      await door.admin.grant({ role: name, capability })
}

/** By another administrator, at the same moment. */
function unlessMade(error: unknown): undefined {
  if (error instanceof Failure && error.code === 'conflict') return undefined
  throw error
}
