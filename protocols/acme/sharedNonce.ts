import { createHmac, createSecretKey, randomBytes, randomInt, timingSafeEqual } from 'node:crypto'
import { type Kysely, sql } from 'kysely'
import type { Database } from '../../src/db/open.ts'
import { statement, withTables } from '../../src/db/tables.ts'
import { single, transaction } from '../../src/db/transaction.ts'
import { inTime, NONCE_LIFETIME_SECONDS, type Nonces, readNonce } from './nonce.ts'
import type { AcmeTables } from './tables.ts'

const RANDOM_OCTETS = 14
const DATA_OCTETS = RANDOM_OCTETS + 4
const MAC_OCTETS = 18
const PRUNE_SECONDS = 60
/** How often a nonce that we do not know may make us look whether the epoch has changed. */
const LOOK_SECONDS = 1
/** The row that names the epoch: no nonce has an empty key. */
const EPOCH_ROW = Buffer.alloc(0)

interface Spending {
  nonce: Buffer
  /** Of its MAC: in another one nobody knows whether it was spent. */
  epoch: number
  resolve(first: boolean): void
  reject(error: unknown): void
}

/**
 * For any number of nodes over one PostgreSQL: a nonce is random octets and a time under a MAC that all nodes compute alike, and it is
 * spent by inserting it. The table is unlogged, so a crash of the database empties it; therefore it also holds the epoch, which goes into
 * the MAC: with the spent nonces all old ones become unknown. Spendings of one turn of the event loop share one transaction.
 */
export function sharedNonces(db: Database, secret: Buffer, clock: () => Date): Nonces {
  let epoch: { number: number; key: ReturnType<typeof createSecretKey> } | undefined
  let looked = 0
  let pruned = 0
  let waiting: Spending[] = []

  const seconds = () => Math.floor(clock().getTime() / 1000)

  function adopt(number: number) {
    if (epoch?.number !== number)
      epoch = {
        number,
        key: createSecretKey(createHmac('sha256', secret).update(`nonces of epoch ${number}`).digest()),
      }
    return epoch
  }

  async function look() {
    looked = seconds()
    return adopt(await transaction(db, readEpoch))
  }

  async function flush(): Promise<void> {
    const batch = waiting
    waiting = []
    try {
      const now = seconds()
      const { number } = epoch ?? (await look())
      const current = batch.filter((spending) => spending.epoch === number)
      const nonces = new Map(current.map(({ nonce }) => [nonce.toString('latin1'), nonce]))
      if (now - pruned >= PRUNE_SECONDS) {
        await single(db, (trx) => forget(trx, now))
        pruned = now
      }
      const fresh = await single(db, (trx) => store(trx, { nonces: [...nonces.values()], epoch: number, now }))
      // Spent before, or the epoch is over: look which.
      if (fresh.size < nonces.size) await look()
      for (const { nonce, resolve } of batch) resolve(fresh.delete(nonce.toString('latin1')))
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }

  function issueIn({ key }: NonNullable<typeof epoch>): string {
    const bytes = Buffer.allocUnsafe(DATA_OCTETS + MAC_OCTETS)
    randomBytes(RANDOM_OCTETS).copy(bytes)
    bytes.writeUInt32BE(seconds(), RANDOM_OCTETS)
    macOf(key, bytes.subarray(0, DATA_OCTETS)).copy(bytes, DATA_OCTETS)
    return bytes.toString('base64url')
  }

  return {
    issue: () => (epoch ? issueIn(epoch) : look().then(issueIn)),
    async spend(nonce) {
      const bytes = readNonce(nonce)
      if (bytes.length !== DATA_OCTETS + MAC_OCTETS) return false
      let known = epoch ?? (await look())
      if (!macFits(known.key, bytes, DATA_OCTETS)) {
        if (seconds() - looked < LOOK_SECONDS) return false
        known = await look()
        if (!macFits(known.key, bytes, DATA_OCTETS)) return false
      }
      if (!inTime(bytes.readUInt32BE(RANDOM_OCTETS), seconds())) return false
      const spending = { nonce: bytes.subarray(0, DATA_OCTETS), epoch: known.number }
      return new Promise((resolve, reject) => {
        if (waiting.push({ ...spending, resolve, reject }) === 1) setImmediate(flush)
      })
    },
  }
}

async function readEpoch(db: Database): Promise<number> {
  const tables = withTables<AcmeTables>(db)
  await tables
    .insertInto('acme_nonces')
    .values({ nonce: EPOCH_ROW, at: randomInt(2 ** 47) })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  const { at } = await tables
    .selectFrom('acme_nonces')
    .select('at')
    .where('nonce', '=', EPOCH_ROW)
    .executeTakeFirstOrThrow()
  return at
}

/** Those that were not there before, as latin1 text. */
async function store(
  db: Database,
  { nonces, epoch, now }: { nonces: Buffer[]; epoch: number; now: number },
): Promise<Set<string>> {
  const { rows } = await storeAll(db, Buffer.concat(nonces), epoch, now)
  return new Set(rows.map(({ nonce }) => nonce.toString('latin1')))
}

/** All in one value, so that it is one statement for any number of them. */
const storeAll = statement((tables: Kysely<AcmeTables>, nonces: Buffer, epoch: number, now: number) => {
  const all = sql`cast(${nonces} as bytea)`
  const query = sql<{ nonce: Buffer }>`
    insert into acme_nonces (nonce, at)
    select substring(${all} from n for ${sql.lit(DATA_OCTETS)}), cast(${now} as bigint)
    from generate_series(1, octet_length(${all}), ${sql.lit(DATA_OCTETS)}) as n
    where exists (select 1 from acme_nonces where nonce = '' and at = ${epoch})
    on conflict do nothing returning nonce`
  return { compile: () => query.compile(tables) }
})

async function forget(db: Database, now: number): Promise<void> {
  await withTables<AcmeTables>(db)
    .deleteFrom('acme_nonces')
    .where('at', '<', now - NONCE_LIFETIME_SECONDS - 1)
    .where('nonce', '<>', EPOCH_ROW)
    .execute()
}

type Key = ReturnType<typeof createSecretKey>

function macOf(key: Key, data: Buffer): Buffer {
  return createHmac('sha256', key).update(data).digest().subarray(0, MAC_OCTETS)
}

/** Whether what follows the first `length` octets is their MAC. */
function macFits(key: Key, bytes: Buffer, length: number): boolean {
  return timingSafeEqual(macOf(key, bytes.subarray(0, length)), bytes.subarray(length))
}
