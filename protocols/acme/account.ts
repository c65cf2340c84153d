import { z } from 'zod'
import type { Take } from '../../src/core/enrolment/limit.ts'
import { Failure } from '../../src/core/failure.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import type { Host } from '../../src/protocol.ts'
import {
  type Account,
  accountRequester,
  findAccount,
  findAccountByKey,
  refuseEnded,
  toAccount,
} from './accountRecord.ts'
import { type Answer, link } from './answer.ts'
import { learnChaos } from './chaos.ts'
import { checkContacts } from './contact.ts'
import { AcmeError } from './errors.ts'
import { type Binding, readBinding } from './externalAccount.ts'
import { newId } from './id.ts'
import { accountTake } from './limits.ts'
import { optionsOf } from './options.ts'
import { type AccountRequest, type KeyRequest, keyHolder, notFound, readPayload } from './signed.ts'
import type { AcmeTables } from './tables.ts'
import { urls } from './urls.ts'

const anything = z.looseObject({})
const existing = z.object({ onlyReturnExisting: z.boolean().optional() })
const registration = z.object({
  contact: z.array(z.string()).default([]),
  termsOfServiceAgreed: z.boolean().optional(),
})
const update = z.object({ contact: z.array(z.string()).optional(), status: z.unknown().optional() })

/** RFC 8555 sections 7.3 and 7.3.1. For a key that has an account, nothing else in the request counts. */
export async function newAccount(request: KeyRequest): Promise<Answer> {
  const { server, key, source } = request
  const { db, core } = server.host
  readPayload(request, anything)
  const door = core.as(keyHolder(key.thumbprint, source))
  const profile = learnChaos(server, await door.profile(request.profile, 'acme'))
  const found = await findAccountByKey(db, profile.id, key.thumbprint)
  if (found) return returnExisting(request, found)
  if (readPayload(request, existing).onlyReturnExisting)
    throw new AcmeError('accountDoesNotExist', 'there is no account with this key')
  const { contact, termsOfServiceAgreed } = readPayload(request, registration)
  const { termsOfService } = optionsOf(profile)
  if (termsOfService !== undefined && termsOfServiceAgreed !== true) throw mustAgree(termsOfService)
  checkContacts(contact)
  const binding = await readBinding(request, profile, door)
  const charge = binding ? undefined : accountTake(profile, source)
  const { account, created } = await store(request, {
    profileId: profile.id,
    contact,
    termsAgreed: termsOfService,
    binding,
    charge,
  })
  if (!created) return returnExisting(request, account)
  return { status: 201, location: urls.account(request.root, account.uuid), json: accountObject(request.root, account) }
}

function returnExisting({ root }: KeyRequest, account: Account): Answer {
  refuseEnded(account)
  return { status: 200, location: urls.account(root, account.uuid), json: accountObject(root, account) }
}

function mustAgree(termsOfService: string): AcmeError {
  return new AcmeError(
    'userActionRequired',
    `agree to the terms of service at ${termsOfService} and send "termsOfServiceAgreed": true`,
    {
      instance: termsOfService,
      links: [link(termsOfService, 'terms-of-service')],
    },
  )
}

interface Registration {
  profileId: number
  contact: string[]
  termsAgreed: string | undefined
  binding: Binding | undefined
  /** What it takes of a limit. */
  charge: Take | undefined
}

/** Of several requests with one key at once, one creates the account and all get it. Only who creates it uses his credential. */
function store({ server: { host }, now, profile, key, source }: KeyRequest, registration: Registration) {
  const { profileId, contact, termsAgreed, binding, charge } = registration
  return transaction(host.db, async (db) => {
    const row = await withTables<AcmeTables>(db)
      .insertInto('acme_accounts')
      .values({
        uuid: newId(now),
        profile_id: profileId,
        profile,
        jwk: key.jwk,
        thumbprint: key.thumbprint,
        status: 'valid',
        contact: JSON.stringify(contact),
        terms_agreed: termsAgreed ?? null,
        created_at: now.getTime(),
        credential_id: binding?.credentialId ?? null,
        binding: binding ? JSON.stringify(binding.sent) : null,
        people: binding ? JSON.stringify(binding.people) : null,
      })
      .onConflict((conflict) => conflict.columns(['profile_id', 'thumbprint']).doNothing())
      .returningAll()
      .executeTakeFirst()
    if (row) {
      const made = toAccount(row)
      const door = host.core.as(accountRequester(made, source))
      if (binding) await door.redeemCredential(db, binding.credentialId)
      await door.record(db, { change: 'created', ...recorded(made) })
      if (charge) await door.limits.take(db, charge)
      return { account: made, created: true }
    }
    const account = await findAccountByKey(db, profileId, key.thumbprint)
    if (!account) throw new Failure('internal', 'an account that was there is not')
    return { account, created: false }
  })
}

