import { setImmediate } from 'node:timers/promises'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import type { CoreTables } from '../tables.ts'
import { type AuditEvent, type AuditHead, auditHead, chainUnder, lateCommits } from './seal.ts'
import { verifyApprovals } from './verifyApprovals.ts'
import { type Complain, createComplaints } from './verifyHistory.ts'
import { verifyIdentities } from './verifyIdentities.ts'
import { verifyKeyPairs } from './verifyKeyPairs.ts'
import { verifyProfiles } from './verifyProfiles.ts'
import { verifyCertificates, verifyRequests } from './verifyRequests.ts'
import { verifyServerKeys } from './verifyServerKeys.ts'

export interface AuditReport {
  /** Events proved by the chain. */
  sealed: number
  /** Events not yet sealed: the tail of the last second, or of a server that does not run. */
  unsealed: number
  /** Keep it elsewhere: it shows later whether the chain's end was cut off. */
  head: AuditHead
  /** What is wrong; empty when the chain and the records agree. */
  problems: string[]
}

const batch = 500

/**
 * Proves the chain from its first link; that an earlier head, if one is given, is still in it; and that requests,
 * certificates, decisions, votes, delegations, standing approvals, people, groups, tokens, authorities, profiles, keys made for clients and key pairs are as their events tell. Reads in batches, beside
 * a server that works. `secret`: Installation.auditSecret.
 */
export async function verifyAudit(db: Database, secret: Buffer, earlier?: AuditHead): Promise<AuditReport> {
  const { problems, complain } = createComplaints()
  const { head, sealed } = await verifyChain(db, secret, { complain, ...(earlier ? { earlier } : {}) })
  const unsealed = await countUnsealed(db, complain)
  for (const verify of everything) await verify(db, complain)
  return { sealed, unsealed, head, problems }
}

const everything = [
  verifyRequests,
  verifyCertificates,
  verifyIdentities,
  verifyApprovals,
  verifyProfiles,
  verifyServerKeys,
  verifyKeyPairs,
]

interface Watch {
  complain: Complain
  earlier?: AuditHead
}

async function verifyChain(
  db: Database,
  secret: Buffer,
  { complain, earlier }: Watch,
): Promise<{ head: AuditHead; sealed: number }> {
  const chain = chainUnder(secret)
  let head = { position: 0, hash: chain.origin }
  let sealed = 0
  let seen = earlier?.position === 0
  for (;;) {
    const links = await linksAfter(db, head.position)
    for (const { position, hash, event_id, ...event } of links) {
      if (position !== head.position + 1) complain(`the chain has no link ${head.position + 1}`)
      if (event.id === null) complain(`link ${position}: event ${event_id} is gone`)
      else if (chain.link(head.hash, event as AuditEvent) !== hash)
        complain(`link ${position}: event ${event_id} was changed, or a link before it`)
      if (event.id !== null) sealed += 1
      head = { position, hash }
      if (position === earlier?.position && hash === earlier.hash) seen = true
    }
    if (links.length < batch) break
    await setImmediate()
  }
  if (earlier && !seen)
    complain(
      `the head ${earlier.position}:${earlier.hash} is not in the chain: its end was cut off, or it was written anew`,
    )
  return { head, sealed }
}

/** As verifyAudit, of the last `most` links alone, and of these that each follows from the one before it. */
export async function verifyTail(
  db: Database,
  secret: Buffer,
  most: number,
): Promise<Pick<AuditReport, 'sealed' | 'problems'>> {
  const { problems, complain } = createComplaints()
  const chain = chainUnder(secret)
  const { position } = await auditHead(db, secret)
  const from = Math.max(0, position - most)
  const [before] = from === 0 ? [] : await linksAfter(db, from - 1, 1)
  let head = { position: from, hash: before?.hash ?? chain.origin }
  let sealed = 0
  while (head.position < position) {
    const links = await linksAfter(db, head.position)
    for (const { position, hash, event_id, ...event } of links) {
      if (event.id === null || chain.link(head.hash, event as AuditEvent) !== hash || position !== head.position + 1)
        complain(`link ${position}: event ${event_id} was changed or is gone`)
      sealed += 1
      head = { position, hash }
    }
    if (links.length < batch) break
    await setImmediate()
  }
  return { sealed, problems }
}

async function linksAfter(db: Database, position: number, most = batch) {
  return withTables<CoreTables>(db)
    .selectFrom('audit_seals')
    .leftJoin('audit_events', 'audit_events.id', 'audit_seals.event_id')
    .select(['audit_seals.position', 'audit_seals.hash', 'audit_seals.event_id'])
    .selectAll('audit_events')
    .where('position', '>', position)
    .orderBy('position')
    .limit(most)
    .execute()
}

/** The tail that waits. An event far before it was never to wait: somebody put it there later. */
async function countUnsealed(db: Database, complain: Complain): Promise<number> {
  const tables = withTables<CoreTables>(db)
  const { id: newest } = await tables
    .selectFrom('audit_seals')
    .select((eb) => eb.fn.max<number | null>('event_id').as('id'))
    .executeTakeFirstOrThrow()
  const settled = (newest ?? 0) - lateCommits(db)
  let unsealed = 0
  for (let last = Number.MIN_SAFE_INTEGER; ; await setImmediate()) {
    const events = await tables
      .selectFrom('audit_events')
      .leftJoin('audit_seals', 'audit_seals.event_id', 'audit_events.id')
      .select(['audit_events.id', 'audit_seals.position'])
      .where('audit_events.id', '>', last)
      .orderBy('audit_events.id')
      .limit(batch)
      .execute()
    for (const { id, position } of events) {
      last = id
      if (position !== null) continue
      unsealed += 1
      if (id < settled) complain(`event ${id} stands between sealed ones and is not sealed: it was put there later`)
    }
    if (events.length < batch) return unsealed
  }
}
