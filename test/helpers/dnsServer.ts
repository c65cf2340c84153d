import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import {
  type Answer,
  type Query,
  type Rcode,
  type RecordType,
  type RecordValue,
  readQuery,
  TYPES,
  writeReply,
} from './dnsWire.ts'

/** What a name has. A name of which nothing was said does not exist (NXDOMAIN); one without records of the type has an empty answer. */
export interface Zone {
  A?: readonly string[]
  AAAA?: readonly string[]
  /** An array inside is one record of several strings. */
  TXT?: readonly (string | readonly string[])[]
  CNAME?: string
  CAA?: readonly RecordValue[]
  NS?: readonly string[]
  rcode?: Rcode
  delayMs?: number
  /** Never answers: true for every question, or for the types named. */
  drop?: boolean | readonly RecordType[]
}

export interface AskedQuestion {
  name: string
  type: string
  transport: 'udp' | 'tcp'
  fromPort: number
  /** Bits of the query: AD of the header, DO of EDNS. */
  ad: boolean
  dnssecOk: boolean
}

export interface DnsServer {
  port: number
  /** '127.0.0.1:port', as COUNTERSIGN_RESOLVER takes it. */
  address: string
  /** All questions so far. */
  asked: AskedQuestion[]
  /** Replaces what a name has; '*.name' speaks for all names below that have nothing of their own. A function is asked each time. */
  set(name: string, zone: Zone | ((question: AskedQuestion) => Zone)): void
  /** The first answers in their order, the last one from then on: a name that is rebound between two questions. */
  rebind(name: string, type: 'A' | 'AAAA', answers: readonly (readonly string[])[]): void
  remove(name: string): void
  close(): Promise<void>
}

export interface DnsServerOptions {
  /** Follow CNAME records within its own data, as a resolver does. Default true; false hands out the CNAME alone. */
  recursive?: boolean
  /** Set the AD bit. */
  authenticated?: boolean
}

/** A name server for tests on 127.0.0.1, UDP and TCP on one port. Records have a TTL of 0. */
export async function startDnsServer(options: DnsServerOptions = {}): Promise<DnsServer> {
  const zones = new Map<string, Zone | ((question: AskedQuestion) => Zone)>()
  const asked: AskedQuestion[] = []
  const timers = new Set<NodeJS.Timeout>()
  const answer: Responder = (message, { transport, fromPort }, send) => {
    const query = readQuery(message)
    const type = typeName(query.type)
    const { ad, dnssecOk } = query
    const question: AskedQuestion = { name: query.name, type, transport, fromPort, ad, dnssecOk }
    asked.push(question)
    const zone = find(zones, query.name, question)
    if (zone?.drop === true || (Array.isArray(zone?.drop) && zone.drop.includes(type as RecordType))) return
    const reply = () => send(respond(query, question, { zone, zones, options }))
    if (!zone?.delayMs) return reply()
    const timer = setTimeout(() => {
      timers.delete(timer)
      reply()
    }, zone.delayMs)
    timers.add(timer)
  }
  const { port, close } = await listen(answer)
  return {
    port,
    address: `127.0.0.1:${port}`,
    asked,
    set: (name, zone) => void zones.set(name.toLowerCase(), zone),
    rebind(name, type, answers) {
      let turn = 0
      zones.set(name.toLowerCase(), (question) => {
        if (question.type !== type) return {}
        return { [type]: answers[Math.min(turn++, answers.length - 1)] ?? [] }
      })
    },
    remove: (name) => void zones.delete(name.toLowerCase()),
    async close() {
      for (const timer of timers) clearTimeout(timer)
      await close()
    },
  }
}

type Source = Pick<AskedQuestion, 'transport' | 'fromPort'>
type Zones = Map<string, Zone | ((question: AskedQuestion) => Zone)>
type Responder = (message: Buffer, source: Source, send: (reply: Buffer) => void) => void

function typeName(type: number): string {
  return Object.entries(TYPES).find(([, number]) => number === type)?.[0] ?? `TYPE${type}`
}

