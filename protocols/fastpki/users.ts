import { z } from 'zod'
import type { UserView } from '../../src/core/admin.ts'
import type { Door } from '../../src/core/core.ts'
import { Failure } from '../../src/core/failure.ts'
import { email, forgetEmail, keepEmail, withEmail } from './email.ts'
import { taken } from './errors.ts'
import { id, paging, text } from './fields.ts'
import { type Call, operation } from './operation.ts'
import { organizationNamed } from './organizationView.ts'
import { requireAdministrator, requireOver } from './rights.ts'
import { type Flag, findUser, flags, flagsOf, type Role, roles, showUser, showUsers, user } from './userView.ts'

const tag = 'users'

/** Twelve characters, where the contract says eight: what the installation asks of everybody. */
const password = z
  .string()
  .min(12)
  .max(400)
  .refine((given) => isLong(given), 'A password has 12 to 200 characters')

function isLong(given: string): boolean {
  const { length } = [...given.normalize('NFC')]
  return length >= 12 && length <= 200
}

const flag = z.boolean().nullish()
const permissions = {
  can_create_ca: flag,
  can_create_cert: flag,
  can_revoke_cert: flag,
  can_export_private_key: flag,
  can_delete_ca: flag,
}

const userCreate = z.object({
  username: text(99).min(1),
  email: email.nullish(),
  password,
  role: z.enum(roles).default('user'),
  is_active: z.boolean().nullish(),
  organization_id: id.nullish(),
  ...permissions,
})

const userUpdate = z.object({
  username: text(99).nullish(),
  email: email.nullish(),
  password: password.nullish(),
  role: z.enum(roles).nullish(),
  is_active: z.boolean().nullish(),
  organization_id: id.nullish(),
  ...permissions,
})

/** Users, by the contract's roles and flags. */
export const userOperations = [
  operation({
    method: 'post',
    path: '/users/',
    tag,
    summary: 'Makes a user with a password.',
    body: userCreate,
    status: 201,
    answer: user,
    async run(call) {
      const { door, body } = call
      const organization = body.organization_id ? await organizationNamed(door, body.organization_id) : undefined
      // Before anybody learns whose address is known.
      await requireAdministrator(call, organization ?? (await door.identities.me()).organization)
      const made = await withEmail(call, body.email ?? undefined, () =>
        taken('Username already registered', () =>
          door.admin.createUser({
            name: body.username,
            ...(organization === undefined ? {} : { organization }),
            ...flagsFor(body.role),
          }),
        ),
      )
      await door.admin.grant({ user: made.name, capability: 'read' })
      await setFlags(door, made, body)
      await setPassword(call, made.name, body.password)
      if (body.is_active === false) await door.admin.changeUser(made.name, { enabled: false })
      return { body: await showUser(call, await findUser(call, made.id)) }
    },
  }),
  operation({
    method: 'get',
    path: '/users/',
    tag,
    summary: 'Lists users, the oldest first. For superusers.',
    query: z.object(paging),
    answer: z.array(user),
    async run(call) {
      const { door, query } = call
      if (!(await door.identities.me()).superuser)
        throw new Failure('forbidden', 'Not enough permissions: this is for superusers')
      const all = (await door.admin.users()).sort((a, b) => a.id - b.id)
      return { body: await showUsers(call, all.slice(query.skip, query.skip + query.limit)) }
    },
  }),
  operation({
    method: 'get',
    path: '/users/me',
    tag,
    summary: 'Who the caller is.',
    answer: user,
    run: async (call) => ({ body: await showUser(call, await call.door.identities.me()) }),
  }),
  operation({
    method: 'get',
    path: '/users/{id}',
    tag,
    summary: 'A user: oneself, or whom one administers.',
    answer: user,
    run: async (call) => ({ body: await showUser(call, await findUser(call, call.params.id)) }),
  }),
  operation({
    method: 'patch',
    path: '/users/{id}',
    tag,
    summary: 'Changes a user: his address and password himself, all else by who administers him.',
    body: userUpdate,
    answer: user,
    async run(call) {
      const found = await findUser(call, call.params.id)
      await change(call, found)
      return { body: await showUser(call, await findUser(call, found.id)) }
    },
  }),
  operation({
    method: 'delete',
    path: '/users/{id}',
    tag,
    summary: 'Removes a user for good; records keep his name, which nobody gets again. For superusers.',
    status: 204,
    async run(call) {
      const { door, host, params } = call
      const me = await door.identities.me()
      if (!me.superuser) throw new Failure('forbidden', 'Not enough permissions: this is for superusers')
      if (me.id === params.id) throw new Failure('malformed', 'Users cannot delete themselves')
      const { name } = await findUser(call, params.id)
      await door.identities.removeUser(name)
      await forgetEmail(host, name)
      return undefined
    },
  }),
]

