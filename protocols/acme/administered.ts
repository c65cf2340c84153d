import type { Door } from '../../src/core/core.ts'
import { Failure } from '../../src/core/failure.ts'
import type { ProfileRecord } from '../../src/core/profile/raProfiles.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import type { AccountChange, Host, ProtocolAccount, ProtocolAccounts } from '../../src/protocol.ts'
import { type Account, accountRequester, findAccount, toAccount } from './accountRecord.ts'
import { findOrders } from './orderRecord.ts'
import { type OrderState, orderState } from './orderState.ts'
import type { AcmeTables } from './tables.ts'

/** So many accounts in a list, and so many of an account's orders looked at, the newest. */
const MOST = 1000
const ORDERS = 200

/** The accounts of this protocol's clients, for those who manage RA profiles. */
export function administeredAccounts(host: Host): ProtocolAccounts {
  return {
    list: (door) => list(host, door),
    find: async (door, uuid) => {
      const { account, profile } = await found(host, door, uuid)
      const [total = 0] = (await totals(host, [account.id])).values()
      return { ...view(account, profile, total), orders: await counted(host, account) }
    },
    change: (door, uuid, change) => changed(host, door, uuid, change),
  }
}

/** Accounts say who asks, and how to reach him: nothing for everybody. */
async function managed(door: Door): Promise<ProfileRecord[]> {
  const all = await door.raProfiles.list()
  const asked = await Promise.allSettled(all.map(({ uuid }) => door.raProfiles.requireManage(uuid)))
  return asked.flatMap((answer) => {
    if (answer.status === 'fulfilled') return [answer.value]
    if (answer.reason instanceof Failure && answer.reason.code === 'forbidden') return []
    throw answer.reason
  })
}

async function list(host: Host, door: Door): Promise<ProtocolAccount[]> {
  const profiles = new Map((await managed(door)).map((profile) => [profile.id, profile]))
  if (profiles.size === 0) return []
  const rows = await withTables<AcmeTables>(host.db)
    .selectFrom('acme_accounts')
    .selectAll()
    .where('profile_id', 'in', [...profiles.keys()])
    .orderBy('id', 'desc')
    .limit(MOST)
    .execute()
  const count = await totals(
    host,
    rows.map(({ id }) => id),
  )
  return rows.flatMap((row) => {
    const profile = profiles.get(row.profile_id)
    return profile ? [view(toAccount(row), profile, count.get(row.id) ?? 0)] : []
  })
}

async function totals({ db }: Host, ids: number[]): Promise<Map<number, number>> {
  if (ids.length === 0) return new Map()
  const rows = await withTables<AcmeTables>(db)
    .selectFrom('acme_orders')
    .select((eb) => ['account_id', eb.fn.countAll<number>().as('count')])
    .where('account_id', 'in', ids)
    .groupBy('account_id')
    .execute()
  return new Map(rows.map(({ account_id: id, count }) => [id, Number(count)]))
}

function view(account: Account, profile: ProfileRecord, orders: number): ProtocolAccount {
  const { uuid, status, contact, termsAgreed } = account
  return {
    uuid,
    profile: { id: profile.id, uuid: profile.uuid, name: profile.name },
    status: status === 'disabled' ? 'valid' : status,
    enabled: status === 'valid',
    contact,
    termsAgreed: termsAgreed !== undefined,
    total: orders,
  }
}

/** Throws Failure: notFound alike for none and for one of a profile that the door does not see; forbidden without `manage` on that. */
async function found(host: Host, door: Door, uuid: string): Promise<{ account: Account; profile: ProfileRecord }> {
  const account = await findAccount(host.db, uuid)
  const profile = account && (await door.raProfiles.list()).find(({ id }) => id === account.profileId)
  if (!account || !profile) throw new Failure('notFound', 'there is no such ACME account')
  return { account, profile: await door.raProfiles.requireManage(profile.uuid) }
}

async function counted({ db, core, clock }: Host, account: Account): Promise<Record<OrderState['status'], number>> {
  const counts = { pending: 0, ready: 0, processing: 0, valid: 0, invalid: 0 }
  const rows = await withTables<AcmeTables>(db)
    .selectFrom('acme_orders')
    .select('uuid')
    .where('account_id', '=', account.id)
    .orderBy('id', 'desc')
    .limit(ORDERS)
    .execute()
  if (rows.length === 0) return counts
  const door = core.as(accountRequester(account, undefined))
  const orders = await findOrders(
    db,
    account.id,
    rows.map(({ uuid }) => uuid),
  )
  for (const order of orders) {
    const request = await door.findSignRequest({ protocol: 'acme', ref: order.uuid })
    // One that people were asked about at newOrder is not finalized yet: its authorizations tell.
    const { status } = orderState(order, order.finalizedAt === undefined ? undefined : request, clock())
    counts[status] += 1
  }
  return counts
}

const moves = {
  enable: { from: ['disabled'], to: 'valid' },
  disable: { from: ['valid'], to: 'disabled' },
  revoke: { from: ['valid', 'disabled'], to: 'revoked' },
} as const satisfies Record<AccountChange, { from: readonly Account['status'][]; to: Account['status'] }>

/** What is so already stays so. Throws Failure: notFound, forbidden, conflict for an account that has ended. */
async function changed(host: Host, door: Door, uuid: string, change: AccountChange): Promise<void> {
  const { account, profile } = await found(host, door, uuid)
  const { from, to } = moves[change]
  if (account.status === to) return
  await transaction(host.db, async (db) => {
    const { numUpdatedRows } = await withTables<AcmeTables>(db)
      .updateTable('acme_accounts')
      .set({ status: to })
      .where('id', '=', account.id)
      .where('status', 'in', [...from])
      .executeTakeFirst()
    if (numUpdatedRows === 0n) throw new Failure('conflict', `this ACME account is ${account.status}, and stays so`)
    const details = { account: uuid, status: to }
    await door.record(db, { change: 'changed', protocol: 'acme', profileId: profile.id, id: account.id, details })
    if (to === 'revoked') await host.enqueue(db, 'acme.cancel', uuid)
  })
}
