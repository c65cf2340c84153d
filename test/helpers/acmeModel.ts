import type { Reply } from './acmeClient.ts'

/** What RFC 8555 section 7.1.6 says of orders and authorizations, small enough to be seen to be right. Times are epoch milliseconds. */
export interface AcmeModel {
  now: number
  /** What a name's web server answers: right, or something else. */
  truth: Record<string, boolean>
  accounts: ModelAccount[]
  /** Of the two clients, by index: the account that each uses. */
  clients: number[]
  authorizations: ModelAuthorization[]
  orders: ModelOrder[]
  /** Counts the batches of requests at once. */
  batch: number
}

export interface ModelAccount {
  url: string
  status: 'valid' | 'deactivated'
  /** The batch that deactivated it. */
  endedIn?: number
}

export interface ModelAuthorization {
  owner: number
  url: string
  name: string
  status: 'pending' | 'valid' | 'invalid' | 'deactivated'
  expiresAt: number
  validatedAt?: number
  /** Its challenge was answered. */
  answered: boolean
}

type Decision = 'requested' | 'signed' | 'denied' | 'expired' | 'canceled'

export interface ModelOrder {
  owner: number
  url: string
  names: string[]
  /** Indexes. */
  authorizations: number[]
  expiresAt: number
  /** Since it was finalized. */
  decision?: Decision
  /** When nobody who was asked has decided. */
  decisionUntil?: number
  /** The batch that finalized it, or let it be signed. */
  movedIn: number
  certificate?: string
  revoked?: { reason?: number }
  /** As a client has last read it. */
  shown: OrderStatus
}

export type OrderStatus = 'pending' | 'ready' | 'processing' | 'valid' | 'invalid'

/** One request, or one vote, of a walk. `client` is who sends it, whoever's resource it is. */
export type Op =
  | { kind: 'newOrder'; client: number; names: string[] }
  | { kind: 'readOrder' | 'readCertificate'; client: number; order: number }
  | { kind: 'readAuthorization' | 'answer' | 'deactivateAuthorization'; client: number; authorization: number }
  | { kind: 'finalize'; client: number; order: number; csr: 'right' | 'wrong' | 'broken' }
  | { kind: 'revoke'; client: number | 'key'; order: number; reason?: number }
  | { kind: 'vote'; order: number; approve: boolean }
  | { kind: 'deactivateAccount'; client: number }

const hour = 3_600_000
/** The profile of the walk has these settings. */
export const walkTimes = { order: 4 * hour, authorization: 3 * hour, reuse: 2 * hour, people: 2 * hour }
/** As the server has it. */
const leastLeft = 300_000

export const asksPeople = (names: readonly string[]) => names.some((name) => name.startsWith('ask'))

export function newModel(now: number, names: readonly string[]): AcmeModel {
  const truth = Object.fromEntries(names.map((name) => [name, true]))
  return { now, truth, accounts: [], clients: [], authorizations: [], orders: [], batch: 0 }
}

export function authorizationStatus({ status, expiresAt }: ModelAuthorization, now: number) {
  return (status === 'pending' || status === 'valid') && expiresAt <= now ? 'expired' : status
}

export function orderStatus(model: AcmeModel, order: ModelOrder): OrderStatus {
  const { decision } = order
  if (decision === undefined) return beforeFinalize(model, order)
  switch (decision) {
    case 'requested':
      return 'processing'
    case 'signed':
      return 'valid'
    case 'denied':
    case 'expired':
    case 'canceled':
      return 'invalid'
  }
}

function beforeFinalize({ authorizations, now }: AcmeModel, order: ModelOrder): OrderStatus {
  const states = order.authorizations.map((at) => {
    const authorization = authorizations[at]
    return authorization && authorizationStatus(authorization, now)
  })
  if (states.some((state) => state !== 'pending' && state !== 'valid')) return 'invalid'
  if (order.expiresAt <= now) return 'invalid'
  return states.every((state) => state === 'valid') ? 'ready' : 'pending'
}

/** Authorizations that a new order of the account may use for a name. */
function usable({ authorizations, now }: AcmeModel, owner: number, name: string): number[] {
  return authorizations.flatMap((authorization, at) => {
    const { status, expiresAt, validatedAt = 0 } = authorization
    const good = status === 'valid' && expiresAt > now + leastLeft && validatedAt > now - walkTimes.reuse
    return good && authorization.owner === owner && authorization.name === name ? [at] : []
  })
}

/**
 * Lets an operation happen in the model and says in what the server's answer differs from it; undefined when in nothing. The URLs that
 * the server makes up are taken from the answer.
 */
