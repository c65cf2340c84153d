import type { SignRequest } from '../../src/core/request/request.ts'
import { AcmeError, type AcmeErrorType, type ProblemDocument, problemOf, type Subproblem } from './errors.ts'
import { authorizationStatus, type Order, type OrderedName } from './orderRecord.ts'
import { writeTime } from './time.ts'
import { urls } from './urls.ts'

/** RFC 8555 section 7.1.6, with what each state shows beside its name. */
export type OrderState =
  | { status: 'pending' | 'ready' }
  | { status: 'processing'; retryAfter: number }
  | { status: 'valid'; certificate: string }
  | { status: 'invalid'; error: ProblemDocument }

/** Seconds. People answer more slowly than an authority; more than 30 makes some clients give up. */
const PERSON_ANSWERS = 10
const AUTHORITY_ANSWERS = 2

/** Before finalize, by the authorizations and the time; afterwards, by the SignRequest. */
export function orderState(order: Order, request: SignRequest | undefined, now: Date): OrderState {
  if (request) return stateOfRequest(request)
  if (order.finalizedAt !== undefined) throw new Error(`order ${order.uuid} was finalized and has no sign request`)
  const failed = order.names.filter((name) => ended(name, now))
  if (failed.length > 0) return { status: 'invalid', error: failure(failed, now) }
  if (order.expiresAt <= now.getTime())
    return invalid(
      'unauthorized',
      `the order expired at ${writeTime(order.expiresAt)} without being finalized: order anew`,
    )
  const ready = order.names.every(({ authorization }) => authorization.status === 'valid')
  return { status: ready ? 'ready' : 'pending' }
}

/** DESIGN: the states of the record as this contract shows them. Who refused is never told. */
function stateOfRequest({ status, uuid, reason }: SignRequest): OrderState {
  switch (status) {
    case 'requested':
      return { status: 'processing', retryAfter: PERSON_ANSWERS }
    case 'signing':
      return { status: 'processing', retryAfter: AUTHORITY_ANSWERS }
    case 'signed':
      return { status: 'valid', certificate: uuid }
    case 'denied':
      return invalid('unauthorized', `the order was denied: ${reason ?? 'no reason was given'}`)
    case 'expired':
      return invalid('unauthorized', reason ?? 'nobody approved the order in time: order anew')
    case 'canceled':
      return invalid('unauthorized', reason ?? 'the order was withdrawn')
    case 'failed':
      return invalid('serverInternal', reason ?? 'the certificate could not be issued: order anew')
    case 'draft':
      throw new Error(`the sign request ${uuid} of an ACME order is a draft`)
  }
}

function ended({ authorization }: OrderedName, now: Date): boolean {
  const status = authorizationStatus(authorization, now)
  switch (status) {
    case 'pending':
    case 'valid':
      return false
    case 'invalid':
    case 'expired':
    case 'deactivated':
    case 'revoked':
      return true
  }
}

/** Section 6.7.1: only subproblems name the identifiers. */
function failure(names: readonly OrderedName[], now: Date): ProblemDocument {
  const subproblems = names.map((name): Subproblem => {
    const { authorization, type, value } = name
    const status = authorizationStatus(authorization, now)
    const shown = authorization.error
    return {
      type: shown ? typeOf(shown) : 'unauthorized',
      detail: shown?.detail ?? `the authorization for ${value} is ${status}`,
      identifier: { type, value },
    }
  })
  const [first] = subproblems
  if (first && subproblems.length === 1)
    return problemOf(new AcmeError(first.type, `${first.identifier?.value}: ${first.detail}`, { subproblems }))
  return problemOf(
    new AcmeError('compound', `${subproblems.length} names could not be validated`, { status: 403, subproblems }),
  )
}

function typeOf({ type }: ProblemDocument): AcmeErrorType {
  return type.slice(type.lastIndexOf(':') + 1) as AcmeErrorType
}

function invalid(type: AcmeErrorType, detail: string): OrderState {
  return { status: 'invalid', error: problemOf(new AcmeError(type, detail)) }
}

function shownIdentifier({ type, value, ancestor }: OrderedName): Record<string, string> {
  return { type, value, ...(ancestor === undefined ? {} : { ancestorDomain: ancestor }) }
}

/** Section 7.1.3. Members without a value are left out: clients fail on null and on empty text. */
export function orderObject(root: string, order: Order, state: OrderState): Record<string, unknown> {
  const { uuid, names, expiresAt, notBefore, notAfter } = order
  const authorizations = new Set(names.map(({ authorization }) => urls.authorization(root, authorization.uuid)))
  return {
    status: state.status,
    expires: writeTime(expiresAt),
    identifiers: names.map(shownIdentifier),
    ...(order.variant === undefined ? {} : { profile: order.variant }),
    ...(order.replaces === undefined ? {} : { replaces: order.replaces }),
    ...(notBefore === undefined ? {} : { notBefore: writeTime(notBefore) }),
    ...(notAfter === undefined ? {} : { notAfter: writeTime(notAfter) }),
    ...(state.status === 'invalid' ? { error: state.error } : {}),
    authorizations: [...authorizations],
    finalize: urls.finalize(root, uuid),
    ...(state.status === 'valid' ? { certificate: urls.certificate(root, state.certificate) } : {}),
  }
}
