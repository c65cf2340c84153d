import type { IncomingMessage } from 'node:http'
import type { OverloadConfig } from '../config/overloadConfig.ts'
import { accountBody } from '../http/bodyBudget.ts'
import type { SourceAddress } from '../http/sourceAddress.ts'
import { networkOf } from '../pki/ip.ts'
import { type Count, Counts } from './counts.ts'

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
  /** The requests of that one, and of the protocol. */
  his: Count
  its: Count
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
  const ofAddress = new Counts()
  const ofProtocol = new Counts()
  const octetsOf = new Counts()
  const refused = { server: 0, protocol: 0, address: 0, bodies: 0 }
  let underWay = 0
  let octets = 0

  function refuse(why: Refusal): Refusal {
    refused[why]++
    return why
  }

  function enter(incoming: IncomingMessage, protocol: string): Place | Refusal {
    if (underWay >= requests) return refuse('server')
    const its = ofProtocol.of(protocol)
    if (its.count >= ofOneProtocol) return refuse('protocol')
    const source = sourceAddress(incoming) ?? ''
    const share = shareOf(source)
    const his = ofAddress.of(share)
    if (his.count >= requestsPerAddress && !isProxy(source)) return refuse('address')
    underWay++
    its.count++
    his.count++
    const place: Place = { source, share, his, its, octets: 0 }
    if (incoming.method !== 'GET') accountBody(incoming, (more) => takeOctets(place, more))
    return place
  }

  function takeOctets(place: Place, more: number): boolean {
    const held = octetsOf.of(place.share)
    if (octets + more > mostOctets || (held.count + more > mostOctets * OF_ONE_ADDRESS && !isProxy(place.source))) {
      refused.bodies++
      return false
    }
    octets += more
    place.octets += more
    held.count += more
    return true
  }

  function leave({ share, his, its, octets: held }: Place): void {
    underWay--
    its.count--
    his.count--
    if (held === 0) return
    octets -= held
    octetsOf.of(share).count -= held
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
