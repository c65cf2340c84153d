import { createHmac, randomBytes, randomInt, timingSafeEqual } from 'node:crypto'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { AdminContext } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { type Certificate, findCertificate } from '../certificate.ts'
import type { Claim } from '../core.ts'
import { Failure } from '../failure.ts'
import { secretHash } from '../identity/password.ts'
import { actingUser } from '../request/held.ts'
import type { RevokeDraft, RevokeRequest } from '../request/request.ts'
import type { CoreTables } from '../tables.ts'

const LASTS = 5 * 60_000
const TRIES = 3

/** A code that was made just now: shown once, and stored as a hash alone. */
export interface RevocationCode {
  /** Six digits. */
  code: string
  until: Date
}

/**
 * Six digits that a person reads and types before he revokes, so that nobody revokes by a slip: good for him, his session and this certificate, once, for five
 * minutes and three tries. `session`: the secret of the session over which he asks; absent: any way in of the same user.
 */
export interface RevocationCodes {
  /** Makes the code; one that was made before for the same is good no more. Audited as certificate.revoke.requested. Throws notFound, forbidden, alreadyRevoked. */
  make(certificate: number, session?: string): Promise<RevocationCode>
  /**
   * As Door.revoke, with the code that was typed: it is spent in the transaction that makes the request. Throws as that; forbidden for a wrong code, which counts as
   * a try, and for one that was spent, has expired or was tried too often.
   */
  revoke(draft: RevokeDraft, typed: { code: string; session?: string }): Promise<RevokeRequest>
}

interface Ways {
  /** Throws where the requester may not ask for the revocation. */
  may(certificate: number): Promise<void>
  revoke(draft: RevokeDraft, claim: Claim): Promise<RevokeRequest>
}

export function createRevocationCodes(context: AdminContext, { may, revoke }: Ways): RevocationCodes {
  return {
    async make(certificate, session) {
      await may(certificate)
      return makeCode(context, certificate, session)
    },
    async revoke(draft, { code, session }) {
      const claim = await tryCode(context, { certificate: draft.certificate, code, session })
      let claimed = false
      const request = await revoke(draft, async (db) => {
        await claim(db)
        claimed = true
      })
      // An open request, or a denial of a moment ago, was the answer: the code is spent all the same.
      if (!claimed) await transaction(context.it.db, claim)
      return request
    },
  }
}

interface Slot {
  userId: number
  session: string
  certificate: number
}

async function slotOf({ it, requester }: AdminContext, certificate: number, session?: string): Promise<Slot> {
  const user = await actingUser(it.db, requester)
  if (!user) throw new Failure('forbidden', 'a code for a revocation is for people: log in, or name a token of yours')
  return { userId: user.id, session: session === undefined ? '' : secretHash(session), certificate }
}

function codeHash({ it }: AdminContext, { userId, session, certificate }: Slot, code: string): string {
  const text = `revocation code\n${userId}\n${session}\n${certificate}\n${code}`
  return createHmac('sha256', it.challengeSecret).update(text).digest('hex')
}

async function makeCode(context: AdminContext, id: number, session: string | undefined): Promise<RevocationCode> {
  const { it, requester } = context
  const slot = await slotOf(context, id, session)
  const certificate = await findCertificate(it.db, { id })
  if (!certificate) throw new Failure('notFound', 'there is no such certificate')
  if (certificate.status === 'revoked') throw new Failure('alreadyRevoked', 'the certificate is revoked already')
  const at = it.clock()
  const until = new Date(at.getTime() + LASTS)
  const code = String(randomInt(1_000_000)).padStart(6, '0')
  const hash = codeHash(context, slot, code)
  await transaction(it.db, async (db) => {
    await store(db, slot, { hash, at, until })
    await audit(db, requester, at, asked(certificate))
  })
  return { code, until }
}

function asked({ id, organizationId, serial }: Certificate) {
  return {
    action: 'certificate.revoke.requested',
    organizationId,
    subject: { kind: 'certificate' as const, id },
    details: { serial },
  }
}

async function store(
  db: Database,
  { userId, session, certificate }: Slot,
  { hash, at, until }: { hash: string; at: Date; until: Date },
): Promise<void> {
  const tables = withTables<CoreTables>(db)
  await tables.deleteFrom('revocation_codes').where('expires_at', '<=', at.getTime()).execute()
  const fresh = { hash, tries: 0, spent: null, expires_at: until.getTime() }
  await tables
    .insertInto('revocation_codes')
    .values({ user_id: userId, session, certificate_id: certificate, ...fresh })
    .onConflict((conflict) => conflict.columns(['user_id', 'session', 'certificate_id']).doUpdateSet(fresh))
    .execute()
}

/** Counts the try, in a transaction of its own, so that it counts whatever follows; answers what spends the code. */
async function tryCode(
  context: AdminContext,
  { certificate, code, session }: { certificate: number; code: string; session: string | undefined },
): Promise<Claim> {
  const { it } = context
  const slot = await slotOf(context, certificate, session)
  const tried = await transaction(it.db, (db) => countTry(db, slot, it.clock()))
  if (!tried) throw new Failure('forbidden', 'there is no code that is still good: ask for a new one')
  const hash = codeHash(context, slot, code.replace(/[\s-]/g, ''))
  if (!timingSafeEqual(Buffer.from(hash), Buffer.from(tried.hash))) {
    const left = TRIES - tried.tries
    throw new Failure(
      'forbidden',
      left > 0 ? `the code is wrong: ${left} more can be tried` : 'the code is wrong: ask for a new one',
    )
  }
  // The transaction may run again, and the same revocation takes the code once.
  const spent = randomBytes(16).toString('hex')
  return async (db) => {
    const taken = await withTables<CoreTables>(db)
      .updateTable('revocation_codes')
      .set({ spent })
      .where('id', '=', tried.id)
      .where('hash', '=', hash)
      .where(({ or, eb }) => or([eb('spent', 'is', null), eb('spent', '=', spent)]))
      .returning('id')
      .executeTakeFirst()
    if (!taken) throw new Failure('forbidden', 'the code was used a moment ago: ask for a new one')
  }
}

function countTry(db: Database, { userId, session, certificate }: Slot, at: Date) {
  return withTables<CoreTables>(db)
    .updateTable('revocation_codes')
    .set(({ eb }) => ({ tries: eb('tries', '+', 1) }))
    .where('user_id', '=', userId)
    .where('session', '=', session)
    .where('certificate_id', '=', certificate)
    .where('expires_at', '>', at.getTime())
    .where('tries', '<', TRIES)
    .where('spent', 'is', null)
    .returning(['id', 'hash', 'tries'])
    .executeTakeFirst()
}
