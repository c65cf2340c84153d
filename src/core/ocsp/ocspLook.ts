import { type Kysely, sql } from 'kysely'
import { dataVersion } from '../../db/dataVersion.ts'
import type { Database } from '../../db/open.ts'
import { statement } from '../../db/tables.ts'
import type { CoreTables } from '../tables.ts'

/**
 * All that kept answers depend on, at one moment: while two looks give the same object, no certificate was revoked or
 * released, no setting, no authority and no responder changed in between. Issuing is not among it.
 */
export interface Stamp {
  text: string
  /** The part that tells of the authorities' certificates. */
  issuers: string
}

/**
 * Looks at the database after the call, and at once where that is possible; calls with the same `batch` share one look, which
 * begins with the first of them. Throws DatabaseUnavailable.
 */
export type Look = (batch?: object) => Stamp | Promise<Stamp>

/** Every number in it only grows, and each change of what it stands for raises one in the same transaction. */
const readNumbers = statement((tables: Kysely<CoreTables>) =>
  tables.selectFrom('authorities').select(({ fn }) => [
    fn.sum<number | null>('revocations').as('revocations'),
    fn.sum<number | null>('version').as('versions'),
    fn.countAll<number>().as('authorities'),
    sql<number | null>`(select max(id) from responders)`.as('responders'),
    // Of two that are stored at the same time, the one with the lower number may be seen later.
    sql<string>`(select max(id) || '/' || count(*) from authority_certificates)`.as('certificates'),
  ]),
)

export function createLook(db: Database): Look {
  let last: Stamp = { text: '', issuers: '' }
  const read = async (): Promise<Stamp> => {
    const [row] = (await readNumbers(db)).rows
    const issuers = `${row?.certificates}`
    const text = `${row?.revocations} ${row?.versions} ${row?.authorities} ${row?.responders} ${issuers}`
    // A look that began earlier may end later: what it found then only costs another look at the certificates.
    if (text !== last.text) last = { text, issuers }
    return last
  }
  return db.dialect === 'sqlite' ? unlessUnchanged(db, read) : shared(read)
}

/** SQLite tells whether anything at all was committed since the last look. */
function unlessUnchanged(db: Database, read: () => Promise<Stamp>): Look {
  let known: { version: number | undefined; stamp: Stamp } | undefined
  const look = () => {
    const version = dataVersion(db)
    if (known && known.version === version) return known.stamp
    return read().then((stamp) => {
      known = { version, stamp }
      return stamp
    })
  }
  let last: { batch: object; found: Stamp | Promise<Stamp> } | undefined
  return (batch) => {
    if (!batch) return look()
    if (last?.batch !== batch) last = { batch, found: look() }
    return last.found
  }
}

/**
 * One query for all who ask in the same turn of the event loop, or while the query before it is under way. It begins after
 * the last of them has asked: a query that was begun before would miss what was committed in between.
 */
function shared(read: () => Promise<Stamp>): Look {
  let next: Promise<Stamp> | undefined
  let running: Promise<unknown> = Promise.resolve()
  const begin = () =>
    new Promise<Stamp>((resolve, reject) => {
      setImmediate(() => {
        next = undefined
        const look = read()
        running = look
        look.then(resolve, reject)
      })
    })
  return () => {
    next ??= running.then(begin, begin)
    return next
  }
}