function find(zones: Zones, name: string, question: AskedQuestion): Zone | undefined {
  let found = zones.get(name)
  for (let parent = name; !found && parent.includes('.'); ) {
    parent = parent.slice(parent.indexOf('.') + 1)
    found = zones.get(`*.${parent}`)
  }
  return typeof found === 'function' ? found(question) : found
}

interface Setup {
  /** Of the name asked for, which may be another one at each look. */
  zone: Zone | undefined
  zones: Zones
  options: DnsServerOptions
}

function respond(query: Query, question: AskedQuestion, { zone: first, zones, options }: Setup): Buffer {
  const { recursive = true, authenticated = false } = options
  const answers: Answer[] = []
  let rcode: Rcode = 'NOERROR'
  for (let name = query.name, hops = 0; hops < 20; hops++) {
    const zone = hops === 0 ? first : find(zones, name, question)
    rcode = zone?.rcode ?? (zone ? 'NOERROR' : 'NXDOMAIN')
    if (!zone || rcode !== 'NOERROR') break
    if (zone.CNAME !== undefined) answers.push({ name, type: 'CNAME', value: zone.CNAME })
    if (zone.CNAME === undefined || question.type === 'CNAME') {
      answers.push(...recordsOf(zone, name, question.type))
      break
    }
    if (!recursive) break
    name = zone.CNAME.toLowerCase()
  }
  const reply = writeReply(query, { rcode, answers, authenticated })
  if (question.transport === 'tcp' || reply.length <= query.udpSize) return reply
  return writeReply(query, { rcode, answers, authenticated, truncated: true })
}

function recordsOf(zone: Zone, name: string, type: string): Answer[] {
  switch (type) {
    case 'A':
    case 'AAAA':
    case 'TXT':
    case 'CAA':
    case 'NS':
      return (zone[type] ?? []).map((value) => ({ name, type, value }))
    default:
      return []
  }
}

async function listen(answer: Responder): Promise<{ port: number; close: () => Promise<void> }> {
  const open = new Set<Socket>()
  const tcp = createServer((socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => socket.destroy())
    serveStream(socket, answer)
  })
  const udp = createSocket('udp4')
  udp.on('message', (message, { port, address }) => {
    answer(message, { transport: 'udp', fromPort: port }, (reply) => udp.send(reply, port, address))
  })
  const port = await bindBoth(tcp, udp)
  const close = async () => {
    for (const socket of open) socket.destroy()
    const closed = [once(tcp, 'close'), once(udp, 'close')]
    tcp.close()
    udp.close()
    await Promise.all(closed)
  }
  return { port, close }
}

/** The port that TCP got may be taken for UDP by somebody else: then another one. */
async function bindBoth(tcp: Server, udp: ReturnType<typeof createSocket>): Promise<number> {
  for (let tries = 0; ; tries++) {
    tcp.listen(0, '127.0.0.1')
    await once(tcp, 'listening')
    const { port } = tcp.address() as AddressInfo
    try {
      udp.bind(port, '127.0.0.1')
      await once(udp, 'listening')
      return port
    } catch (error) {
      if (tries > 10) throw error
      const closed = once(tcp, 'close')
      tcp.close()
      await closed
    }
  }
}

/** Each message has its length in front (RFC 1035 section 4.2.2). */
function serveStream(socket: Socket, answer: Responder): void {
  let data: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk) => {
    data = Buffer.concat([data, chunk])
    while (data.length >= 2 && data.length >= 2 + data.readUInt16BE(0)) {
      const end = 2 + data.readUInt16BE(0)
      answer(data.subarray(2, end), { transport: 'tcp', fromPort: socket.remotePort ?? 0 }, (reply) => {
        const length = Buffer.alloc(2)
        length.writeUInt16BE(reply.length)
        socket.write(Buffer.concat([length, reply]))
      })
      data = data.subarray(end)
    }
  })
}
