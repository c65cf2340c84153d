import { pemDecode, pemEncode } from '../../../src/pki/pem.ts'
import { newCsr } from '../../helpers/world.ts'
import type { Ledger } from './ledger.ts'
import type { Answered, Line } from './line.ts'
import type { Random } from './random.ts'
import type { CrowdWorld } from './world.ts'

export interface Crowd {
  world: CrowdWorld
  line: Line
  ledger: Ledger
  random: Random
}

/** One client over one contract: each call is one order, from the first message to the certificate, and some are revoked. */
export type Client = (number: number) => Promise<void>

/** Every fourth name waits for a person, where there is one. */
export const nameOf = (protocol: string, number: number, domain = 'crowd.test') =>
  `${number % 4 === 3 ? 'wait-' : ''}${protocol}-${number}.${domain}`
export const waits = (name: string) => name.startsWith('wait-')
export const pemOf = async (name: string) => pemEncode('CERTIFICATE REQUEST', (await newCsr([name])).der)
/** A certificate in three is revoked. */
export const revokes = ({ random }: Crowd) => random.next() < 1 / 3
export const firstOf = (pem: string): Buffer => pemDecode(pem)[0]?.der ?? Buffer.alloc(0)

export function expectOne(crowd: Crowd, what: string, { status, text }: Answered, ...statuses: number[]): boolean {
  if (statuses.includes(status)) return true
  crowd.ledger.faults.push(`${what} was answered with ${status}: ${text.slice(0, 300)}`)
  return false
}

/** JSON by somebody with a token, sent until it is answered. */
export function speaker({ world, line }: Crowd, base: string, authorization = `Bearer ${world.operator}`) {
  return (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    line.insist(`${world.server.baseUrl}${base}${path}`, {
      method,
      headers: { authorization, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
}