function flagsFor(role: Role): { superuser?: boolean; admin?: boolean } {
  if (role === 'superuser') return { superuser: true, admin: true }
  return role === 'admin' ? { admin: true } : {}
}

async function change(call: Call<'id', unknown, z.output<typeof userUpdate>>, found: UserView): Promise<void> {
  const { door, body } = call
  await requireOver(call, found)
  await refuseMoves(call, found)
  if (body.email && body.email.toLowerCase() !== found.name) await keepEmail(call, found.name, body.email)
  const role = body.role ?? undefined
  const asked = {
    ...(role ? { superuser: role === 'superuser', admin: role !== 'user' } : {}),
    ...(body.is_active == null ? {} : { enabled: body.is_active }),
  }
  const changed = differing(found, asked)
  if (Object.keys(changed).length > 0) await door.admin.changeUser(found.name, changed)
  await setFlags(door, found, body)
  if (body.password) await setNextPassword(call, found, body.password)
}

/** Only what is another than it was: who changes himself sends all of it. */
function differing<T extends Partial<UserView>>(found: UserView, asked: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(asked).filter(([name, value]) => Reflect.get(found, name) !== value),
  ) as Partial<T>
}

async function refuseMoves(
  { door, body }: Call<'id', unknown, z.output<typeof userUpdate>>,
  found: UserView,
): Promise<void> {
  if (body.username != null && body.username.toLowerCase() !== found.name)
    throw new Failure('unsupported', 'A user keeps his name: records tell of him by it. Make another user')
  if (body.organization_id == null) return
  if ((await organizationNamed(door, body.organization_id)) !== found.organization)
    throw new Failure('unsupported', 'A user stays in his organization: make one in the other')
}

/** Grants what is to be there and is not, and takes back what is not to be. */
async function setFlags(
  door: Door,
  user: UserView,
  asked: Partial<Record<Flag, boolean | null | undefined>>,
): Promise<void> {
  const has = flagsOf(user)
  for (const name of Object.keys(flags) as Flag[]) {
    const wanted = asked[name]
    if (wanted == null || wanted === has[name]) continue
    const draft = { user: user.name, capability: flags[name] }
    if (wanted) await door.admin.grant(draft)
    else await door.admin.ungrant(draft)
  }
}

/** By a link, as administrators give one: the core says who may make it, and when. */
async function setPassword({ host, door, requester }: Call, name: string, next: string): Promise<void> {
  const { secret } = await door.admin.createSetupLink(name)
  await host.core.authentication.usePasswordLink(secret, next, { source: requester.source ?? 'unknown' })
}

/** Whoever knows the present one sets the next without an administrator, but not here: the contract does not ask for it. */
async function setNextPassword(call: Call, found: UserView, next: string): Promise<void> {
  const me = await call.door.identities.me()
  if (me.id === found.id && !me.superuser)
    throw new Failure(
      'unsupported',
      'To set a password of your own, show the present one: POST /api/v1/countersign/password of this server',
    )
  await setPassword(call, found.name, next)
}
