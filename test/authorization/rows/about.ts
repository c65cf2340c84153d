import { raiseAlert } from '../../../src/core/audit/alert.ts'
import type { CoreTables } from '../../../src/core/tables.ts'
import { withTables } from '../../../src/db/tables.ts'
import { transaction } from '../../../src/db/transaction.ts'
import type { Rows } from '../row.ts'
import type { Scene } from '../scene.ts'

/** What the server is, whom it knows, and what it has written down. */
export const aboutRows: Rows = {
  'GET /v1/health/liveness': { needs: 'open' },
  'GET /v1/info': { needs: 'known' },
  'GET /v1/settings/platform': { needs: 'known' },
  'GET /v1/notifications': { needs: 'known' },
  'GET /v1/connectors': { needs: 'known' },
  'GET /v1/enums': { needs: 'known' },
  'GET /v1/auth/profile': { needs: 'known' },
  'GET /v1/users': { needs: 'self', list: true, sample: ({ callers }) => ({ shows: callers.asker.uuid }) },
  'GET /v1/roles': { needs: 'self', list: true, sample: async (scene) => ({ shows: await roleOf(scene) }) },
  'GET /v1/groups': {
    needs: 'member',
    list: true,
    async sample({ app, name }) {
      const { uuid } = await app.world.core
        .as({ kind: 'system', ref: 'test', name: 'test', people: [] })
        .groups.create({ name: name(), organization: 'default' })
      return { shows: uuid }
    },
  },
  'GET /v1/countersign/organizations': { needs: 'member', list: true, sample: () => ({ shows: '"default"' }) },
  'POST /v1/countersign/organizations': { needs: 'superuser', sample: ({ name }) => ({ body: { name: name() } }) },
  'GET /v1/countersign/audit': {
    needs: 'admin',
    but: { stranger: 'empty' },
    note: 'An administrator gets what is of his own organization.',
    async sample({ order }) {
      await order()
      return { query: '?actor=inner-asker&limit=5', shows: 'inner-asker' }
    },
  },
  'GET /v1/countersign/alerts': {
    needs: 'admin',
    but: { stranger: 'empty' },
    note: 'An administrator gets what is of his own organization.',
    async sample(scene) {
      const { detail } = await alert(scene)
      return { shows: detail }
    },
  },
  'POST /v1/countersign/alerts/{id}/close': {
    needs: 'admin',
    hidden: true,
    async sample(scene) {
      return { params: { id: (await alert(scene)).id } }
    },
  },
}

/** A role with a member of its own. */
async function roleOf({ call, name, callers }: Scene): Promise<string> {
  const role = name()
  const { uuid } = await call('post', '/v1/countersign/roles', { name: role, organization: 'default' })
  await call('put', `/v1/countersign/users/${callers.asker.name}/roles/${role}`)
  return uuid
}

async function alert({ app, name, callers }: Scene): Promise<{ id: string; detail: string }> {
  const { organizationId } = callers.asker
  const detail = name()
  const subject = { kind: 'installation', id: null } as const
  return transaction(app.world.it.db, async (db) => {
    await raiseAlert(db, app.world.time.now, { kind: 'order_failed', organizationId, subject, detail })
    const { id } = await withTables<CoreTables>(db)
      .selectFrom('alerts')
      .select('id')
      .where('detail', '=', detail)
      .executeTakeFirstOrThrow()
    return { id: String(id), detail }
  })
}
