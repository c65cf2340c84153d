import { z } from 'zod'
import type { UserView } from '../../src/core/admin.ts'
import { Failure } from '../../src/core/failure.ts'
import { loginPlace } from '../../src/http/session.ts'
import { giveRole } from './giveRole.ts'
import { fields, line } from './input.ts'
import { type Call, operation } from './operation.ts'
import { requireStrong, setPassword } from './password.ts'
import { ADMINISTRATOR, type Role, roleOf } from './role.ts'

const ALL = '/api/v1/accounts'
const ONE = `${ALL}/:id`
const ME = `${ALL}/me`

const password = z.string('Password is required').min(1, 'Password is required').max(800, 'the password is too long')
const roleId = z.union([z.literal(0), z.literal(1), z.literal(2), z.literal(3)], 'role_id is 0, 1, 2 or 3')

export const accountOperations = [
  operation({
    method: 'get',
    path: ALL,
    roles: [0],
    async run(call) {
      return { data: await Promise.all((await ownAccounts(call)).map((user) => viewOf(call, user))) }
    },
  }),
  operation({
    method: 'post',
    path: ALL,
    roles: [0],
    body: fields({ email: line('email', 99).min(1, 'email is required'), password, role_id: roleId }),
    status: 201,
    async run(call) {
      const { email, role_id: role } = call.body
      requireStrong(call.body.password)
      const { id, name } = await make(call, email)
      await giveRole(call, name, role)
      await setPassword(call, name, call.body.password)
      return { id }
    },
  }),
  operation({
    method: 'get',
    path: ME,
    roles: [0, 1, 2, 3],
    run: async (call) => ({ data: await viewOf(call, call.caller.user) }),
  }),
  operation({
    method: 'post',
    path: `${ME}/change_password`,
    roles: [0, 1, 2, 3],
    body: fields({ password, current_password: password.optional() }),
    status: 201,
    async run({ host, incoming, caller, body }) {
      if (body.current_password === undefined)
        throw new Failure('malformed', 'current_password is needed too: a session alone sets no password')
      requireStrong(body.password)
      const { authentication } = host.core
      const place = loginPlace(host, incoming)
      await authentication.changePassword(caller.user.name, body.current_password, body.password, place).catch(asWrong)
      return {}
    },
  }),
  operation({
    method: 'get',
    path: ONE,
    roles: [0],
    run: async (call) => ({ data: await viewOf(call, await account(call)) }),
  }),
  operation({
    method: 'delete',
    path: ONE,
    roles: [0],
    status: 202,
    async run(call) {
      const { name } = await account(call)
      if ((await ownAccounts(call)).length === 1)
        throw new Failure('malformed', 'cannot delete the last user account when OIDC is not enabled')
      await call.door.identities.removeUser(name)
      return {}
    },
  }),
  operation({
    method: 'post',
    path: `${ONE}/change_password`,
    roles: [0],
    body: fields({ password }),
    status: 201,
    async run(call) {
      await setPassword(call, (await account(call)).name, call.body.password)
      return {}
    },
  }),
  operation({
    method: 'put',
    path: `${ONE}/role`,
    roles: [0],
    body: fields({ role_id: roleId }),
    status: 201,
    async run(call) {
      const { id, name, superuser } = await account(call)
      if (superuser && call.body.role_id !== ADMINISTRATOR)
        throw new Failure('forbidden', `${name} is a superuser, who is lowered by the command line only`)
      if (id === call.caller.user.id && call.body.role_id !== ADMINISTRATOR)
        throw new Failure('malformed', 'nobody lowers himself: ask another administrator')
      await giveRole(call, name, call.body.role_id)
      return {}
    },
  }),
]

/** Whoever has a part in this contract, in the caller's organization. */
async function ownAccounts({ door, caller }: Pick<Call, 'door' | 'caller'>): Promise<UserView[]> {
  const all = await door.admin.users()
  return all
    .filter((user) => user.organization === caller.user.organization && user.enabled && roleOf(user) !== undefined)
    .sort((a, b) => a.id - b.id)
}

/** Throws Failure('notFound'). */
async function account(call: Call): Promise<UserView> {
  const found = (await ownAccounts(call)).find(({ id }) => id === call.id)
  if (!found) throw new Failure('notFound', `there is no account ${call.id}`)
  return found
}

async function make({ door }: Call, email: string): Promise<UserView> {
  try {
    return await door.admin.createUser({ name: email })
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'conflict') throw error
    throw new Failure('malformed', 'account with given email already exists', { cause: error })
  }
}

async function viewOf({ door }: Call, user: UserView) {
  const oidc = (await door.identities.bindings(user.name)).find(({ kind }) => kind === 'oidc')
  return {
    id: user.id,
    email: user.name,
    role_id: roleOf(user) as Role,
    has_password: user.hasPassword,
    has_oidc: oidc !== undefined,
    ...(oidc && 'subject' in oidc ? { oidc_subject: oidc.subject } : {}),
    auth_methods: [...(user.hasPassword ? ['local'] : []), ...(oidc ? ['oidc'] : [])],
  }
}

/** He has a session: that is not what is wrong. */
function asWrong(error: unknown): never {
  if (!(error instanceof Failure) || error.code !== 'unauthenticated') throw error
  throw new Failure('malformed', 'current_password is wrong', { cause: error })
}
