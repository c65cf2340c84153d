import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { Answer } from './answer.ts'
import type { ChaosOptions } from './chaosOptions.ts'
import { acmeOptions, optionsOf } from './options.ts'
import type { Order } from './orderRecord.ts'
import type { OrderState } from './orderState.ts'
import type { AcmeServer } from './server.ts'
import { varied } from './variedUrl.ts'

/** A process knows what it has learned with the directory, newAccount, newOrder and finalize, so that nobody asks for it elsewhere. */
export type KnownChaos = Map<string, ChaosOptions>

/** Keeps what a profile says of it, whenever the profile was read anyway. */
export function learnChaos({ chaos }: AcmeServer, profile: RaProfile): RaProfile {
  const options = optionsOf(profile).chaos
  if (options) chaos.set(profile.name, options)
  else if (chaos.size > 0) chaos.delete(profile.name)
  return profile
}

export function rejectsNonce({ chaos }: AcmeServer, profile: string): boolean {
  if (chaos.size === 0) return false
  return Math.random() < (chaos.get(profile)?.rejectNonces ?? 0)
}

/** Resolves when a validation may begin. */
export function validationDelay({ chaos }: AcmeServer, profile: string): Promise<void> | undefined {
  const delay = chaos.get(profile)?.delayValidation
  if (!delay) return undefined
  const ms = delay.least + Math.random() * (delay.most - delay.least)
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref()
  })
}

/** An order that is valid already, shown as processing for a while: the same one for the same time, whoever asks. */
export function delayedState(
  { chaos }: AcmeServer,
  order: Order,
  asked: { profile: string; now: Date; state: OrderState },
): OrderState {
  const { profile, now, state } = asked
  const delay = chaos.get(profile)?.delayIssuance
  if (!delay || state.status !== 'valid') return state
  const length = delay.least + ((order.id * 7_919) % (delay.most - delay.least + 1))
  const left = (order.finalizedAt ?? now.getTime()) + length - now.getTime()
  return left > 0 ? { status: 'processing', retryAfter: Math.ceil(left / 1_000) } : state
}

/** An answer as this profile gives it. `url`: of the request. */
export function chaoticAnswer(
  answer: Answer,
  { shuffle, varyUrls, retryAfter }: ChaosOptions,
  at: { root: string; url: string },
): Answer {
  const text = varyUrls ? (value: string) => varied(value, at) : (value: string) => value
  const { retryAfter: seconds, location, links, json, ...same } = answer
  const shown = seconds === undefined ? undefined : chaoticRetryAfter(Number(seconds), retryAfter)
  return {
    ...same,
    ...(json === undefined ? {} : { json: walk(json, text, shuffle) }),
    ...(location === undefined ? {} : { location: text(location) }),
    ...(links === undefined
      ? {}
      : { links: links.map((link) => link.replace(/^<([^>]*)>/, (_, url: string) => `<${text(url)}>`)) }),
    ...(shown === undefined ? {} : { retryAfter: shown }),
  }
}

/** RFC 9110 section 10.2.3: a number, or a date. */
function chaoticRetryAfter(seconds: number, chaos: ChaosOptions['retryAfter']): number | string | undefined {
  switch (chaos) {
    case undefined:
      return seconds
    case 'none':
      return undefined
    case 'date':
      return new Date(Date.now() + seconds * 1_000).toUTCString()
    default:
      return chaos
  }
}

function walk(value: unknown, text: (value: string) => string, shuffle: boolean): unknown {
  if (typeof value === 'string') return text(value)
  if (Array.isArray(value)) {
    const list = value.map((entry) => walk(entry, text, shuffle))
    return shuffle ? shuffled(list) : list
  }
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, walk(member, text, shuffle)]))
}

/** Fisher and Yates: every order is as likely. */
function shuffled<T>(list: T[]): T[] {
  for (let left = list.length - 1; left > 0; left--) {
    const pick = Math.floor(Math.random() * (left + 1))
    const [one, other] = [list[left], list[pick]]
    if (one === undefined || other === undefined) continue
    list[left] = other
    list[pick] = one
  }
  return list
}

/** Of a profile's options as they are stored: see Protocol.warn. */
export function acmeWarnings(options: unknown): string[] {
  const { data } = acmeOptions.safeParse(options)
  if (!data) return ['the options cannot be read: save the profile again']
  if (!data.chaos) return []
  const on = Object.entries(data.chaos).filter(([, value]) => value !== false && value !== 0 && value !== undefined)
  return [
    `chaos is on (${on.map(([name]) => name).join(', ')}): only for those who test clients, not for a CA that is used`,
  ]
}
