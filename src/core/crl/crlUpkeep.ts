import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { raiseAlert } from '../audit/alert.ts'
import { type LoadedAuthority, loadAuthority } from '../authority/authority.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { CoreTables } from '../tables.ts'
import { crlsOf, currentCrl, isDue } from './crl.ts'
import type { CrlKey } from './crlStore.ts'
import { watchHandOvers } from './handOverWatch.ts'

/**
 * Makes the CRLs and delta CRLs that are due: of all shards, also under earlier certificates of an authority until those
 * have ended. One that cannot be made leaves an alert, and the others are made all the same.
 */
export async function renewCrls(it: Installation): Promise<void> {
  const rows = await withTables<CoreTables>(it.db)
    .selectFrom('authority_certificates as own')
    .innerJoin('authorities', 'authorities.id', 'own.authority_id')
    .select(['own.id', 'own.authority_id'])
    .where('authorities.kind', '=', 'local')
    .where('own.key_id', 'is not', null)
    .where('own.not_after', '>', it.clock().getTime())
    .orderBy('own.id')
    .execute()
  for (const { id, authority_id: authorityId } of rows) {
    try {
      const authority = await loadAuthority(it, authorityId)
      for (const kind of await crlsOf(it, authority, id)) await renewOne(it, authority, { issuerId: id, ...kind })
    } catch (error) {
      await tell(it, authorityId, error)
    }
  }
  await watchHandOvers(it)
}

async function renewOne(it: Installation, authority: LoadedAuthority, key: CrlKey): Promise<void> {
  try {
    const { issuerId: issuer, shard, delta } = key
    if (!(await isDue(it, authority, key))) return
    await currentCrl(it, { authority: authority.id, issuer, shard, delta })
    if (await isDue(it, authority, key)) throw new Failure('unavailable', 'it could not be made')
  } catch (error) {
    await tell(it, authority.id, error)
  }
}

async function tell(it: Installation, id: number, error: unknown): Promise<void> {
  it.log.error({ err: error, authority: id }, 'the CRL of an authority could not be renewed')
  const detail = 'a CRL of this authority could not be renewed; the log says why'
  const subject = { kind: 'authority', id } as const
  await transaction(it.db, (db) =>
    raiseAlert(db, it.clock(), { kind: 'revocation_answers', organizationId: null, subject, detail }),
  )
}
