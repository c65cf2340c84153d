import type { IncomingMessage } from 'node:http'
import { formatIp, ipInNetwork, parseIp } from '../pki/identifier.ts'

/** Who asks: the socket's address, or, when that is a trusted proxy's, what the proxy says. undefined: nobody can tell. */
export type SourceAddress = (incoming: IncomingMessage) => string | undefined

const MAPPED = '::ffff:'

/**
 * Reads X-Forwarded-For and Forwarded (RFC 7239) from the right, where the nearest proxy wrote, up to the first address
 * that is no proxy of ours: what stands left of it, anybody may have written. A proxy that sets one of the two headers and
 * passes the other through would let its clients write that one; so where both are there, they must agree.
 * `trusted`: addresses and networks.
 */
export function sourceAddressReader(trusted: readonly string[]): SourceAddress {
  if (trusted.length === 0) return socketAddress
  const isProxy = proxyTest(trusted)
  const walk = (hops: (string | undefined)[]): string | undefined => {
    let nearest: string | undefined
    for (let at = hops.length - 1; at >= 0; at--) {
      nearest = hops[at]
      if (nearest === undefined || !isProxy(nearest)) return nearest
    }
    return nearest
  }
  const told = ({ direct, simple, forwarded }: Told) => {
    if (!isProxy(direct)) return direct
    const said: (string | undefined)[] = []
    if (simple !== undefined) said.push(walk(simple.split(',').map(readAddress)))
    if (forwarded !== undefined) said.push(walk(forwarded.split(',').map(readForwarded)))
    if (said.length === 0) return direct
    return said.every((address) => address === said[0]) ? said[0] : undefined
  }
  const remembered = new Map<string, string | undefined>()
  return (incoming) => {
    const direct = socketAddress(incoming)
    if (direct === undefined) return undefined
    const { 'x-forwarded-for': given, forwarded } = incoming.headers
    const simple = given === undefined ? undefined : String(given)
    // No header holds the end of a line.
    const key = `${direct}\n${simple ?? '\r'}\n${forwarded ?? '\r'}`
    if (key.length > LONGEST) return told({ direct, simple, forwarded })
    if (remembered.has(key)) return remembered.get(key)
    if (remembered.size >= REMEMBERED) remembered.clear()
    const address = told({ direct, simple, forwarded })
    remembered.set(key, address)
    return address
  }
}

interface Told {
  direct: string
  simple: string | undefined
  forwarded: string | undefined
}

/** The same clients ask again and again, and reading addresses is slow. */
const REMEMBERED = 1_000
const LONGEST = 300

/** Whether an address is one of these addresses, or in one of these networks. */
export function proxyTest(trusted: readonly string[]): (address: string) => boolean {
  return (address) => {
    const ip = parseIp(address)
    return ip !== undefined && trusted.some((network) => ipInNetwork(ip, network))
  }
}

/** Whether somebody has passed the request on, and says so. */
export function isForwarded({ headers }: IncomingMessage): boolean {
  return headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined || headers.via !== undefined
}

function socketAddress({ socket }: IncomingMessage): string | undefined {
  return addressOf(socket)
}

/** Of whoever is at the other end of a connection. */
export function addressOf({ remoteAddress: address }: { remoteAddress?: string | undefined }): string | undefined {
  // A socket that listens on :: shows IPv4 clients so.
  return address?.startsWith(MAPPED) ? address.slice(MAPPED.length) : address
}

/** An address with or without brackets and port, as proxies write it; undefined for "unknown" and the like. */
function readAddress(text: string): string | undefined {
  const trimmed = text.trim()
  const [, bracketed, quad] = /^(?:\[([^\]]*)\](?::\d+)?|([\d.]+):\d+)$/.exec(trimmed) ?? []
  const ip = parseIp(bracketed ?? quad ?? trimmed)
  if (!ip) return undefined
  const address = formatIp(ip)
  return address.startsWith(MAPPED) ? address.slice(MAPPED.length) : address
}

/** The for parameter of one forwarded-element, RFC 7239 section 4. An element with a comma in quotes comes out as unknown. */
function readForwarded(element: string): string | undefined {
  for (const pair of element.split(';')) {
    const [, name, quoted, token] = /^\s*([^\s=]+)=(?:"([^"\\]*)"|([^\s"]+))\s*$/.exec(pair) ?? []
    if (name?.toLowerCase() === 'for') return readAddress(quoted ?? token ?? '')
  }
  return undefined
}
