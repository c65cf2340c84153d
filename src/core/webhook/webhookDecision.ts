import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { Afterwards, ApprovalContext } from '../approval/approvalContext.ts'
import { spokenFor } from '../approval/spokenFor.ts'
import { castVote } from '../approval/vote.ts'
import { votesOf } from '../approval/votes.ts'
import { Failure, type FailureCode } from '../failure.ts'
import { asRequester, findUser, type User } from '../identity/identity.ts'
import type { Installation } from '../installation.ts'
import { afterApproval, afterRetry } from '../issuance/follow.ts'
import { type Held, holdRequest } from '../request/held.ts'
import type { CoreTables } from '../tables.ts'
import { text } from '../text.ts'
import { type Endpoint, noWebhook, readWebhook } from './webhookEndpoint.ts'
import { type SignedMessage, verifyWebhook } from './webhookSignature.ts'

/** As OUTBOUND_SEAL. */
export const INBOUND_SEAL = 'webhook decisions'

/** What a ticket system says; `body` of the message. */
export const ticketDecision = z.strictObject({
  /** Its own name for this message: the same one again is answered alike, and decides nothing twice. It is in the body so that it is signed. */
  id: z.string().regex(/^[\x21-\x7e]{1,200}$/, 'printable ASCII without spaces, at most 200 characters'),
  /** uuid of the request to sign or to revoke. */
  request: text(100),
  /** As it was told: another one means that the request has changed since. */
  hash: text(200),
  verdict: z.enum(['approve', 'deny']),
  /** A denial needs one. */
  reason: text(1000).optional(),
  /** Its name for the ticket: stands in the audit trail. */
  ticket: text(200),
  /** Who decided there: stands in the audit trail. The name of a user here is held against who asked and who has voted. */
  user: text(200).optional(),
})
type TicketDecision = z.output<typeof ticketDecision>

/** Where the request stands then: `requested` where more votes are needed. */
export interface TicketAnswer {
  status: string
}

type KeptAnswer = TicketAnswer | { refused: { code: FailureCode; detail: string } }

interface Sender {
  endpoint: Endpoint
  /** The user whose votes they are. */
  voter: User
  /** Who was shown the secret that signed. */
  maker: number | null
  /** The address that it came from. */
  source: string | undefined
}

/**
 * Takes a decision from a ticket system: a vote by the endpoint's own user, who decides where rules name him, like anybody. Throws Failure: notFound (no such
 * webhook, or it is switched off), unauthenticated (the signature, its time), and as a vote does; a refusal that stands is kept, and the same message is refused alike.
 */
export async function decideByTicket(
  it: Installation,
  uuid: string,
  { source, ...message }: SignedMessage & { source?: string | undefined },
): Promise<TicketAnswer> {
  const sender = { ...(await senderOf(it, uuid, message)), source }
  const decision = readWebhook(ticketDecision, parse(message.body))
  const kept = { decision, bodyHash: createHash('sha256').update(message.body).digest('hex') }
  try {
    const decided = await transaction(it.db, (db) => decide(db, it, sender, kept))
    await decided.afterwards?.()
    return answerOf(decided.answer)
  } catch (error) {
    if (!(error instanceof Failure) || !lasting.has(error.code)) throw error
    const { code, detail } = error
    return answerOf(
      await transaction(it.db, (db) => keep(db, it, sender, { ...kept, answer: { refused: { code, detail } } })),
    ) // prettier-ignore
  }
}

/** What would be refused again. */
const lasting: ReadonlySet<FailureCode> = new Set(['conflict', 'forbidden', 'notFound', 'malformed'])

function parse(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch (error) {
    throw new Failure('malformed', 'the body is no JSON', { cause: error })
  }
}

async function senderOf(it: Installation, uuid: string, message: SignedMessage): Promise<Omit<Sender, 'source'>> {
  const endpoint = await withTables<CoreTables>(it.db)
    .selectFrom('webhooks')
    .selectAll()
    .where('uuid', '=', uuid)
    .where('enabled', '=', 1)
    .executeTakeFirst()
  if (!endpoint || endpoint.inbound_secret === null || endpoint.inbound_user_id === null) throw noWebhook()
  const maker = makerOf(it, endpoint, message)
  const voter = await findUser(it.db, endpoint.inbound_user_id)
  if (!voter) throw noWebhook()
  return { endpoint, voter, maker }
}

/** Who was shown the secret that fits. Throws Failure('unauthenticated') where none does. */
function makerOf({ vault, clock }: Installation, endpoint: Endpoint, message: SignedMessage): number | null {
  const fits = (sealed: Buffer | null) =>
    sealed !== null && verifyWebhook(vault.open(sealed, endpoint.uuid, INBOUND_SEAL), message, clock())
  if (fits(endpoint.inbound_secret)) return endpoint.inbound_maker_id
  const goodUntil = endpoint.inbound_before_until ?? 0
  if (goodUntil > clock().getTime() && fits(endpoint.inbound_before)) return endpoint.inbound_before_maker_id
  throw new Failure('unauthenticated', 'the signature does not fit, or its time is more than five minutes off')
}

interface Given {
  decision: TicketDecision
  bodyHash: string
}

