import { z } from 'zod'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { accountObject } from './account.ts'
import { retireKey } from './accountKeys.ts'
import { type Account, findAccountByKey } from './accountRecord.ts'
import type { Answer } from './answer.ts'
import { AcmeError } from './errors.ts'
import { type JwsKey, readJwk } from './jwk.ts'
import { checkJws, jsonObject, openJws } from './jws.ts'
import { type AccountRequest, keyOfJws } from './signed.ts'
import type { AcmeTables } from './tables.ts'
import { urls } from './urls.ts'

const keyChangeObject = z.object({ account: z.string(), oldKey: z.record(z.string(), z.unknown()) })

/**
 * RFC 8555 section 7.3.5. The requester is the account and not its key: orders, authorizations and remembered approvals
 * go on as they were. Key authorizations are those of the new key from now on (section 8.1).
 */
export async function keyChange(request: AccountRequest): Promise<Answer> {
  const key = readNewKey(request)
  const { server, account, root } = request
  const holder = await findAccountByKey(server.host.db, account.profileId, key.thumbprint)
  if (holder) throw taken(root, holder)
  try {
    await exchange(request, key)
  } catch (error) {
    // Of two that take one key at once the unique index lets one pass; the other one's transaction is lost.
    const winner = await findAccountByKey(server.host.db, account.profileId, key.thumbprint)
    throw winner ? taken(root, winner) : error
  }
  return { status: 200, json: accountObject(root, account) }
}

/** The key of the inner JWS, after the checks 2 to 8 of section 7.3.5. */
function readNewKey({ account, root, payload, url }: AccountRequest): JwsKey {
  const opened = inner(() => openJws(payload))
  if (Object.hasOwn(opened.header, 'nonce')) throw malformed('its protected header must not hold a "nonce"')
  const jws = inner(() => checkJws(opened))
  if (!jws.jwk) throw malformed('its protected header must hold the new key as "jwk"')
  const key = inner(() => keyOfJws(jws))
  if (jws.url !== url) throw malformed('its "url" must be that of the request')
  const asked = keyChangeObject.safeParse(inner(() => jsonObject(jws.payload, 'the payload')))
  if (!asked.success) throw malformed('its payload must hold "account", a URL, and "oldKey", a JWK')
  if (asked.data.account !== urls.account(root, account.uuid))
    throw malformed('its "account" must be the URL of the account that signs the request')
  if (!isKeyOf(account, asked.data.oldKey)) throw malformed('its "oldKey" is not the key of the account')
  return key
}

/** By the members that make the key; others may stand beside them. */
function isKeyOf({ thumbprint }: Account, jwk: Record<string, unknown>): boolean {
  try {
    return readJwk(jwk).thumbprint === thumbprint
  } catch (error) {
    if (error instanceof AcmeError) return false
    throw error
  }
}

function exchange({ server, account, door, now }: AccountRequest, key: JwsKey): Promise<void> {
  return transaction(server.host.db, async (db) => {
    const { numUpdatedRows } = await withTables<AcmeTables>(db)
      .updateTable('acme_accounts')
      .set({ jwk: key.jwk, thumbprint: key.thumbprint })
      .where('id', '=', account.id)
      .where('thumbprint', '=', account.thumbprint)
      .where('status', '=', 'valid')
      .executeTakeFirst()
    if (numUpdatedRows === 0n)
      throw new AcmeError('unauthorized', 'the account was ended, or was given another key, meanwhile')
    await retireKey(db, { accountId: account.id, thumbprint: account.thumbprint, at: now })
    await door.record(db, {
      change: 'key_changed',
      protocol: 'acme',
      profileId: account.profileId,
      id: account.id,
      details: { account: account.uuid, before: account.thumbprint, after: key.thumbprint },
    })
  })
}

/** Section 7.3.5: 409 with the URL of the account that has the key, which whoever holds the key may know. */
function taken(root: string, { uuid }: Account): AcmeError {
  return new AcmeError('malformed', 'another account has the new key, or this one has it already: make a new one', {
    status: 409,
    headers: { Location: urls.account(root, uuid) },
  })
}

/** Says of what is malformed that it is the inner JWS. */
function inner<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof AcmeError && error.type === 'malformed') throw malformed(error.detail)
    throw error
  }
}

function malformed(detail: string): AcmeError {
  return new AcmeError('malformed', `the inner JWS: ${detail}`)
}
