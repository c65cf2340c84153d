import { withTables } from '../../db/tables.ts'
import { loadAuthority } from '../authority/authority.ts'
import { shardName } from '../authority/indirectCrl.ts'
import type { SignedCrl } from '../core.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { CoreTables } from '../tables.ts'
import { crlsOf, currentCrl } from './crl.ts'

/** One CRL of an authority, and how to get it as it must read now. */
export interface EveryCrl {
  authority: { id: number; name: string; organizationId: number }
  /** Id of the authority's certificate; `active`: it is the one that signs now. */
  issuer: number
  active: boolean
  /** Below 0: the indirect CRL (indirectCrl.ts). */
  shard: number
  delta: boolean
  /** Where certificates say that it is. */
  url: string
  /** As currentCrl; undefined where there is none: an authority that signs elsewhere has left none here. */
  read(): Promise<SignedCrl | undefined>
}

/**
 * All CRLs and delta CRLs of authorities, also under earlier certificates until those have ended. An authority that cannot
 * be loaded is passed over: those of the others are told all the same.
 */
export async function everyCrl(it: Installation): Promise<EveryCrl[]> {
  const rows = await withTables<CoreTables>(it.db)
    .selectFrom('authority_certificates')
    .select(['id', 'authority_id', 'active'])
    .where('not_after', '>', it.clock().getTime())
    .orderBy('id')
    .execute()
  const all: EveryCrl[] = []
  for (const { id, authority_id: authorityId, active } of rows) {
    try {
      all.push(...(await crlsUnder(it, authorityId, { issuer: id, active: active === 1 })))
    } catch (error) {
      // Upkeep raises the alert.
      it.log.error({ err: error, authority: authorityId }, 'the CRLs of an authority cannot be told: it is passed over')
    }
  }
  return all
}

/** Throws where the authority cannot be loaded. */
async function crlsUnder(
  it: Installation,
  authorityId: number,
  { issuer, active }: Pick<EveryCrl, 'issuer' | 'active'>,
): Promise<EveryCrl[]> {
  const authority = await loadAuthority(it, authorityId)
  const { id, name, organizationId } = authority
  const crls = await crlsOf(it, authority, issuer)
  return crls.map(({ shard, delta }) => ({
    authority: { id, name, organizationId },
    issuer,
    active,
    shard,
    delta,
    url: `${it.httpBaseUrl}/crl/${name}/${issuer}/${shardName(shard)}${delta ? '-delta' : ''}.crl`,
    read: () => currentCrl(it, { authority: id, issuer, shard, delta }).catch(unlessAbsent),
  }))
}

function unlessAbsent(error: unknown): undefined {
  if (error instanceof Failure && (error.code === 'unsupported' || error.code === 'notFound')) return undefined
  throw error
}
