import type { NetworkPolicy } from '../../src/http/networks.ts'
import { isValidDnsName, parseIp } from '../../src/pki/identifier.ts'
import { createDeadline, type Deadline } from './deadline.ts'
import { validateDns01 } from './dns01.ts'
import { validateDnsAccount01 } from './dnsAccount01.ts'
import { type PersistTerms, validateDnsPersist01 } from './dnsPersist01.ts'
import { validateHttp01 } from './http01.ts'
import { isOnion } from './onionName.ts'
import { failed, ValidationFailure, type ValidationResult } from './outcome.ts'
import type { Reach } from './reach.ts'
import { createLookup } from './resolver.ts'
import { validateTlsAlpn01 } from './tlsAlpn01.ts'

/** Those that are validated over the network; onion-csr-01 is not (onionCsr01.ts). */
export type ChallengeType = 'http-01' | 'dns-01' | 'tls-alpn-01' | 'dns-account-01' | 'dns-persist-01'

export interface ValidationSettings {
  /** 'address:port', several separated by commas; the name servers of the system when absent. */
  resolver?: string
  /** 80, unless something stands in its place. */
  http01Port: number
  /** 443, unless something stands in its place. */
  tlsAlpn01Port: number
  networks: NetworkPolicy
  /** For one validation with all its redirects and retries. */
  timeoutMs: number
  userAgent: string
  /** Whether localhost and names below it are taken for the loopback addresses without asking DNS (RFC 6761 section 6.3). */
  localhostIsLoopback: boolean
}

export interface ValidationChallenge {
  type: ChallengeType
  /** Without "*."; an address in its canonical text. */
  identifier: { type: 'dns' | 'ip'; value: string }
  token: string
  keyAuthorization: string
  /** For dns-account-01. */
  accountUrl?: string
  /** For dns-persist-01. */
  persist?: PersistTerms
}

export interface Validator {
  /** Never throws, and answers within timeoutMs. `retry` in the answer: nothing says that a later validation would fail too. */
  validate(challenge: ValidationChallenge, signal?: AbortSignal): Promise<ValidationResult>
}

/** Pauses before asking again, as shares of the time for the whole: 0.25, 0.75 and 1.5 s of 10 s. */
const PAUSES = [0.025, 0.075, 0.15]

/** Throws TypeError when `resolver` is no address. */
export function createValidator(settings: ValidationSettings): Validator {
  const { networks, timeoutMs, localhostIsLoopback } = settings
  if (/[^\x20-\x7e]/.test(settings.userAgent)) throw new TypeError('the user agent must be printable ASCII')
  const lookup = createLookup(settings.resolver, timeoutMs)
  return {
    async validate(challenge, signal) {
      const deadline = createDeadline(timeoutMs, signal)
      try {
        checkChallenge(challenge)
        const via = { lookup, networks, localhostIsLoopback, deadline }
        return { ok: true, ...(await deadline.within(persist(() => once(challenge, settings, via), deadline))) }
      } catch (error) {
        return failed(error)
      } finally {
        deadline.close()
      }
    },
  }
}

/** What is to be kept of a proof: where it was found, and until when it counts at most. */
type Proof = Pick<Extract<ValidationResult, { ok: true }>, 'address' | 'until'>

async function once(challenge: ValidationChallenge, settings: ValidationSettings, via: Reach): Promise<Proof> {
  const { type, identifier, token, keyAuthorization, accountUrl, persist: terms } = challenge
  const { http01Port, tlsAlpn01Port, userAgent } = settings
  switch (type) {
    case 'http-01': {
      const extraPorts = [http01Port, tlsAlpn01Port]
      const address = await validateHttp01(
        { host: identifier.value, token, keyAuthorization, port: http01Port, extraPorts, userAgent },
        via,
      )
      return { address }
    }
    case 'tls-alpn-01':
      return { address: await validateTlsAlpn01({ identifier, keyAuthorization, port: tlsAlpn01Port }, via) }
    case 'dns-01':
      await validateDns01(identifier.value, keyAuthorization, via)
      return {}
    case 'dns-account-01':
      if (accountUrl === undefined) throw new TypeError('dns-account-01 without an account')
      await validateDnsAccount01(identifier.value, { keyAuthorization, accountUrl }, via)
      return {}
    case 'dns-persist-01': {
      if (!terms) throw new TypeError('dns-persist-01 without its terms')
      const { until } = await validateDnsPersist01(identifier.value, terms, via)
      return until === undefined ? {} : { until }
    }
  }
}

/** Asks again after what may pass (RFC 8555 section 8.2); the last failure counts, since it is the one with most to say. */
async function persist<T>(attempt: () => Promise<T>, deadline: Deadline): Promise<T> {
  const timeoutMs = deadline.remaining()
  for (let tries = 0; ; tries++) {
    try {
      return await attempt()
    } catch (error) {
      const pause = timeoutMs * (PAUSES[tries] ?? Number.POSITIVE_INFINITY)
      if (!(error instanceof ValidationFailure && error.retry) || pause >= deadline.remaining()) throw error
      await deadline.pause(pause)
    }
  }
}

/** What goes into a request line or a DNS question must not be able to be anything else. */
function checkChallenge({ type, identifier, token }: ValidationChallenge): void {
  if (!/^[A-Za-z0-9_-]{1,200}$/.test(token)) throw new ValidationFailure('malformed', 'the token is not base64url')
  if (identifier.type === 'ip' && !parseIp(identifier.value))
    throw new ValidationFailure('malformed', 'the identifier is no IP address')
  if (identifier.type === 'dns' && !isValidDnsName(identifier.value))
    throw new ValidationFailure('malformed', 'the identifier is no DNS name')
  if (identifier.type === 'ip' && type.startsWith('dns-'))
    throw new ValidationFailure('malformed', `${type} is not for IP addresses (RFC 8738 section 7)`)
  // RFC 9799 sections 3.1 and 8.2: what is asked of the DNS, or connected to without Tor, says nothing about a hidden service.
  if (identifier.type === 'dns' && isOnion(identifier.value))
    throw new ValidationFailure('malformed', `${type} is not for .onion names`)
}
