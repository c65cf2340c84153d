import { Resolver } from 'node:dns'
import type { Deadline } from './deadline.ts'
import { ValidationFailure } from './outcome.ts'

/** DNS questions of a validation. Every answer comes from the configured servers; hosts files and search lists play no part. */
export interface Lookup {
  /** The IPv6 and the IPv4 addresses of a name. Throws ValidationFailure('dns') when there is none. */
  addresses(name: string, deadline: Deadline): Promise<{ ipv6: string[]; ipv4: string[] }>
  /** The TXT records of a name, the strings of each joined. Throws ValidationFailure('dns') when there is none. */
  texts(name: string, deadline: Deadline): Promise<string[]>
}

/** Some name servers never answer for AAAA: once one family has answered, the other gets this long. */
const GRACE_MS = 500
const MAX_ALIASES = 8

type Answer<T> = (error: NodeJS.ErrnoException | null, records: T[]) => void
interface Answered<T> {
  records: T[]
  error?: NodeJS.ErrnoException
}

/**
 * `servers`: 'address', 'address:port' or '[address]:port', several separated by commas; those of the system when absent.
 * Throws TypeError for anything else.
 */
export function createLookup(servers: string | undefined, timeoutMs: number): Lookup {
  const list = servers?.split(/[\s,]+/).filter(Boolean)
  const timeout = Math.max(50, Math.round(timeoutMs / 5))
  const create = () => {
    const resolver = new Resolver({ timeout, tries: 2 })
    if (list?.length) resolver.setServers(list)
    return resolver
  }
  const first = create()
  // A resolver of its own for each question has a new source port each time, which is what guards against forged answers
  // (RFC 5452 section 9.2). Nobody can forge on the loopback interface: there one resolver serves all, for half of the cost.
  const shared = first.getServers().every((server) => /^(127\.|\[?::1\b)/.test(server)) ? first : undefined

  const ask = <T>(deadline: Deadline, start: (resolver: Resolver) => Promise<T>): Promise<T> => {
    const resolver = shared ?? create()
    return new Promise((resolve, reject) => {
      const release = deadline.onEnd((why) => {
        reject(
          why.type === 'connection' ? new ValidationFailure('dns', `the name server gave ${why.message}`, true) : why,
        )
        if (!shared) resolver.cancel()
      })
      start(resolver).then(resolve, reject).finally(release)
    })
  }
  return {
    addresses: (name, deadline) => ask(deadline, (resolver) => bothFamilies(resolver, name)),
    texts: (name, deadline) => ask(deadline, (resolver) => textsAt(resolver, name)),
  }
}

async function bothFamilies(resolver: Resolver, name: string): Promise<{ ipv6: string[]; ipv4: string[] }> {
  const [six, four] = await new Promise<[Answered<string>, Answered<string>]>((resolve) => {
    const answers: [Answered<string>, Answered<string>] = [{ records: [] }, { records: [] }]
    let open = 2
    let grace: NodeJS.Timeout | undefined
    const answered =
      (family: 0 | 1): Answer<string> =>
      (error, records) => {
        answers[family] = error ? { records: [], error } : { records }
        if (--open > 0 && !error) grace = setTimeout(() => resolve(answers), GRACE_MS)
        if (open > 0) return
        clearTimeout(grace)
        resolve(answers)
      }
    resolver.resolve6(name, answered(0))
    resolver.resolve4(name, answered(1))
  })
  if (six.records.length === 0 && four.records.length === 0) throw dnsFailure(name, 'A or AAAA', four, six)
  return { ipv6: six.records, ipv4: four.records }
}

/** Follows aliases itself where the server only hands out the CNAME. */
async function textsAt(resolver: Resolver, name: string): Promise<string[]> {
  let at = name
  for (let hops = 0; hops <= MAX_ALIASES; hops++) {
    const answer = await once<string[]>((done) => resolver.resolveTxt(at, done))
    if (answer.records.length > 0) return answer.records.map((strings) => strings.join(''))
    const alias = await once<string>((done) => resolver.resolveCname(at, done))
    const next = alias.records[0]
    if (next === undefined) throw dnsFailure(at, 'TXT', answer)
    at = next
  }
  throw new ValidationFailure('dns', `more than ${MAX_ALIASES} CNAME records follow each other from ${name}`)
}

function once<T>(start: (done: Answer<T>) => void): Promise<Answered<T>> {
  return new Promise((resolve) => start((error, records) => resolve(error ? { records: [], error } : { records })))
}

function dnsFailure(name: string, types: string, ...answers: Answered<unknown>[]): ValidationFailure {
  const codes = answers.flatMap(({ error }) => error?.code ?? [])
  // A server that failed says more than an answer that is empty.
  const code = codes.find((code) => code !== 'ENODATA' && code !== 'ENOTFOUND') ?? codes[0] ?? 'ENODATA'
  return new ValidationFailure('dns', reason(name, types, code), code !== 'EBADNAME')
}

function reason(name: string, types: string, code: string): string {
  switch (code) {
    case 'ENODATA':
      return `${name} has no ${types} record`
    case 'ENOTFOUND':
      return `${name} does not exist (NXDOMAIN), so it has no ${types} record`
    case 'ETIMEOUT':
      return `the name server did not answer in time when asked for ${types} of ${name}`
    case 'ECONNREFUSED':
      return `the name server could not be reached when asked for ${types} of ${name}`
    case 'EBADNAME':
      return `${name} is no name that DNS can be asked for`
    default:
      return `the name server failed (${code.slice(1)}) when asked for ${types} of ${name}`
  }
}
