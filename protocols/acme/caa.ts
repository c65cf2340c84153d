import { type CaaRequest, caaRefusal } from './caaPolicy.ts'
import { type CaaProperty, readCaa } from './caaRecord.ts'
import { createDeadline, type Deadline } from './deadline.ts'
import type { DnsClient } from './dnsClient.ts'
import { RECORD } from './dnsMessage.ts'
import { failed, ValidationFailure, type ValidationResult } from './outcome.ts'

/** A name that is to stand in a certificate. */
export interface CaaName {
  /** Lower case, without "*.". */
  name: string
  wildcard: boolean
  /** The challenge that proved it. */
  method: string
}

export interface CaaTerms extends Omit<CaaRequest, 'wildcard' | 'method'> {
  dns: DnsClient
  /** For all names together. */
  timeoutMs: number
  /** Told of each record set that is signed and that the resolver does not say it validated. */
  unvalidated?: (owner: string) => void
}

export type CaaFailure = Extract<ValidationResult, { ok: false }>

/** How many names are looked up at a time. */
const AT_ONCE = 8

/** Whether CAA lets each name be certified (RFC 8659); the names that it does not, with the reason. Every name is checked. Never throws. */
export async function checkCaa(names: readonly CaaName[], terms: CaaTerms): Promise<Map<CaaName, CaaFailure>> {
  const deadline = createDeadline(terms.timeoutMs)
  const climb = createClimb(terms, deadline)
  const failures = new Map<CaaName, CaaFailure>()
  const waiting = [...names]
  const work = async () => {
    for (let name = waiting.shift(); name; name = waiting.shift()) {
      try {
        await checkName(name, terms, climb)
      } catch (error) {
        const result = failed(error)
        if (!result.ok) failures.set(name, result)
      }
    }
  }
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, work))
  } finally {
    deadline.close()
  }
  return failures
}

interface RecordSet {
  /** The name that has it. */
  owner: string
  properties: CaaProperty[]
}

type Climb = (name: string) => Promise<RecordSet | undefined>

async function checkName({ name, wildcard, method }: CaaName, terms: CaaTerms, climb: Climb): Promise<void> {
  const found = await climb(name)
  const refusal = found && caaRefusal(found.properties, { ...terms, wildcard, method })
  if (refusal === undefined) return
  const shown = wildcard ? `*.${name}` : name
  throw new ValidationFailure('caa', `the CAA records of ${found?.owner} forbid a certificate for ${shown}: ${refusal}`)
}

/**
 * The relevant record set: that of the name, or else of the nearest name above it, the root apart (RFC 8659 section 3). Each name is asked for
 * once, however many names of the order stand below it; nothing is kept for later. Throws ValidationFailure.
 */
function createClimb({ dns, unvalidated }: CaaTerms, deadline: Deadline): Climb {
  const asked = new Map<string, Promise<CaaProperty[]>>()
  const ask = async (owner: string): Promise<CaaProperty[]> => {
    const { records, authenticated, signed } = await dns.ask(owner, RECORD.CAA, deadline)
    if (signed && !authenticated) unvalidated?.(owner)
    return records.map((data) => {
      const property = readCaa(data)
      if (!property) throw new ValidationFailure('dns', `a CAA record of ${owner} cannot be read`, true)
      return property
    })
  }
  return async (name) => {
    // RFC 6761 section 6.3: nothing below localhost is in the DNS, nor is it to be asked for there.
    if (/(?:^|\.)localhost$/.test(name)) return undefined
    const labels = name.split('.')
    for (let from = 0; from < labels.length; from++) {
      const owner = labels.slice(from).join('.')
      const known = asked.get(owner) ?? ask(owner)
      asked.set(owner, known)
      const properties = await known
      if (properties.length > 0) return { owner, properties }
    }
    return undefined
  }
}
