import { type Kysely, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { statement } from '../../db/tables.ts'
import { findCertificate } from '../certificate.ts'
import type { RevokeDraft } from '../request/request.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'

/** What is `uploaded` somebody made known here: nobody is known to have ordered it. */
const orderOf = statement((tables: Kysely<CoreTables>, fingerprint: string) =>
  tables
    .selectFrom('certificates')
    .innerJoin('sign_requests', 'sign_requests.id', 'certificates.id')
    .select('sign_requests.requester')
    .where('certificates.fingerprint', '=', fingerprint)
    .where('certificates.source', '=', sql.lit('managed')),
)

/**
 * A requester as he stands in a request. Who asks with a certificate of ours asks with what others ordered: the people behind
 * that order are behind this one too, and so on through every certificate that is asked for with one before.
 */
export async function withOrderers(db: Database, requester: Requester): Promise<Requester> {
  return requester.kind === 'client-certificate' ? behindToo(db, requester, requester.ref) : requester
}

/** Likewise who asks for a revocation: by the key of the certificate itself, its orderers are behind it. */
export async function asRevoker(
  db: Database,
  requester: Requester,
  { grounds, certificate: id }: RevokeDraft,
): Promise<Requester> {
  const certificate = grounds === 'key' ? await findCertificate(db, { id }) : undefined
  return certificate ? behindToo(db, requester, certificate.fingerprint) : withOrderers(db, requester)
}

async function behindToo(db: Database, requester: Requester, fingerprint: string): Promise<Requester> {
  const [row] = (await orderOf(db, fingerprint)).rows
  if (!row) return requester
  const { people }: Requester = JSON.parse(row.requester)
  return { ...requester, people: [...new Set([...requester.people, ...people])] }
}