export function step(model: AcmeModel, op: Op, reply: Reply): string | undefined {
  if (op.kind === 'vote') return vote(model, op, reply)
  if (op.kind === 'revoke') return revoke(model, op, reply)
  const account = model.clients[op.client] ?? -1
  const own = model.accounts[account]
  if (own?.status !== 'valid') {
    // Finalize had begun when the account ended, and looks again in its transaction.
    const late = op.kind === 'finalize' && own?.endedIn === model.batch && reply.status === 403
    return late ? undefined : refused(reply, 401, 'unauthorized')
  }
  switch (op.kind) {
    case 'newOrder':
      return newOrder(model, { owner: account, names: op.names }, reply)
    case 'readOrder':
    case 'readCertificate':
    case 'finalize': {
      const order = model.orders[op.order]
      if (order?.owner !== account) return refused(reply, 404, 'malformed')
      if (op.kind === 'readOrder') return answered(reply) ?? showsOrder(model, order, reply)
      if (op.kind === 'finalize') return finalize(model, order, { csr: op.csr, reply })
      return answered(reply) ?? (/BEGIN CERTIFICATE/.test(reply.text) ? undefined : 'no chain')
    }
    case 'deactivateAccount': {
      own.status = 'deactivated'
      own.endedIn = model.batch
      return answered(reply) ?? same('account', reply.json.status, 'deactivated')
    }
    default: {
      const authorization = model.authorizations[op.authorization]
      if (authorization?.owner !== account) return refused(reply, 404, 'malformed')
      return answered(reply) ?? onAuthorization(model, authorization, { kind: op.kind, reply })
    }
  }
}

function newOrder(model: AcmeModel, { owner, names }: { owner: number; names: string[] }, reply: Reply) {
  if (reply.status !== 201) return `answered ${reply.status}, not 201: ${reply.text}`
  const { authorizations, identifiers } = reply.json as { authorizations: string[]; identifiers: { value: string }[] }
  const ends: number[] = []
  const indexes: number[] = []
  for (const [position, name] of names.entries()) {
    const url = authorizations[position] ?? ''
    const known = model.authorizations.findIndex((authorization) => authorization.url === url)
    const held = usable(model, owner, name)
    if (held.length > 0 ? !held.includes(known) : known >= 0) return `${name} has the wrong authorization ${url}`
    const expiresAt = model.now + walkTimes.order
    if (known < 0) model.authorizations.push({ owner, url, name, status: 'pending', expiresAt, answered: false })
    else ends.push(model.authorizations[known]?.expiresAt ?? 0)
    indexes.push(known < 0 ? model.authorizations.length - 1 : known)
  }
  const url = reply.headers.get('location') ?? ''
  if (model.orders.some((order) => order.url === url)) return `the order ${url} is there already`
  const expiresAt = Math.min(model.now + walkTimes.order, ...ends)
  const order: ModelOrder = { owner, url, names, authorizations: indexes, expiresAt, movedIn: 0, shown: 'pending' }
  model.orders.push(order)
  return (
    same('identifiers', identifiers.map(({ value }) => value).join(), names.join()) ?? showsOrder(model, order, reply)
  )
}

const later: Record<OrderStatus, OrderStatus[]> = {
  pending: ['pending', 'ready', 'processing', 'valid', 'invalid'],
  ready: ['ready', 'processing', 'valid', 'invalid'],
  processing: ['processing', 'valid', 'invalid'],
  valid: ['valid'],
  invalid: ['invalid'],
}

/** The order as read, against the model; and that its state never goes back, nor its arrays change (section 7.1.3). */
function showsOrder(model: AcmeModel, order: ModelOrder, { json }: Reply): string | undefined {
  const status = orderStatus(model, order)
  const shown = json.status as OrderStatus
  // Who reads while another request of this moment signs finds it under way.
  const underWay = shown === 'processing' && status === 'valid' && order.movedIn === model.batch
  if (!underWay && shown !== status) return `the order is ${shown}, not ${status}`
  if (!later[order.shown].includes(shown)) return `the order went from ${order.shown} to ${shown}`
  order.shown = shown
  const urls = order.authorizations.map((at) => model.authorizations[at]?.url)
  const certificate = json.certificate as string | undefined
  if ((certificate !== undefined) !== (shown === 'valid')) return `a ${shown} order with certificate ${certificate}`
  if ('error' in json !== (shown === 'invalid')) return `a ${shown} order with error ${JSON.stringify(json.error)}`
  const other = model.orders.find((each) => each.certificate !== undefined && each.certificate === certificate)
  if (other && other !== order) return 'two orders have one certificate'
  if (certificate !== undefined) order.certificate ??= certificate
  return (
    same('certificate', certificate, shown === 'valid' ? order.certificate : undefined) ??
    same('authorizations', (json.authorizations as string[]).join(), urls.join()) ??
    same('expires', Date.parse(String(json.expires)), order.expiresAt)
  )
}

