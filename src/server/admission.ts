import type { IncomingMessage } from 'node:http'
import type { OverloadConfig } from '../config/overloadConfig.ts'
import { accountBody } from '../http/bodyBudget.ts'
import type { SourceAddress } from '../http/sourceAddress.ts'
import { networkOf } from '../pki/ip.ts'

/** Whatever one wire contract is asked, the others still have places. */
const OF_ONE_PROTOCOL = 0.75
/** Whatever one address sends, others may still send bodies. */
const OF_ONE_ADDRESS = 0.25
const MEBI = 1024 * 1024

/** A request that was let in, until it is left. */
export interface Place {
  source: string
  /** Whom it is counted for. */
  share: string
  protocol: string
  /** Of its body, in memory. */
  octets: number
}

/** server: it has no place left. protocol: the protocol has none. address: whoever asks has as many under way as one may have. */
export type Refusal = 'server' | 'protocol' | 'address'

export interface Admission {
  /** A place, or why there is none: before anything of the body is read. What is let in is left once. */
  enter(incoming: IncomingMessage, protocol: string): Place | Refusal
  leave(place: Place): void
  readonly underWay: number
  /** Octets of bodies. */
  readonly octets: number
  readonly refused: Readonly<Record<Refusal | 'bodies', number>>
}

export interface AdmissionOptions {
  limits: Pick<OverloadConfig, 'requests' | 'requestsPerAddress' | 'bodies'>
  sourceAddress: SourceAddress
  /** Whose address is nobody's own: what they pass on without a word is not counted against them. */
  isProxy: (address: string) => boolean
}

export function createAdmission({ limits, sourceAddress, isProxy }: AdmissionOptions): Admission {
  const { requests, requestsPerAddress } = limits
  const ofOneProtocol = Math.max(1, Math.floor(requests * OF_ONE_PROTOCOL))
  const mostOctets = limits.bodies * MEBI
  const ofAddress = new Map<string, number>()
  const ofProtocol = new Map<string, number>()
  const octetsOf = new Map<string, number>()
  const refused = { server: 0, protocol: 0, address: 0, bodies: 0 }
  let underWay = 0
  let octets = 0

  function refuse(why: Refusal): Refusal {
    refused[why]++
    return why
  }

  function enter(incoming: IncomingMessage, protocol: string): Place | Refusal {
    if (underWay >= requests) return refuse('server')
    const its = ofProtocol.get(protocol) ?? 0
    if (its >= ofOneProtocol) return refuse('protocol')
    const source = sourceAddress(incoming) ?? ''
    const share = shareOf(source)
    const his = ofAddress.get(share) ?? 0
    if (his >= requestsPerAddress && !isProxy(source)) return refuse('address')
    underWay++
    ofProtocol.set(protocol, its + 1)
    ofAddress.set(share, his + 1)
    const place: Place = { source, share, protocol, octets: 0 }
    if (incoming.method !== 'GET') accountBody(incoming, (more) => takeOctets(place, more))
    return place
  }

  function takeOctets(place: Place, more: number): boolean {
    const his = (octetsOf.get(place.share) ?? 0) + more
    if (octets + more > mostOctets || (his > mostOctets * OF_ONE_ADDRESS && !isProxy(place.source))) {
      refused.bodies++
      return false
    }
    octets += more
    place.octets += more
    octetsOf.set(place.share, his)
    return true
  }

  function leave({ share, protocol, octets: held }: Place): void {
    underWay--
    lower(ofProtocol, protocol, 1)
    lower(ofAddress, share, 1)
    if (held === 0) return
    octets -= held
    lower(octetsOf, share, held)
  }

  return {
    enter,
    leave,
    get underWay() {
      return underWay
    },
    get octets() {
      return octets
    },
    refused,
  }
}

/** Whose share an address takes from: an IPv4 address has its own, the addresses of a /64 of IPv6 have one together. */
export function shareOf(address: string): string {
  return address.includes(':') ? networkOf(address) : address
}

/** What is nothing any more is not kept: there are more addresses than memory. */
export function lower(counts: Map<string, number>, key: string, by: number): void {
  const left = (counts.get(key) ?? 0) - by
  if (left > 0) counts.set(key, left)
  else counts.delete(key)
}
