import { createUser } from '../../../src/core/identity/identity.ts'
import { openSession } from '../../../src/core/login/session.ts'
import { createToken } from '../../../src/core/login/token.ts'
import { system } from '../../../src/core/requester.ts'
import { transaction } from '../../../src/db/transaction.ts'
import type { Rows } from '../row.ts'
import type { Scene } from '../scene.ts'

const password = 'a password of some length'
const NO_PROVIDER = 'Tried without an OpenID provider: 404 to all. What comes with one is shown in tests of its own.'
const BASE = '/v1/countersign'
const place = { method: 'password', place: { source: '192.0.2.9' } } as const

/** A session of `asker`. */
const session = async ({ app, callers }: Scene): Promise<string> =>
  (await openSession(app.world.it, callers.asker, place)).uuid

/** A token of `asker`. */
async function token({ app, callers, name }: Scene): Promise<string> {
  const change = { actor: system('test'), at: app.world.time.now }
  const draft = { userId: callers.asker.id, name: name() }
  return (await transaction(app.world.it.db, (db) => createToken(db, change, draft))).uuid
}

/** A user without rights, for changes. */
async function somebody({ app, callers, name }: Scene): Promise<string> {
  const change = { actor: system('test'), at: app.world.time.now }
  const draft = { name: name(), organizationId: callers.asker.organizationId }
  return (await transaction(app.world.it.db, (db) => createUser(db, change, draft))).name
}

async function role({ call, name }: Scene, member?: string): Promise<{ uuid: string; name: string }> {
  const made = await call('post', `${BASE}/roles`, { name: name(), organization: 'default' })
  if (member !== undefined) await call('put', `${BASE}/users/${member}/roles/${made.name}`)
  return made
}

/** One of several logins of `asker`: only a superuser takes the last one. */
async function login({ call, name, callers }: Scene): Promise<string> {
  const path = `${BASE}/users/${callers.asker.name}/logins`
  const bind = () => call('post', path, { kind: 'oidc', issuer: 'https://id.example.org', subject: name() })
  await bind()
  return (await bind()).uuid
}

export const identityRows: Rows = {
  [`POST ${BASE}/sessions`]: {
    needs: 'open',
    async sample(scene) {
      const { callers, call, once } = scene
      const username = callers.none.name
      await once('password', async () => {
        const { secret } = await call('post', `${BASE}/users/${username}/setupLink`)
        await call('post', `${BASE}/password`, { link: secret, next: password })
      })
      return { body: { username, password } }
    },
  },
  [`DELETE ${BASE}/sessions/current`]: { needs: 'known', reads: true },
  [`GET ${BASE}/sessions`]: { needs: 'self', list: true, sample: async (scene) => ({ shows: await session(scene) }) },
  [`DELETE ${BASE}/sessions/{uuid}`]: {
    needs: 'self',
    hidden: true,
    sample: async (scene) => ({ params: { uuid: await session(scene) } }),
  },
  [`GET ${BASE}/sessions/oidc`]: { needs: 'open', answers: 404, note: NO_PROVIDER },
  [`GET ${BASE}/sessions/oidc/callback`]: { needs: 'open', answers: 404, note: NO_PROVIDER },
  [`POST ${BASE}/password`]: {
    needs: 'open',
    async sample(scene) {
      const { secret } = await scene.call('post', `${BASE}/users/${await somebody(scene)}/setupLink`)
      return { body: { link: secret, next: password } }
    },
  },
  [`GET ${BASE}/users`]: { needs: 'self', list: true, sample: ({ callers }) => ({ shows: callers.asker.uuid }) },
  [`POST ${BASE}/users`]: {
    needs: 'admin',
    sample: ({ name }) => ({ body: { name: name(), organization: 'default' } }),
  },
  [`PATCH ${BASE}/users/{user}`]: {
    needs: 'admin',
    sample: async (scene) => ({ params: { user: await somebody(scene) }, body: { enabled: false } }),
  },
  [`DELETE ${BASE}/users/{user}`]: {
    needs: 'admin',
    sample: async (scene) => ({ params: { user: await somebody(scene) } }),
  },
  [`POST ${BASE}/users/{user}/setupLink`]: {
    needs: 'admin',
    sample: async (scene) => ({ params: { user: await somebody(scene) } }),
  },
  [`PUT ${BASE}/users/{user}/roles/{role}`]: {
    needs: 'admin',
    sample: async (scene) => ({ params: { user: await somebody(scene), role: (await role(scene)).name } }),
  },
  [`DELETE ${BASE}/users/{user}/roles/{role}`]: {
    needs: 'admin',
    async sample(scene) {
      const user = await somebody(scene)
      return { params: { user, role: (await role(scene, user)).name } }
    },
  },
  [`GET ${BASE}/users/{user}/logins`]: {
    needs: 'self',
    async sample(scene) {
      return { params: { user: scene.callers.asker.name }, shows: await login(scene) }
    },
  },
  [`POST ${BASE}/users/{user}/logins`]: {
    needs: 'admin',
    sample: async (scene) => ({
      params: { user: await somebody(scene) },
      body: { kind: 'oidc', issuer: 'https://id.example.org', subject: scene.name() },
    }),
  },
  [`DELETE ${BASE}/logins/{uuid}`]: {
    needs: 'self',
    hidden: true,
    sample: async (scene) => ({ params: { uuid: await login(scene) } }),
  },
  [`GET ${BASE}/roles`]: {
    needs: 'self',
    list: true,
    sample: async (scene) => ({ shows: (await role(scene, scene.callers.asker.name)).uuid }),
  },
  [`POST ${BASE}/roles`]: {
    needs: 'admin',
    sample: ({ name }) => ({ body: { name: name(), organization: 'default' } }),
  },
  [`GET ${BASE}/roles/{uuid}`]: {
    needs: 'self',
    hidden: true,
    sample: async (scene) => ({ params: { uuid: (await role(scene, scene.callers.asker.name)).uuid } }),
  },
  [`DELETE ${BASE}/roles/{uuid}`]: {
    needs: 'admin',
    hidden: true,
    sample: async (scene) => ({ params: { uuid: (await role(scene)).uuid } }),
  },
  [`POST ${BASE}/grants`]: {
    needs: 'admin',
    sample: async (scene) => ({ body: { user: await somebody(scene), capability: 'read' } }),
  },
  [`POST ${BASE}/grants/revoke`]: {
    needs: 'admin',
    async sample(scene) {
      const body = { user: await somebody(scene), capability: 'read' }
      await scene.call('post', `${BASE}/grants`, body)
      return { body }
    },
  },
  [`GET ${BASE}/tokens`]: { needs: 'self', list: true, sample: async (scene) => ({ shows: await token(scene) }) },
  [`POST ${BASE}/tokens`]: { needs: 'known', sample: ({ name }) => ({ body: { name: name() } }) },
  [`DELETE ${BASE}/tokens/{uuid}`]: {
    needs: 'self',
    hidden: true,
    sample: async (scene) => ({ params: { uuid: await token(scene) } }),
  },
}