/** Sections 7.3.2 and 7.3.6; POST-as-GET shows the account. Only `contact` and the status `deactivated` can be changed by its owner. */
export async function account(request: AccountRequest): Promise<Answer> {
  const { root, param } = request
  if (param('id') !== request.account.uuid) throw notFound('account')
  if (request.payload.length === 0) return { status: 200, json: accountObject(root, request.account) }
  const { contact, status } = readPayload(request, update)
  if (contact) checkContacts(contact)
  const deactivate = status === 'deactivated'
  if (!contact && !deactivate) return { status: 200, json: accountObject(root, request.account) }
  const changed: Account = {
    ...request.account,
    ...(contact ? { contact } : {}),
    ...(deactivate ? { status: 'deactivated' } : {}),
  }
  await storeChange(request, changed)
  return { status: 200, json: accountObject(root, changed) }
}

function recorded({ id, uuid, profileId, thumbprint, contact, credentialId }: Account) {
  const details = { account: uuid, thumbprint, contact, ...(credentialId === undefined ? {} : { credentialId }) }
  return { protocol: 'acme', profileId, id, details }
}

async function storeChange({ server: { host }, door }: AccountRequest, changed: Account): Promise<void> {
  const { id, uuid, contact, status } = changed
  await transaction(host.db, async (db) => {
    const { numUpdatedRows } = await withTables<AcmeTables>(db)
      .updateTable('acme_accounts')
      .set({ contact: JSON.stringify(contact), status })
      .where('id', '=', id)
      .where('status', '=', 'valid')
      .executeTakeFirst()
    if (numUpdatedRows === 0n) throw new AcmeError('unauthorized', 'this account was ended meanwhile', { status: 401 })
    await door.record(db, { change: status === 'deactivated' ? status : 'changed', ...recorded(changed) })
    if (status === 'deactivated') await host.enqueue(db, 'acme.cancel', uuid)
  })
}

/** Section 7.1.2. What the client sent beside it is never reflected, a binding only when it was verified. */
export function accountObject(
  root: string,
  { uuid, status, contact, termsAgreed, binding }: Account,
): Record<string, unknown> {
  return {
    status,
    ...(contact.length > 0 ? { contact } : {}),
    ...(termsAgreed === undefined ? {} : { termsOfServiceAgreed: true }),
    ...(binding === undefined ? {} : { externalAccountBinding: binding }),
    orders: urls.orders(root, uuid),
  }
}

const PAGE = 200

/** Job: withdraws what a deactivated or revoked account still waits for (section 7.3.6), asked at newOrder or at finalize. What was signed stays. */
export async function cancelOrders(host: Host, uuid: string): Promise<void> {
  const account = await findAccount(host.db, uuid)
  if (account?.status !== 'deactivated' && account?.status !== 'revoked') return
  const door = host.core.as(accountRequester(account, undefined))
  for (let before = Number.MAX_SAFE_INTEGER; ; ) {
    const orders = await withTables<AcmeTables>(host.db)
      .selectFrom('acme_orders')
      .select(['id', 'uuid'])
      .where('account_id', '=', account.id)
      .where('id', '<', before)
      .orderBy('id', 'desc')
      .limit(PAGE)
      .execute()
    for (const order of orders) {
      const request = await door.findSignRequest({ protocol: 'acme', ref: order.uuid })
      if (request?.status !== 'requested' && request?.status !== 'signing') continue
      await door.approvals.cancel('sign', request.id, `the ACME account was ${account.status}`).catch(unlessTooLate)
    }
    const last = orders.at(-1)
    if (!last || orders.length < PAGE) return
    before = last.id
  }
}

function unlessTooLate(error: unknown): void {
  if (!(error instanceof Failure && error.code === 'conflict')) throw error
}
