import { connect, type Socket } from 'node:net'
import type { NetworkPolicy } from '../../src/http/networks.ts'
import { formatIp, parseIp } from '../../src/pki/identifier.ts'
import type { Deadline } from './deadline.ts'
import { ValidationFailure } from './outcome.ts'
import type { Lookup } from './resolver.ts'

/** What a validation needs to get anywhere. */
export interface Reach {
  lookup: Lookup
  networks: NetworkPolicy
  localhostIsLoopback: boolean
  deadline: Deadline
}

export interface Connection {
  /** To read from and to write to: the TLS socket, once there is one. */
  stream: Socket
  /** At once, without waiting for the other side. */
  close(): void
  /** Text of the address at the other end, as it was checked. */
  address: string
}

/** A name with a thousand addresses must not make a thousand connections. */
const MAX_PER_FAMILY = 4
const NO_LISTENER = () => {}

/**
 * Connects to a host (name, or text of an address, without brackets). Each address is checked against the policy and then connected to
 * itself, so that no second look-up can lead elsewhere. IPv6 goes first; the next address is tried when a connection fails.
 * Throws ValidationFailure('dns' | 'connection').
 */
export async function reach(host: string, port: number, via: Reach): Promise<Connection> {
  const addresses = await permitted(host, via)
  let last: unknown
  for (let at = 0; at < addresses.length; at++) {
    const address = addresses[at] ?? ''
    const left = via.deadline.remaining()
    // The last one may use what is left; those before it leave time for the rest.
    const limit = at === addresses.length - 1 ? undefined : left / (addresses.length - at + 1)
    try {
      return await dial(address, port, via.deadline, limit)
    } catch (error) {
      last = error
      if (via.deadline.remaining() === 0) break
    }
  }
  throw last
}

async function permitted(host: string, via: Reach): Promise<string[]> {
  const literal = parseIp(host)
  if (literal) {
    const refusal = via.networks.refusal(literal)
    if (refusal) throw refused(`${formatIp(literal)} is`, refusal)
    return [formatIp(literal)]
  }
  const addresses = await addressesOf(host, via)
  let refusal: string | undefined
  const allowed = addresses.filter((address) => {
    const ip = parseIp(address)
    const reason = ip ? via.networks.refusal(ip) : 'reserved'
    refusal ??= reason
    return reason === undefined
  })
  // The address itself is not told: a name can be looked up here that the client cannot look up.
  if (allowed.length === 0) throw refused(`${host} has`, refusal ?? 'reserved')
  return allowed
}

async function addressesOf(host: string, via: Reach): Promise<string[]> {
  // RFC 6761 section 6.3: these names never leave the machine. IPv4 first, where most local servers listen.
  if (via.localhostIsLoopback && /^(?:.+\.)?localhost\.?$/i.test(host)) return ['127.0.0.1', '::1']
  const { ipv6, ipv4 } = await via.lookup.addresses(host, via.deadline)
  return [...ipv6.slice(0, MAX_PER_FAMILY), ...ipv4.slice(0, MAX_PER_FAMILY)]
}

function refused(subject: string, kind: string): ValidationFailure {
  const what = kind === 'denied' ? 'an address that is excluded' : `a ${kind} address`
  return new ValidationFailure(
    'connection',
    `${subject} ${what}, which validation may not reach here; an administrator can allow it with COUNTERSIGN_VALIDATION_NETWORKS`,
  )
}

function dial(address: string, port: number, deadline: Deadline, limitMs: number | undefined): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, autoSelectFamily: false })
    // Whatever happens to the socket after its reader has gone is no news to anybody.
    socket.on('error', NO_LISTENER)
    const connection: Connection = {
      stream: socket,
      address,
      close() {
        release()
        connection.stream.destroy()
      },
    }
    // Until the end of the validation, whoever reads from it by then.
    const release = deadline.onEnd((why) => connection.stream.destroy(why))
    socket.once('close', release)
    const fail = (error: Error) => {
      clearTimeout(timer)
      socket.destroy()
      reject(connectFailure(error, address, port))
    }
    const timer =
      limitMs === undefined
        ? undefined
        : setTimeout(() => fail(new ValidationFailure('connection', 'no answer', true)), limitMs)
    socket.once('error', fail)
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.off('error', fail)
      resolve(connection)
    })
  })
}

const REASONS: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'the network cannot be reached',
  ETIMEDOUT: 'no answer',
  EPIPE: 'connection closed',
}

/** In words, with the address that was tried. A reason of ours keeps its type; what is no failure of a connection stays as it is. */
export function connectFailure(error: unknown, address: string, port: number): unknown {
  const where = `${address.includes(':') ? `[${address}]` : address}:${port}`
  if (error instanceof ValidationFailure)
    return error.type === 'connection' ? new ValidationFailure('connection', `${where}: ${error.message}`, true) : error
  if (!(error instanceof Error && 'code' in error && typeof error.code === 'string')) return error
  return new ValidationFailure(
    'connection',
    `${where}: ${REASONS[error.code] ?? `connection failed (${error.code})`}`,
    true,
  )
}
