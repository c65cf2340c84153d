import { z } from 'zod'
import type { Door } from '../../src/core/core.ts'
import type { Database } from '../../src/db/open.ts'
import type { Answer } from './answer.ts'
import { planAuthorizations } from './authorizationPlan.ts'
import { admitOrder, chosenProfile } from './certificateProfile.ts'
import { admitByBinding } from './externalAccount.ts'
import { newId } from './id.ts'
import { readIdentifiers } from './identifiers.ts'
import { admitFresh, freshOf, orderTake } from './limits.ts'
import { optionsOf } from './options.ts'
import { accountProfile, answerOrder } from './order.ts'
import { orderState } from './orderState.ts'
import { type Ordered, storeOrder } from './orderStore.ts'
import { type Replaced, readReplaced, renewalOf } from './replaces.ts'
import { type AccountRequest, readPayload } from './signed.ts'
import { readTime } from './time.ts'

/** No profile takes more; a body of 64 KiB holds some two thousand. */
const MAX_IDENTIFIERS = 1000

const payload = z.object({
  identifiers: z
    .array(z.object({ type: z.string(), value: z.string(), ancestorDomain: z.string().optional() }))
    .max(MAX_IDENTIFIERS),
  notBefore: z.string().optional(),
  notAfter: z.string().optional(),
  profile: z.string().optional(),
  replaces: z.string().optional(),
})

/** RFC 8555 section 7.4. What the profile would never certify is refused here and not at finalize. */
export async function newOrder(request: AccountRequest): Promise<Answer> {
  const asked = readPayload(request, payload)
  const names = readIdentifiers(asked.identifiers)
  const period = {
    ...(asked.notBefore === undefined ? {} : { notBefore: readTime(asked.notBefore, 'notBefore') }),
    ...(asked.notAfter === undefined ? {} : { notAfter: readTime(asked.notAfter, 'notAfter') }),
  }
  const profile = await accountProfile(request)
  const chosen = chosenProfile(request.door, profile, asked.profile)
  const identifiers = names.map(({ identifier }) => identifier)
  admitOrder(request.door, { profile, chosen }, { identifiers, period })
  const entitled = await admitByBinding(request, identifiers)
  const { replaces } = asked
  const replaced: { replaced?: Replaced } =
    replaces === undefined ? {} : { replaced: await readReplaced(request, replaces, { profile, names }) }
  const plan = await planAuthorizations(request, names, optionsOf(profile))
  const charge = orderTake(request, profile, replaced.replaced)
  await admitFresh(request, profile, { fresh: freshOf(plan), charge })
  const ordered = { uuid: newId(request.now), profile: chosen, names, plan, entitled, charge, ...period, ...replaced }
  const question = await foresee(request, ordered)
  const ask = question && ((db: Database) => admitByBinding(request, identifiers, db).then(() => question(db)))
  const order = await storeOrder(request, { ...ordered, ask })
  return answerOrder(request, order, orderState(order, undefined, request.now), 201)
}

/** What the rules can say without the CSR is said now: a denial, or the question to people, which the answer asks. */
function foresee({ door, now }: AccountRequest, ordered: Omit<Ordered, 'ask'>): ReturnType<Door['foresee']> {
  const { uuid, profile, names, entitled, notBefore, notAfter, replaced } = ordered
  return door.foresee({
    profile,
    protocol: 'acme',
    ...renewalOf(replaced?.certificate, now),
    origin: { protocol: 'acme', ref: uuid },
    identifiers: names.map(({ identifier }) => identifier),
    entitled,
    ...(notBefore ? { notBefore } : {}),
    ...(notAfter ? { notAfter } : {}),
  })
}
