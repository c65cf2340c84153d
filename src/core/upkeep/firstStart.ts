import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { loadAuthority } from '../authority/authority.ts'
import { createAuthority } from '../authority/authorityAdmin.ts'
import { createOrganization, createUser, findOrganization, findUser } from '../identity/identity.ts'
import type { Installation } from '../installation.ts'
import { createSetupLink } from '../login/login.ts'
import { defaultRules } from '../profile/defaultRules.ts'
import { saveProfile } from '../profile/profiles.ts'
import { system } from '../requester.ts'
import type { CoreTables } from '../tables.ts'

const year = 31_536_000_000

/** Which protocols the profile `default` serves, each with its default options. */
export interface FirstStart {
  protocols: string[]
}

/** Whether the first start of an installation on this database has come to its end. */
export async function hasStarted(db: Database): Promise<boolean> {
  const done = await withTables<CoreTables>(db)
    .selectFrom('settings')
    .select('value')
    .where('name', '=', 'first_start')
    .executeTakeFirst()
  return done !== undefined
}

/**
 * Makes a working installation on an empty database: an organization, an administrator with a one-time setup secret, a
 * root and an issuing authority, and the profile `default`. Each step looks first whether it was done, so that a start
 * that was cut off goes on. Returns the secret when this call has finished the work, else undefined.
 */
export async function firstStart(
  it: Installation,
  { protocols }: FirstStart,
): Promise<{ setupSecret: string } | undefined> {
  if (await hasStarted(it.db)) return undefined
  if (!(await takeTurn(it))) return undefined
  const actor = system('first start')
  const change = () => ({ actor, at: it.clock() })
  const organization =
    (await findOrganization(it.db, 'default')) ??
    (await transaction(it.db, (db) => createOrganization(db, change(), 'default')))
  const organizationId = organization.id
  const administrator =
    (await findUser(it.db, { name: 'admin' })) ??
    (await transaction(it.db, (db) =>
      createUser(db, change(), { name: 'admin', organizationId, superuser: true, admin: true }),
    ))
  const belonging = { organizationId, ownerId: administrator.id }
  if (!(await exists(it, 'root'))) {
    const subject = 'CN=countersign Root CA'
    await createAuthority(it, actor, { name: 'root', key: 'P-384', subject, validity: 20 * year, ...belonging })
  }
  if (!(await exists(it, 'issuing'))) {
    const draft = {
      name: 'issuing',
      key: 'P-256',
      subject: 'CN=countersign Issuing CA',
      parent: 'root',
      validity: 10 * year,
      pathLength: 0,
    } as const
    await createAuthority(it, actor, { ...draft, ...belonging })
  }
  const issuing = await loadAuthority(it, 'issuing')
  return transaction(it.db, async (db) => {
    const taken = await withTables<CoreTables>(db)
      .insertInto('settings')
      .values({ name: 'first_start', value: it.clock().toISOString() })
      .onConflict((conflict) => conflict.doNothing())
      .returning('name')
      .executeTakeFirst()
    if (!taken) return undefined
    const profile = {
      name: 'default',
      organizationId,
      authorityId: issuing.id,
      enabled: true,
      builtin: false,
      // Clients that ask for more purposes than a server needs, acme.sh among them, must not fail at their first try.
      settings: { certificate: { extraExtensions: 'ignore' } },
      protocols: Object.fromEntries(protocols.map((protocol) => [protocol, {}])),
      rules: defaultRules,
    }
    await saveProfile(db, profile, change())
    const { secret } = await createSetupLink(db, change(), administrator.id)
    return { setupSecret: secret }
  })
}

const turn = 30_000

/**
 * Of several nodes that begin on an empty database one does the work, and the others wait for it; one that died on the
 * way is followed by the next. False: another has finished.
 */
async function takeTurn(it: Installation): Promise<boolean> {
  for (;;) {
    const now = it.clock().getTime()
    const mine = await transaction(it.db, (db) =>
      withTables<CoreTables>(db)
        .insertInto('settings')
        .values({ name: 'first_start_turn', value: `${now} ${it.node}` })
        .onConflict((conflict) =>
          conflict
            .column('name')
            .doUpdateSet({ value: `${now} ${it.node}` })
            .where('settings.value', '<', String(now - turn)),
        )
        .returning('name')
        .executeTakeFirst(),
    )
    if (mine) return true
    await new Promise((resolve) => setTimeout(resolve, 200))
    const done = await withTables<CoreTables>(it.db)
      .selectFrom('settings')
      .select('value')
      .where('name', '=', 'first_start')
      .executeTakeFirst()
    if (done) return false
  }
}

async function exists(it: Installation, name: string): Promise<boolean> {
  const row = await withTables<CoreTables>(it.db)
    .selectFrom('authorities')
    .select('id')
    .where('name', '=', name)
    .executeTakeFirst()
  return row !== undefined
}