function finalize(model: AcmeModel, order: ModelOrder, { csr, reply }: { csr: string; reply: Reply }) {
  if (orderStatus(model, order) !== 'ready') return refused(reply, 403, 'orderNotReady')
  if (csr !== 'right') return refused(reply, 400, 'badCSR')
  order.movedIn = model.batch
  order.decision = asksPeople(order.names) ? 'requested' : 'signed'
  if (order.decision === 'requested') order.decisionUntil = model.now + walkTimes.people
  return answered(reply) ?? showsOrder(model, order, reply)
}

function onAuthorization(
  model: AcmeModel,
  authorization: ModelAuthorization,
  { kind, reply: { json } }: { kind: 'readAuthorization' | 'answer' | 'deactivateAuthorization'; reply: Reply },
): string | undefined {
  const open = authorizationStatus(authorization, model.now)
  if (kind === 'answer') {
    if (open === 'pending') settle(model, authorization)
    const { answered, validatedAt } = authorization
    return same('challenge', json.status, !answered ? 'pending' : validatedAt === undefined ? 'invalid' : 'valid')
  }
  if (kind === 'deactivateAuthorization' && (open === 'pending' || open === 'valid'))
    authorization.status = 'deactivated'
  const challenges = json.challenges as unknown[]
  return (
    same('authorization', json.status, authorizationStatus(authorization, model.now)) ??
    same('identifier', (json.identifier as { value: string }).value, authorization.name) ??
    same('challenges', challenges.length, authorization.answered ? 1 : 3) ??
    same('expires', Date.parse(String(json.expires)), authorization.expiresAt)
  )
}

function settle({ truth, now }: AcmeModel, authorization: ModelAuthorization): void {
  authorization.answered = true
  if (!truth[authorization.name]) authorization.status = 'invalid'
  else Object.assign(authorization, { status: 'valid', validatedAt: now, expiresAt: now + walkTimes.authorization })
}

function vote(model: AcmeModel, { order: at, approve }: Op & { kind: 'vote' }, reply: Reply): string | undefined {
  const order = model.orders[at]
  if (order?.decision !== 'requested') return same('late vote', reply.status, 409)
  order.decision = approve ? 'signed' : 'denied'
  order.movedIn = model.batch
  return same('vote', reply.status, 200)
}

/** Section 7.6. */
function revoke(model: AcmeModel, { client, order: at, reason }: Op & { kind: 'revoke' }, reply: Reply) {
  const order = model.orders[at]
  if (client !== 'key') {
    const account = model.clients[client] ?? -1
    if (model.accounts[account]?.status !== 'valid') return refused(reply, 401, 'unauthorized')
    const holds = order?.names.every((name) => holdsName(model, account, name))
    if (order?.owner !== account && !holds) return refused(reply, 403, 'unauthorized')
  }
  if (order?.revoked) return refused(reply, 400, 'alreadyRevoked')
  if (order) order.revoked = reason === undefined ? {} : { reason }
  return answered(reply) ?? same('body', reply.text, '')
}

function holdsName({ authorizations, now }: AcmeModel, owner: number, name: string): boolean {
  const own = authorizations.filter((authorization) => authorization.owner === owner && authorization.name === name)
  return own.some((authorization) => authorizationStatus(authorization, now) === 'valid')
}

/** Moves the clock on: nobody has decided in time, and what a deactivated account waits for is withdrawn. */
export function pass(model: AcmeModel, milliseconds: number): void {
  model.now += milliseconds
  for (const order of model.orders) {
    if (order.decision !== 'requested') continue
    if (order.decisionUntil !== undefined && order.decisionUntil <= model.now) order.decision = 'expired'
    else if (model.accounts[order.owner]?.status === 'deactivated') order.decision = 'canceled'
  }
}

const answered = (reply: Reply) => (reply.status === 200 ? undefined : `answered ${reply.status}: ${reply.text}`)

function refused(reply: Reply, status: number, type: string): string | undefined {
  if (reply.status !== status) return `answered ${reply.status}, not ${status} ${type}: ${reply.text}`
  return same('type', reply.json.type, `urn:ietf:params:acme:error:${type}`)
}

function same(what: string, is: unknown, want: unknown): string | undefined {
  return is === want ? undefined : `${what} is ${String(is)}, not ${String(want)}`
}
