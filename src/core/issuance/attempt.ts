import { type Kysely, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { statement, withTables } from '../../db/tables.ts'
import { authoritySettings } from '../authority/authority.ts'
import { handedOver } from '../authority/indirectCrl.ts'
import { rolloverTo } from '../authority/rollover.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { SignRequest } from '../request/request.ts'
import type { CoreTables } from '../tables.ts'
import { newSerial } from '../uuid.ts'

/** How long one attempt may take before another node may begin the next. */
export const leaseMilliseconds = 30_000

/** One try at signing a request. Its serial is used for nothing else, also when the try is abandoned. */
export interface Attempt {
  number: number
  serial: string
  shard: number
  leaseUntil: number
  /** Id of the authority's certificate that signs. */
  issuer: number
}

type MadeAttempt = Record<'number' | 'issuer' | 'shard' | 'until' | 'at', number> & Record<'serial' | 'owner', string>

/** No row without a decision that lets the request pass as it stands, nor for a blocked key. */
const insertAttempt = statement(
  (tables: Kysely<CoreTables>, made: MadeAttempt, request: { id: number; revision: number; spkiHash: string }) =>
    tables
      .insertInto('sign_attempts')
      .columns([
        'sign_request_id',
        'number',
        'decision_id',
        'authority_certificate_id',
        'serial',
        'shard',
        'lease_owner',
        'lease_until',
        'created_at',
      ])
      .expression((eb) =>
        eb
          .selectFrom('decisions')
          .select([
            'decisions.sign_request_id',
            sql.val(made.number).as('number'),
            'decisions.id',
            sql.val(made.issuer).as('issuer'),
            sql.val(made.serial).as('serial'),
            sql.val(made.shard).as('shard'),
            sql.val(made.owner).as('owner'),
            sql.val(made.until).as('until'),
            sql.val(made.at).as('at'),
          ])
          .where('decisions.sign_request_id', '=', request.id)
          .where('decisions.revision', '=', request.revision)
          .where('decisions.outcome', 'in', ['auto', 'remembered', 'granted', 'approved'])
          .where(({ not, exists, selectFrom }) =>
            not(exists(selectFrom('blocked_keys').select('spki_hash').where('spki_hash', '=', request.spkiHash))),
          ),
      )
      .returning('id'),
)

/**
 * Stores the next attempt of a request that stands in `signing`, in the caller's transaction. Without a decision that
 * lets this revision pass, or with a key blocked meanwhile, nothing is stored: throws Failure('conflict' | 'badKey').
 * `shards`: among how many CRLs certificates are shared out; `crlIssuer`: the authority that has them instead.
 */
export async function storeAttempt(
  db: Database,
  it: Installation,
  request: { id: number; revision: number; number: number; spkiHash: string },
  issuer: { id: number; shards: number; crlIssuer: string | undefined },
): Promise<Attempt> {
  const now = it.clock()
  const serial = newSerial(now)
  const attempt = {
    number: request.number,
    serial,
    shard: await crlShard(db, { serial, ...issuer, now }),
    leaseUntil: now.getTime() + leaseMilliseconds,
    issuer: issuer.id,
  }
  const made = {
    number: attempt.number,
    issuer: issuer.id,
    serial: attempt.serial,
    shard: attempt.shard,
    owner: it.node,
    until: attempt.leaseUntil,
    at: now.getTime(),
  }
  const { id, revision, spkiHash } = request
  const [stored] = (await insertAttempt(db, made, { id, revision, spkiHash })).rows
  if (!stored) await whyNoAttempt(db, request.spkiHash)
  return attempt
}

interface Sharing {
  id: number
  serial: string
  shards: number
  crlIssuer: string | undefined
  now: Date
}

/** In which CRL the certificate will stand: one of its issuer's own, or the indirect one of the authority that this hands over to. */
async function crlShard(db: Database, { id: issuerId, serial, shards, crlIssuer, now }: Sharing): Promise<number> {
  const indirect = crlIssuer === undefined ? undefined : await handedOver(db, { issuerId, crlIssuer, now })
  return indirect ?? shardOf(serial, shards)
}

/** Evenly: the last octets of a serial number are random. */
function shardOf(serial: string, shards: number): number {
  return Number.parseInt(serial.slice(-8), 16) % shards
}

async function whyNoAttempt(db: Database, spkiHash: string): Promise<never> {
  await refuseBlockedKey(db, spkiHash)
  throw new Failure('conflict', 'no decision lets this request pass as it stands now')
}

/** Throws Failure('badKey') for a key that was reported compromised or blocked by an administrator. */
export async function refuseBlockedKey(db: Database, spkiHash: string): Promise<void> {
  const blocked = await withTables<CoreTables>(db)
    .selectFrom('blocked_keys')
    .select('reason')
    .where('spki_hash', '=', spkiHash)
    .executeTakeFirst()
  if (blocked) throw new Failure('badKey', `this key is blocked (${blocked.reason}); make a new key`)
}

/** What the next attempt of a request goes by. */
export type Resumed = Pick<SignRequest, 'id' | 'attempt' | 'revision' | 'authorityId' | 'protocol' | 'wanted'>

/** Raises the attempt's number and stores it, in the caller's transaction. Throws Failure('conflict') when another took it. */
export async function storeNext(db: Database, it: Installation, request: Resumed): Promise<Attempt | undefined> {
  const issuer = await issuerOf(db, request)
  if (!issuer) return undefined
  const number = request.attempt + 1
  const moved = await withTables<CoreTables>(db)
    .updateTable('sign_requests')
    .set({ attempt: number, updated_at: it.clock().getTime() })
    .where('id', '=', request.id)
    .where('status', '=', 'signing')
    .where('attempt', '=', request.attempt)
    .returning('spki_hash')
    .executeTakeFirst()
  if (!moved) throw new Failure('conflict', 'another attempt has just begun')
  return storeAttempt(
    db,
    it,
    { id: request.id, revision: request.revision, number, spkiHash: moved.spki_hash ?? '' },
    { id: issuer.id, ...crlsNow(issuer) },
  )
}

/** The certificate of the authority that signs: the active one, unless the order names another that still may. */
async function issuerOf(db: Database, { authorityId, protocol, wanted }: Resumed) {
  const query = withTables<CoreTables>(db)
    .selectFrom('authority_certificates as own')
    .innerJoin('authorities', 'authorities.id', 'own.authority_id')
    .select(['own.id', 'own.shards', 'authorities.settings'])
    .where('own.authority_id', '=', authorityId)
    .where('own.key_id', 'is not', null)
  const named = wanted.issuer
  const other = named !== undefined && (protocol === 'internal' || (await rolloverTo(db, named))?.status === 'prepared')
  return (other ? query.where('own.id', '=', named) : query.where('own.active', '=', 1)).executeTakeFirst()
}

/** In which CRLs certificates stand from now on; the certificate's own mark is raised before they are shared out (authority.ts). */
function crlsNow({ shards, settings }: { shards: number; settings: string }) {
  const { crlShards, crlIssuer } = authoritySettings.parse(JSON.parse(settings))
  return { shards: Math.min(shards, crlShards), crlIssuer }
}
