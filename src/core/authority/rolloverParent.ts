import { sql } from 'kysely'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { publicKeyFrom } from '../../pki/publicKey.ts'
import { type Certificate, findCertificate } from '../certificate.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { issueOwn } from '../issuance/builtin.ts'
import { loadKey } from '../key.ts'
import { type Requester, system } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { storable } from '../text.ts'
import { type LoadedAuthority, loadAuthority, loadIssuer } from './authority.ts'
import { type Rollover, toRollover } from './rollover.ts'
import { constraintsOf, parentOf } from './rolloverCertificate.ts'
import { signingLease, storeNextCertificate } from './rolloverPrepare.ts'

const pauseAfterFailure = 600_000

/**
 * Has the parent sign the next certificate of a rollover that waits for it, over the ordinary road. Trouble is noted, and
 * upkeep tries again. What was signed before a crash is found again by its key: no second certificate is made.
 */
export async function askParent(it: Installation, requester: Requester, rollover: Rollover): Promise<void> {
  try {
    await sign(it, requester, rollover)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    it.log.error({ err: error, rollover: rollover.id }, 'the parent of an authority did not sign its next certificate')
    await transaction(it.db, async (db) => {
      await withTables<CoreTables>(db)
        .updateTable('authority_rollovers')
        .set({ last_error: storable(error.detail), lease_until: it.clock().getTime() + pauseAfterFailure })
        .where('id', '=', rollover.id)
        .where('status', '=', 'requested')
        .execute()
    })
  }
}

async function sign(it: Installation, requester: Requester, rollover: Rollover): Promise<void> {
  const { id, keyId, previous, validity } = rollover
  if (keyId === undefined) throw new Failure('internal', 'a rollover has no key')
  const authority = await loadAuthority(it, rollover.authorityId)
  const before = await loadIssuer(it, previous)
  const parent = await parentOf(it, before)
  if (!parent?.issuer) throw new Failure('unavailable', 'the authority that signed the certificate before is not here')
  const key = await loadKey(it.db, it.vault, keyId)
  const end = Math.min(it.clock().getTime() + validity, parent.issuer.certificate.notAfter.getTime())
  const certificate =
    (await signedBefore(it, parent, publicKeyFrom(key).spkiHash)) ??
    (await issueOwn(it, {
      authority: parent,
      type: 'ca',
      key,
      commonName: authority.name,
      subject: before.certificate.subject,
      notAfter: new Date(end),
      ...constraintsOf(before.certificate),
      requester,
    }))
  const signer = await loadIssuer(it, certificate.authorityCertificateId ?? parent.issuer.id)
  const made = { certificate: certificate.der, chain: [signer.certificate.der, ...signer.chain] }
  await transaction(it.db, (db) =>
    storeNextCertificate(db, { it, requester, authority }, { rollover: id, keyId, made }),
  )
}

/** By a run that was cut off before it could tell. */
async function signedBefore(
  it: Installation,
  parent: LoadedAuthority,
  spkiHash: string,
): Promise<Certificate | undefined> {
  const row = await withTables<CoreTables>(it.db)
    .selectFrom('certificates')
    .select('id')
    .where('spki_hash', '=', spkiHash)
    .where('authority_id', '=', parent.id)
    .where('status', '=', 'issued')
    .where('not_after', '>', it.clock().getTime())
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row && findCertificate(it.db, { id: row.id })
}

/** Goes on with rollovers whose parent is here and has not signed, and which nobody else has in hand. */
export async function resumeRollovers(it: Installation): Promise<void> {
  const now = it.clock().getTime()
  const due = withTables<CoreTables>(it.db)
    .selectFrom('authority_rollovers')
    .select('id')
    .where(sql<boolean>`status in ('requested', 'prepared')`)
    .where('status', '=', 'requested')
    .where('csr', 'is', null)
    .where('lease_until', '<=', now)
  for (const { id } of await due.execute()) {
    const [claimed] = await transaction(it.db, (db) =>
      withTables<CoreTables>(db)
        .updateTable('authority_rollovers')
        .set({ lease_until: now + signingLease })
        .where('id', '=', id)
        .where('status', '=', 'requested')
        .where('lease_until', '<=', now)
        .returningAll()
        .execute(),
    )
    if (claimed) await askParent(it, system('rollover'), toRollover(claimed))
  }
}
