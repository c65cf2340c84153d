import { formatIp, isValidDnsName, parseCidr } from '../../pki/identifier.ts'
import { Failure } from '../failure.ts'

/** Servers at one host or in one network, or files below the folder that the configuration allows. */
export type Target =
  | { kind: 'server'; host: string; ports: number[] }
  | { kind: 'network'; first: Buffer; addresses: number; ports: number[] }
  | { kind: 'files'; path: string[] }

/** One place to look at. */
export type Place =
  | { kind: 'server'; text: string; host: string; port: number; named: boolean }
  | { kind: 'files'; text: string; path: string[] }

export const mostTargets = 100
const MOST_PORTS = 8
/** A /16 of IPv4, a /112 of IPv6. */
const MOST_HOST_BITS = 16
const MOST_PLACES = 262_144
const PART = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/
const SHAPES =
  'www.example.org:443, 192.0.2.7:443,8443, 10.1.0.0/24:443, [2001:db8::]/120:443 or folder:web/certificates'

/**
 * `HOST`, `HOST:PORT`, `HOST:PORT,PORT`: a name or an address, an IPv6 address with a port in brackets; a network in the place of HOST; port 443 unless one is
 * named. `folder:PATH`: a file or a folder. Throws Failure('malformed') that says what is wrong.
 */
export function parseTarget(text: string): Target {
  if (text.startsWith('folder:')) return filesOf(text)
  const { host, ports: list } = split(text)
  const ports = portsOf(text, list)
  const network = parseCidr(host)
  if (!network) {
    const name = host.toLowerCase().replace(/\.$/, '')
    if (name.includes('/') || !isValidDnsName(name, { underscore: true })) throw bad(text, `write ${SHAPES}`)
    return { kind: 'server', host: name, ports }
  }
  const { address, prefix } = network
  const bits = address.length * 8 - prefix
  if (bits === 0) return { kind: 'server', host: formatIp(address), ports }
  if (bits > MOST_HOST_BITS)
    throw bad(text, `a network has at most 2^${MOST_HOST_BITS} addresses (a /16, of IPv6 a /112)`)
  return { kind: 'network', first: masked(address, bits), addresses: 2 ** bits, ports }
}

function filesOf(text: string): Target {
  const path = text.slice('folder:'.length).split('/')
  if (path.length > 16 || !path.every((part) => PART.test(part)))
    throw bad(text, 'a path is made of names of letters, digits, dots, dashes and underscores; none begins with a dot')
  return { kind: 'files', path }
}

function split(text: string): { host: string; ports: string | undefined } {
  const [, inside, prefix = '', behind] = /^\[([^\]]*)\](\/\d{1,3})?(?::(.*))?$/.exec(text) ?? []
  if (inside?.includes(':')) return { host: `${inside}${prefix}`, ports: behind }
  const [host = '', ports, ...more] = text.split(':')
  return more.length > 0 ? { host: text, ports: undefined } : { host, ports }
}

function portsOf(text: string, list: string | undefined): number[] {
  if (list === undefined) return [443]
  const ports = [...new Set(list.split(','))].map((port) => (/^[1-9]\d{0,4}$/.test(port) ? Number(port) : 0))
  if (ports.some((port) => port < 1 || port > 65_535))
    throw bad(text, 'ports are numbers from 1 to 65535, with commas between')
  if (ports.length > MOST_PORTS) throw bad(text, `at most ${MOST_PORTS} ports`)
  return ports
}

function bad(text: string, why: string): Failure {
  return new Failure('malformed', `the target ${text}: ${why}`)
}

function masked(address: Buffer, bits: number): Buffer {
  const first = Buffer.from(address)
  const last = first.length - 2
  first.writeUInt16BE(first.readUInt16BE(last) & (0xffff << bits) & 0xffff, last)
  return first
}

/** How many places that is. Throws Failure('malformed') for none, and for too many. */
export function countPlaces(targets: readonly Target[]): number {
  if (targets.length === 0 || targets.length > mostTargets)
    throw new Failure('malformed', `name from 1 to ${mostTargets} targets`)
  const count = targets.reduce((sum, target) => sum + placesIn(target), 0)
  if (count > MOST_PLACES) throw new Failure('malformed', `these are ${count} places: at most ${MOST_PLACES}`)
  return count
}

function placesIn(target: Target): number {
  switch (target.kind) {
    case 'server':
      return target.ports.length
    case 'network':
      return target.addresses * target.ports.length
    case 'files':
      return 1
  }
}

/** The places from one on, in the order of the targets: of all that there are, at most so many. */
export function placesFrom(targets: readonly Target[], from: number, most: number): Place[] {
  const places: Place[] = []
  let before = 0
  for (const target of targets) {
    const count = placesIn(target)
    for (let at = Math.max(0, from - before); at < count && places.length < most; at++) places.push(placeIn(target, at))
    before += count
  }
  return places
}

function placeIn(target: Target, at: number): Place {
  if (target.kind === 'files') return { kind: 'files', text: `folder:${target.path.join('/')}`, path: target.path }
  const named = target.kind === 'server'
  const port = target.ports[at % target.ports.length] ?? 443
  const host = named ? target.host : formatIp(addressIn(target.first, Math.floor(at / target.ports.length)))
  return { kind: 'server', text: `${host.includes(':') ? `[${host}]` : host}:${port}`, host, port, named }
}

function addressIn(first: Buffer, number: number): Buffer {
  const address = Buffer.from(first)
  const last = address.length - 2
  address.writeUInt16BE(address.readUInt16BE(last) + number, last)
  return address
}
