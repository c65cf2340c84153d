import { z } from 'zod'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import type { Answer } from './answer.ts'
import { answerAuthorization } from './authorization.ts'
import { type Need, newAuthorization, provableBelow } from './authorizationPlan.ts'
import { toAuthorization } from './authorizationRecord.ts'
import { AcmeError } from './errors.ts'
import { admitByBinding } from './externalAccount.ts'
import { type OrderName, readIdentifiers } from './identifiers.ts'
import { admitFresh, orderTake } from './limits.ts'
import { optionsOf } from './options.ts'
import { accountProfile } from './order.ts'
import { type AccountRequest, readPayload } from './signed.ts'
import type { AcmeTables } from './tables.ts'
import { urls } from './urls.ts'

const payload = z.object({
  identifier: z.object({ type: z.string(), value: z.string(), subdomainAuthAllowed: z.boolean().optional() }),
})

/** RFC 8555 section 7.4.1, RFC 9444 section 4.2. Every later order of the account may use what is proved here, as long as it counts. */
export async function newAuthz(request: AccountRequest): Promise<Answer> {
  const { identifier } = readPayload(request, payload)
  const [name] = readIdentifiers([{ type: identifier.type, value: identifier.value }])
  if (!name || name.wildcard)
    throw new AcmeError('malformed', 'a wildcard cannot be authorized before an order (section 7.4.1): order it')
  const profile = await accountProfile(request)
  const need = needOf(name, profile, identifier.subdomainAuthAllowed ?? false)
  // Names below are looked at when they are ordered: the profile may take these alone.
  if (!need.subdomains) {
    request.door.admitNames(profile, [name.identifier])
    await admitByBinding(request, [name.identifier])
  }
  const row = { ...newAuthorization(request, need, optionsOf(profile)), preauthorized: 1 }
  const charge = orderTake(request, profile)
  await admitFresh(request, profile, { fresh: [row], charge })
  const stored = await transaction(request.server.host.db, async (db) => {
    const tables = withTables<AcmeTables>(db)
    await tables
      .updateTable('acme_accounts')
      .set({ preauthorizes: 1 })
      .where('id', '=', request.account.id)
      .where('preauthorizes', '=', 0)
      .execute()
    const made = await tables.insertInto('acme_authorizations').values(row).returningAll().executeTakeFirstOrThrow()
    if (charge) await request.door.limits.take(db, charge)
    return made
  })
  const own = toAuthorization(stored)
  const location = urls.authorization(request.root, own.uuid)
  return { ...answerAuthorization(request, own), status: 201, location }
}

function needOf({ asked, base, wildcard }: OrderName, profile: RaProfile, subdomains: boolean): Need {
  return { asked, base, wildcard, subdomains: subdomains && provableBelow(base, optionsOf(profile)) }
}
