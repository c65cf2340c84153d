import { randomInt } from 'node:crypto'
import { getServers } from 'node:dns'
import type { Deadline } from './deadline.ts'
import { type Exchange, type NameServer, overTcp, overUdp } from './dnsExchange.ts'
import {
  DnsMessageError,
  type DnsQuestion,
  type DnsRecord,
  type DnsReply,
  RECORD,
  readReply,
  writeQuery,
} from './dnsMessage.ts'
import { ValidationFailure } from './outcome.ts'

export interface DnsAnswer {
  /** RDATA of the records of the type that was asked for, where the aliases lead; empty where there is none. */
  records: Buffer[]
  /** The resolver says that it validated all of it by DNSSEC. */
  authenticated: boolean
  /** Signatures over the records came along. */
  signed: boolean
}

/** Asks the configured resolver, with what node:dns cannot do: the DO and AD bits, records as they are, each failure as a failure. */
export interface DnsClient {
  /**
   * What a name (without a trailing dot; empty: the root) has of a type. A name that does not exist has nothing.
   * Throws ValidationFailure('dns') for every other answer: SERVFAIL above all, which is how a validating resolver tells of bogus data.
   */
  ask(name: string, type: number, deadline: Deadline): Promise<DnsAnswer>
}

const NOERROR = 0
const NXDOMAIN = 3
const TRIES = 2
const MAX_ALIASES = 8
const RCODES: Record<number, string> = { 1: 'FORMERR', 2: 'SERVFAIL', 4: 'NOTIMP', 5: 'REFUSED' }

/** `servers` as createLookup takes them (resolver.ts). Throws TypeError when one is no address. */
export function createDnsClient(servers: string | undefined, timeoutMs: number): DnsClient {
  const configured = servers?.split(/[\s,]+/).filter(Boolean)
  const list = (configured?.length ? configured : getServers()).map(readServer)
  const timeout = Math.max(50, Math.round(timeoutMs / 5))
  return {
    async ask(name, type, deadline) {
      const question = { name: name.toLowerCase(), type }
      let at = question.name
      let authenticated = true
      for (let hops = 0; hops <= MAX_ALIASES; hops++) {
        const reply = await askServers(list, { ...question, name: at }, { timeout, deadline })
        authenticated &&= reply.authenticated
        const found = follow(reply, { name: at, type })
        if (found.records.length > 0 || found.at === at || reply.rcode === NXDOMAIN)
          return { records: found.records, authenticated, signed: found.signed }
        // The server handed out aliases alone: one that is not recursive, or there is nothing at their end.
        at = found.at
      }
      throw tooManyAliases(name)
    },
  }
}

function readServer(text: string): NameServer {
  const [, bracketed, plain, port = '53'] = /^(?:\[([^\]]+)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  return { address: bracketed ?? plain ?? text, port: Number(port) }
}

interface Patience {
  timeout: number
  deadline: Deadline
}

/** Each server in turn, twice; the last failure counts. */
async function askServers(servers: NameServer[], question: DnsQuestion, patience: Patience): Promise<DnsReply> {
  let last: unknown = new ValidationFailure('dns', 'no name server is configured', true)
  for (let tries = 0; tries < TRIES; tries++) {
    for (const server of servers) {
      try {
        return settled(await askServer(server, question, patience))
      } catch (error) {
        last = explained(error, question)
        if (!(last instanceof ValidationFailure && last.retry) || patience.deadline.remaining() === 0) throw last
      }
    }
  }
  throw last
}

async function askServer(server: NameServer, question: DnsQuestion, { timeout, deadline }: Patience) {
  const id = randomInt(0x10000)
  const exchange: Exchange<DnsReply> = {
    server,
    query: writeQuery(id, question),
    accept: (message) => readReply(message, id, question),
    timeoutMs: timeout,
    deadline,
  }
  const reply = await overUdp(exchange)
  if (!reply.truncated) return reply
  const whole = await overTcp(exchange)
  if (whole.truncated) throw new DnsMessageError('cut off over TCP')
  return whole
}

function settled(reply: DnsReply): DnsReply {
  if (reply.rcode === NOERROR || reply.rcode === NXDOMAIN) return reply
  const code = RCODES[reply.rcode] ?? `RCODE ${reply.rcode}`
  throw new ValidationFailure('dns', `the name server failed (${code})`, true)
}

function explained(error: unknown, { name, type }: DnsQuestion): unknown {
  const what = `when asked for ${type === RECORD.CAA ? 'CAA' : `type ${type}`} of ${name || 'the root'}`
  if (error instanceof DnsMessageError)
    return new ValidationFailure('dns', `the name server sent what cannot be read (${error.message}) ${what}`, true)
  if (error instanceof ValidationFailure && error.type === 'dns')
    return new ValidationFailure('dns', `${error.message} ${what}`, error.retry)
  return error
}

/** Along the aliases of the reply, in whatever order they stand. Throws ValidationFailure when they go round in a circle. */
function follow({ answers }: DnsReply, { name, type }: DnsQuestion) {
  let at = name
  for (let hops = 0; hops <= MAX_ALIASES; hops++) {
    const alias = answers.find((record) => record.type === RECORD.CNAME && record.name === at)?.target
    if (alias !== undefined) {
      at = alias
      continue
    }
    const here = answers.filter((record) => record.name === at)
    return {
      at,
      records: here.filter((record) => record.type === type).map(({ data }) => data),
      signed: here.some((record) => signs(record, type)),
    }
  }
  throw tooManyAliases(name)
}

function signs({ type, data }: DnsRecord, covered: number): boolean {
  return type === RECORD.RRSIG && data.length >= 2 && data.readUInt16BE(0) === covered
}

function tooManyAliases(name: string): ValidationFailure {
  return new ValidationFailure('dns', `more than ${MAX_ALIASES} CNAME records follow each other from ${name}`)
}
