import type { Kysely } from 'kysely'
import { z } from 'zod'
import type { SignRequest } from '../../src/core/request/request.ts'
import type { Database } from '../../src/db/open.ts'
import { statement } from '../../src/db/tables.ts'
import { isNamed } from '../../src/http/namedBy.ts'
import { type Csr, parseCsr } from '../../src/pki/csr.ts'
import { PkiError } from '../../src/pki/error.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import { findAccount, refuseEnded } from './accountRecord.ts'
import type { Answer } from './answer.ts'
import { decodeBase64url } from './base64url.ts'
import { requireCaa } from './caaCheck.ts'
import { variantOfOrder } from './certificateProfile.ts'
import { checkCsrNames } from './csrNames.ts'
import { AcmeError } from './errors.ts'
import { admitByBinding } from './externalAccount.ts'
import { refuseOnionKey } from './onionCsr01.ts'
import { optionsOf } from './options.ts'
import { accountProfile, answerOrder, ownOrder, toldState } from './order.ts'
import type { Order } from './orderRecord.ts'
import { orderState } from './orderState.ts'
import { renewalAtFinalize } from './replaces.ts'
import { type AccountRequest, readPayload } from './signed.ts'
import type { AcmeTables } from './tables.ts'

const payload = z.object({ csr: z.string() })

/** RFC 8555 section 7.4. A CSR that is refused leaves the order ready. */
export async function finalize(request: AccountRequest): Promise<Answer> {
  const { csr: text } = readPayload(request, payload)
  const own = await ownOrder(request)
  const der = await readDer(request, text)
  if (own.finalizedAt !== undefined) return repeat(request, own, der)
  requireReady(own, request.now)
  const identifiers = certifiedNames(own)
  const csr = readCsr(request, der, identifiers)
  const profile = variantOfOrder(request, own, await accountProfile(request))
  await requireCaa(request, own, optionsOf(profile))
  const bound = await admitByBinding(request, identifiers)
  const { request: signRequest, repeat: again } = await request.door.sign(
    {
      profile,
      protocol: 'acme',
      ...(await renewalAtFinalize(request, own)),
      origin: { protocol: 'acme', ref: own.uuid },
      csr,
      identifiers,
      validated: identifiers,
      entitled: bound && isNamed(profile, { subject: csr.subject, identifiers }),
      ...(own.notBefore === undefined ? {} : { notBefore: new Date(own.notBefore) }),
      ...(own.notAfter === undefined ? {} : { notAfter: new Date(own.notAfter) }),
      refusal: 'throw',
    },
    async (db) => {
      await admitByBinding(request, identifiers, db)
      await takeReady(db, request, own)
    },
  )
  if (again) return repeat(request, own, der)
  return answerOrder(request, own, await toldState(request, own, signRequest))
}

/** Throws AcmeError('malformed'). */
async function readDer(request: AccountRequest, text: string): Promise<Buffer> {
  const bare = text.replace(/={1,2}$/, '')
  const lenient = bare !== text && text.length % 4 === 0 && optionsOf(await accountProfile(request)).paddedCsr
  const der = decodeBase64url(lenient ? bare : text)
  if (!der) throw new AcmeError('malformed', 'csr: the DER of the request, in base64url without padding')
  return der
}

function requireReady(own: Order, now: Date): void {
  const state = orderState(own, undefined, now)
  if (state.status === 'ready') return
  const reason = state.status === 'invalid' ? state.error.detail : 'all its authorizations must be valid first'
  throw new AcmeError('orderNotReady', `the order is ${state.status}: ${reason}`)
}

/** As the profile's policy and the certificate take them; the order shows them as they were asked. */
function certifiedNames({ names }: Order): Identifier[] {
  return names.map(({ type, value }) => ({ type: type === 'ip' ? 'ip' : 'dns', value: value.toLowerCase() }))
}

/** Throws AcmeError('badCSR'). */
function readCsr({ key }: AccountRequest, der: Buffer, identifiers: readonly Identifier[]): Csr {
  const csr = parse(der)
  checkCsrNames(csr, identifiers)
  refuseOnionKey(csr.publicKey, identifiers)
  // Section 11.1: whoever holds the one key would hold the other.
  if (csr.publicKey.spkiHash === key.spkiHash)
    throw new AcmeError('badCSR', 'the CSR has the key of the account: make another one')
  return csr
}

function parse(der: Buffer): Csr {
  try {
    return parseCsr(der)
  } catch (cause) {
    if (!(cause instanceof PkiError)) throw cause
    throw new AcmeError('badCSR', `the CSR cannot be used: ${cause.message}`, { cause })
  }
}

const takeOrder = statement((tables: Kysely<AcmeTables>, account: number, order: number, now: number) =>
  tables
    .updateTable('acme_orders')
    .set({ finalized_at: now })
    .where('id', '=', order)
    .where('finalized_at', 'is', null)
    .where('expires_at', '>', now)
    .where(({ exists, not, and, selectFrom }) =>
      and([
        exists(selectFrom('acme_accounts').select('id').where('id', '=', account).where('status', '=', 'valid')),
        not(
          exists(
            selectFrom('acme_order_identifiers as i')
              .innerJoin('acme_authorizations as a', 'a.id', 'i.authorization_id')
              .select('a.id')
              .where('i.order_id', '=', order)
              .where((or) => or.or([or('a.status', '<>', 'valid'), or('a.expires_at', '<=', now)])),
          ),
        ),
      ]),
    ),
)

/**
 * Runs in the transaction that stores the SignRequest: looks again whether the order is ready and takes it, so that it is taken once.
 * Throws AcmeError: unauthorized when it was the account that ended meanwhile, orderNotReady.
 */
async function takeReady(db: Database, { account, now }: AccountRequest, own: Order): Promise<void> {
  const { changed } = await takeOrder(db, account.id, own.id, now.getTime())
  if (changed > 0) return
  const holder = await findAccount(db, account.uuid)
  if (holder) refuseEnded(holder)
  throw new AcmeError('orderNotReady', 'the order was finalized, or ceased to be ready, meanwhile: read it')
}

/** Section 7.4: 403, and the client then reads the order; a profile may answer the order instead, for the same CSR. */
async function repeat(request: AccountRequest, own: Order, der: Buffer): Promise<Answer> {
  const { idempotentFinalize } = optionsOf(await accountProfile(request))
  const known: SignRequest | undefined = idempotentFinalize
    ? await request.door.findSignRequest({ protocol: 'acme', ref: own.uuid })
    : undefined
  if (!known?.csr?.equals(der))
    throw new AcmeError('orderNotReady', 'the order is finalized already: read it to see how far it is')
  return answerOrder(request, own, await toldState(request, own, known))
}
