import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import type { CoreTables } from '../tables.ts'
import { type Complain, eachSpan, type Histories, pairs, type Told } from './verifyHistory.ts'

/** Private keys that the server made: that each was made, handed over and forgotten as its events tell, and none is kept that was to be forgotten. */
export async function verifyServerKeys(db: Database, complain: Complain): Promise<void> {
  await eachSpan(db, complain, {
    kind: 'server_key',
    check: async (histories, complain) => {
      for (const { id, events, row } of pairs(histories, await rowsOf(db, histories))) check(id, events, row, complain)
    },
  })
}

function rowsOf(db: Database, { after, upTo }: Histories) {
  return withTables<CoreTables>(db)
    .selectFrom('server_keys')
    .select(['id', 'organization_id', 'spki_hash', 'keep', 'delivered_at'])
    .select((eb) => eb.case().when('sealed', 'is', null).then(1).else(0).end().as('forgotten'))
    .where('id', '>', after)
    .where('id', '<=', upTo)
    .execute()
}

type Row = Awaited<ReturnType<typeof rowsOf>>[number]

function check(id: number, events: Told[], row: Row | undefined, complain: Complain): void {
  const told = (action: string) => events.find((event) => event.action === `server_key.${action}`)
  const made = told('made')
  const subject = `private key ${id}`
  if (!row) complain(`${subject} is gone`)
  else if (!made) complain(`${subject} was made by no event`)
  if (!row || !made) return
  if (row.spki_hash !== made.details.spkiHash) complain(`${subject} is another than the one that was made`)
  if (row.organization_id !== made.organizationId) complain(`${subject} was moved to another organization by no event`)
  if ((row.keep === 1) !== made.details.keep)
    complain(`${subject} is ${row.keep === 1 ? '' : 'not '}kept, its event says otherwise`)
  if (row.delivered_at !== (told('delivered')?.at ?? null))
    complain(`${subject} was ${row.delivered_at === null ? 'not ' : ''}handed over, its events say otherwise`)
  if ((row.forgotten === 1) !== (told('forgotten') !== undefined))
    complain(`${subject} is ${row.forgotten === 1 ? '' : 'not '}forgotten, its events say otherwise`)
}
