import { createHash } from 'node:crypto'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { Upstream, UpstreamAuthorization, UpstreamChallenge, UpstreamOrder } from '../authority/upstreamCa.ts'
import type { UpstreamSettings } from '../authority/upstreamSettings.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { CoreTables } from '../tables.ts'
import { keepWork, type Work } from './upstreamWork.ts'

/** One look at a CA. */
export interface Errand {
  it: Installation
  work: Work
  upstream: Upstream
  settings: UpstreamSettings
}

/** One errand takes no longer, so that others have their turn; the next one goes on where it ended. */
const longest = 45_000

/**
 * Answers the challenges of an order that have not been answered, by the authority's one way to prove names. Throws Failure:
 * `unavailable` where there is no way, rejectedIdentifier where the CA does not take it for a name.
 */
export async function proveNames(errand: Errand, order: UpstreamOrder): Promise<void> {
  const { it, work, upstream } = errand
  const until = Date.now() + longest
  for (const url of order.authorizations) {
    if (Date.now() > until) return
    const authorization = await upstream.authorization(url)
    if (authorization.status !== 'pending') continue
    await transaction(it.db, (db) => keepWork(db, it, work))
    const challenge = chosen(errand, authorization)
    if (challenge.status !== 'pending') continue
    await show(errand, authorization, challenge)
    await upstream.answerChallenge(challenge.url)
  }
}

function chosen({ settings: { proof } }: Errand, { name, wildcard, challenges }: UpstreamAuthorization) {
  const shown = wildcard ? `*.${name}` : name
  const offered = [...new Set(challenges.map(({ type }) => type))].join(', ')
  if (proof === 'none')
    throw new Failure(
      'unavailable',
      `the upstream CA wants to see whose ${shown} is (${offered}), and this authority proves nothing: set upstream.proof to http-01 or dns-01`,
    )
  const challenge = challenges.find(({ type, token }) => type === proof && token !== undefined)
  if (!challenge)
    throw new Failure('rejectedIdentifier', `the upstream CA does not take ${proof} for ${shown}, only ${offered}`)
  return challenge
}

/** Stored before it is shown: any node answers http-01, and what was put into the DNS is taken out again. */
async function show(
  { it, work, upstream, settings }: Errand,
  { name }: UpstreamAuthorization,
  { token = '' }: UpstreamChallenge,
): Promise<void> {
  const kind = settings.proof
  const authorization = upstream.keyAuthorization(token)
  const value = kind === 'dns-01' ? createHash('sha256').update(authorization).digest('base64url') : authorization
  await transaction(it.db, async (db) => {
    await keepWork(db, it, work)
    await withTables<CoreTables>(db)
      .insertInto('upstream_proofs')
      .values({ work_id: work.id, kind, name, token, value, created_at: it.clock().getTime() })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  })
  if (kind === 'dns-01') await dnsOf(it)({ action: 'add', name: `_acme-challenge.${name}`, value })
}

function dnsOf(it: Installation): NonNullable<Installation['changeDns']> {
  if (it.changeDns) return it.changeDns
  throw new Failure('unavailable', 'names are to be proved by dns-01, and COUNTERSIGN_DNS_COMMAND is not set')
}

/** Takes out of the DNS what was put there for an order; what cannot be is in the log. */
export async function hideProofs(it: Installation, work: Work): Promise<void> {
  const rows = await withTables<CoreTables>(it.db)
    .selectFrom('upstream_proofs')
    .select(['id', 'name', 'value'])
    .where('work_id', '=', work.id)
    .where('kind', '=', 'dns-01')
    .execute()
  for (const { id, name, value } of rows) {
    await transaction(it.db, (db) => keepWork(db, it, work))
    try {
      await dnsOf(it)({ action: 'remove', name: `_acme-challenge.${name}`, value })
    } catch (error) {
      it.log.warn({ err: error, name: `_acme-challenge.${name}` }, 'a TXT record could not be removed')
    }
    await transaction(it.db, (db) =>
      withTables<CoreTables>(db).deleteFrom('upstream_proofs').where('id', '=', id).execute(),
    )
  }
}

/** See Door.keyAuthorization. */
export async function findKeyAuthorization(db: Database, token: string): Promise<string | undefined> {
  if (!/^[\w-]{16,256}$/.test(token)) return undefined
  const row = await withTables<CoreTables>(db)
    .selectFrom('upstream_proofs')
    .select('value')
    .where('token', '=', token)
    .where('kind', '=', 'http-01')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.value
}