/** The vote and its answer in one transaction: what is answered has been decided, and once. */
async function decide(
  db: Database,
  it: Installation,
  sender: Sender,
  given: Given,
): Promise<{ answer: KeptAnswer; afterwards?: Afterwards | undefined }> {
  if (!(await claim(db, it, sender, given))) return { answer: await keptAnswer(db, sender, given) }
  const { decision } = given
  const held = await findHeld(db, decision.request)
  const named = decision.user === undefined ? undefined : await namedUser(db, sender, decision.user)
  requireNotBehind(held, sender, named)
  const { verdict, hash, reason, ticket, user } = decision
  if (user !== undefined && (await spokenFor(db, held, hash)).has(user.toLowerCase())) throw votedAlready(user)
  const told = { ticket, webhook: sender.endpoint.uuid, ...(user === undefined ? {} : { onBehalfOf: user }) }
  const { ballot, afterwards } = await castVote(db, contextOf(it, sender), held, {
    input: { verdict, hash, ...(reason === undefined ? {} : { reason }) },
    told,
  })
  if (named) await requireOneVoice(db, ballot.decision.id, named)
  const { status } = (await holdRequest(db, held.kind, held.request.id)).request
  const answer = { status }
  await store(db, sender, decision, answer)
  return { answer, afterwards }
}

function contextOf(it: Installation, { voter, source }: Sender): ApprovalContext {
  const requester = { ...asRequester(voter), ...(source === undefined ? {} : { source }) }
  return {
    db: it.db,
    clock: it.clock,
    requester,
    approved: afterApproval(it, requester),
    retry: afterRetry(it, requester),
  }
}

async function findHeld(db: Database, uuid: string): Promise<Held> {
  const order = await withTables<CoreTables>(db)
    .selectFrom('sign_requests')
    .select('id')
    .where('uuid', '=', uuid)
    .executeTakeFirst()
  return holdRequest(db, order ? 'sign' : 'revoke', uuid)
}

/** One of the same organization; undefined: somebody whom only the ticket system knows. */
async function namedUser(db: Database, { voter }: Sender, name: string): Promise<User | undefined> {
  const user = await findUser(db, { name })
  return user && (user.superuser || user.organizationId === voter.organizationId) ? user : undefined
}

/** Whoever asked does not decide: not by the secret that he was shown, and not through the ticket. */
function requireNotBehind({ request }: Held, { maker, voter }: Sender, named: User | undefined): void {
  if (request.organizationId !== voter.organizationId) throw new Failure('notFound', 'there is no such request')
  const { people } = request.requester
  if (maker !== null && people.includes(maker))
    throw new Failure(
      'forbidden',
      'who is behind this request was shown the secret of this webhook: decide on it elsewhere',
    ) // prettier-ignore
  if (named && people.includes(named.id))
    throw new Failure('forbidden', `${named.name} is behind this request and does not decide on it`)
}

/** One person counts once, wherever he decides. */
async function requireOneVoice(db: Database, decisionId: number, named: User): Promise<void> {
  if ((await votesOf(db, decisionId)).some(({ userId }) => userId === named.id)) throw votedAlready(named.name)
}

function votedAlready(name: string): Failure {
  return new Failure('conflict', `${name} has voted on this request already`)
}

/** Whether it is new here. Of two that come at once the second one waits for the first. */
async function claim(db: Database, it: Installation, { endpoint }: Sender, { decision, bodyHash }: Given) {
  const row = { webhook_id: endpoint.id, delivery: decision.id, body_hash: bodyHash, answer: '' }
  const claimed = await withTables<CoreTables>(db)
    .insertInto('webhook_answers')
    .values({ ...row, created_at: it.clock().getTime() })
    .onConflict((conflict) => conflict.doNothing())
    .returning('delivery')
    .executeTakeFirst()
  return claimed !== undefined
}

async function store(db: Database, { endpoint }: Sender, { id }: TicketDecision, answer: KeptAnswer): Promise<void> {
  await withTables<CoreTables>(db)
    .updateTable('webhook_answers')
    .set({ answer: JSON.stringify(answer) })
    .where('webhook_id', '=', endpoint.id)
    .where('delivery', '=', id)
    .execute()
}

/** Throws Failure('conflict') where the same id stood on another message. */
async function keptAnswer(db: Database, { endpoint }: Sender, { decision, bodyHash }: Given): Promise<KeptAnswer> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('webhook_answers')
    .select(['body_hash', 'answer'])
    .where('webhook_id', '=', endpoint.id)
    .where('delivery', '=', decision.id)
    .executeTakeFirstOrThrow()
  if (row.body_hash !== bodyHash)
    throw new Failure('conflict', 'another message had this id: give each decision an id of its own')
  return JSON.parse(row.answer)
}

/** Keeps a refusal, unless an answer is there by now: that one stands. */
async function keep(db: Database, it: Installation, sender: Sender, given: Given & { answer: KeptAnswer }) {
  if (!(await claim(db, it, sender, given))) return keptAnswer(db, sender, given)
  await store(db, sender, given.decision, given.answer)
  return given.answer
}

function answerOf(answer: KeptAnswer): TicketAnswer {
  if ('refused' in answer) throw new Failure(answer.refused.code, answer.refused.detail)
  return { status: answer.status }
}
