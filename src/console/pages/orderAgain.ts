import { createHash } from 'node:crypto'
import { Failure } from '../../core/failure.ts'
import type { RequestDetail } from '../../core/listing/listing.ts'
import type { SignDraft, SignRequest } from '../../core/request/request.ts'
import { readKeptRequest } from '../../pki/crmf.ts'
import { parseNameText } from '../../pki/name.ts'
import { action, type Visit } from '../page.ts'
import { reading } from '../pasted.ts'
import { moveOn } from '../told.ts'
import { orderStatus } from './orderWords.ts'
import { asRef } from './requestFacts.ts'

type Kept = Pick<SignRequest, 'origin' | 'profileId'>

/** Orders whose key the server made have an origin that ends in the profile and the number of the key (src/core/key/serverKey.ts). */
const isServerKey = ({ origin, profileId }: Kept): boolean =>
  origin !== undefined && new RegExp(`/${profileId}/[0-9]+$`).test(origin.ref)

/** Why an order cannot be made again from here; undefined where it can. */
export function whyNotAgain(detail: RequestDetail, kept: Kept): string | undefined {
  if (orderStatus(detail.status) !== 'failed') return 'It has not failed.'
  if (detail.profile === '') return 'The installation orders its own certificates itself.'
  if (!detail.csr || !detail.wanted) return 'No signing request is kept with it: order anew, with one.'
  if (isServerKey(kept)) return 'Its key was made by the server for that order alone: order anew, with a new key.'
  return undefined
}

/** The same order, by whoever sends it now: the rules decide anew. */
async function draftAgain({ door }: Visit, detail: RequestDetail): Promise<SignDraft> {
  const { csr: der, wanted, renews, action } = detail
  if (!der || !wanted) throw new Failure('conflict', 'no signing request is kept with this order')
  const csr = reading('badCsr', () => readKeptRequest(der))
  const common = {
    protocol: 'console',
    refusal: 'store',
    editable: true,
    identifiers: wanted.identifiers,
    ...(wanted.notBefore ? { notBefore: wanted.notBefore } : {}),
    ...(wanted.notAfter ? { notAfter: wanted.notAfter } : {}),
    ...(wanted.pathLength === null ? {} : { pathLength: wanted.pathLength }),
    ...(wanted.nameConstraints === null ? {} : { nameConstraints: wanted.nameConstraints }),
  } as const
  if (renews !== null && (action === 'renew' || action === 'rekey'))
    return { ...(await door.successor({ id: renews }, action, csr)), ...common }
  const { profile } = await door.serving({ name: detail.profile })
  const chosen = profile.settings.certificate.overrides.includes('subject')
  const subject = chosen ? { subject: reading('malformed', () => parseNameText(wanted.subject)) } : {}
  return { ...common, ...subject, profile, action: 'issue', csr }
}

export const orderAgainPages = [
  action('/orders/:ref/again', async (visit) => {
    const { door, params, requester } = visit
    const detail = await door.list.request(asRef(params.ref ?? ''), 'sign')
    const { request: kept } = await door.list.record(detail.id)
    const why = whyNotAgain(detail, kept)
    if (why !== undefined) throw new Failure('conflict', why)
    // A button that is pressed twice sends one order.
    const again = JSON.stringify(['again', requester.ref, detail.uuid])
    const origin = { protocol: 'console', ref: createHash('sha256').update(again).digest('base64url') }
    const { request } = await door.sign({ ...(await draftAgain(visit, detail)), origin })
    return moveOn(visit, `/console/orders/${request.uuid}`, 'This is the new order, with the same parameters.')
  }),
]
