import { expect } from 'vitest'
import type { CoreTables } from '../../src/core/tables.ts'
import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'

const passing = ['auto', 'remembered', 'granted', 'approved']

/**
 * What went on without a decision that lets exactly this revision pass: attempts to sign, requests that are being signed
 * or are signed, certificates of ours, and revocations. Every test of an adapter asks it when it ends, so that no
 * operation of any adapter finds a way around approval.
 */
export async function undecided(db: Database): Promise<string[]> {
  const found = {
    attempt: await undecidedAttempts(db),
    request: await undecidedRequests(db, 'sign'),
    revocation: await undecidedRequests(db, 'revoke'),
    certificate: await unsignedCertificates(db),
  }
  return Object.entries(found).flatMap(([what, rows]) => rows.map(({ id }) => `${what} ${id}`))
}

export async function expectDecided(db: Database): Promise<void> {
  expect(await undecided(db), 'went on without a decision that lets it pass').toEqual([])
}

function undecidedAttempts(db: Database) {
  return withTables<CoreTables>(db)
    .selectFrom('sign_attempts as attempt')
    .innerJoin('decisions', 'decisions.id', 'attempt.decision_id')
    .select('attempt.id')
    .where(({ or, eb }) =>
      or([
        eb('decisions.outcome', 'not in', passing),
        eb('decisions.sign_request_id', 'is', null),
        eb('decisions.sign_request_id', '<>', eb.ref('attempt.sign_request_id')),
      ]),
    )
    .execute()
}

function undecidedRequests(db: Database, kind: 'sign' | 'revoke') {
  return (
    withTables<CoreTables>(db)
      .selectFrom(`${kind}_requests as request` as 'sign_requests as request')
      .leftJoin('decisions', (join) =>
        join
          .onRef(`decisions.${kind}_request_id`, '=', 'request.id')
          .onRef('decisions.revision', '=', 'request.revision')
          .on('decisions.outcome', 'in', passing),
      )
      .leftJoin('certificates', (join) =>
        join.onRef('certificates.id', '=', 'request.id').on('certificates.source', '<>', 'managed'),
      )
      .select('request.id')
      .where('request.status', 'in', kind === 'sign' ? ['signing', 'signed'] : (['revoking', 'revoked'] as never[]))
      .where('decisions.id', 'is', null)
      // What was brought here was signed elsewhere. To revoke it needs a decision like any other.
      .$if(kind === 'sign', (query) => query.where('certificates.id', 'is', null))
      .execute()
  )
}

function unsignedCertificates(db: Database) {
  return withTables<CoreTables>(db)
    .selectFrom('certificates')
    .leftJoin('sign_requests', 'sign_requests.id', 'certificates.id')
    .select('certificates.id')
    .where('certificates.source', '=', 'managed')
    .where(({ or, eb }) => or([eb('sign_requests.id', 'is', null), eb('sign_requests.status', '<>', 'signed')]))
    .execute()
}
