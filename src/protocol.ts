import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Hono } from 'hono'
import type { ZodType } from 'zod'
import type { Core, Door } from './core/core.ts'
import type { Database } from './db/open.ts'
import type { Log } from './log.ts'

/** Of package.json, which no bundle carries along. */
export const VERSION = '0.1.0'

export type ListenerName = 'https' | 'mtls' | 'http'

/** Settings of the installation that challenges are validated by; see docs/operate/configuration.md. */
export interface ValidationConfig {
  /** address:port of the resolver; absent: the system's. */
  resolver?: string
  /** Whether the resolver is trusted to validate DNSSEC, over a path that nobody else can write on (RFC 8657 section 5.6). Absent: it is. */
  resolverValidates?: boolean
  http01Port: number
  tlsAlpn01Port: number
  /** Which networks challenges may reach, in the notation of src/http/networks.ts. */
  networks: string
}

/** What an adapter is given. It holds nothing else of the server. */
export interface Host {
  core: Core
  /** Names no tables; an adapter names its own with withTables (src/db/tables.ts). */
  db: Database
  /** Stores a durable job in the caller's transaction; it runs soon, on any node, until it has returned once. */
  enqueue(db: Database, kind: string, ref: string, options?: { runAt?: Date }): Promise<void>
  /** Configured base URLs, without a trailing slash. What is handed out is built from them, never from Host. */
  baseUrl: string
  mtlsBaseUrl: string
  httpBaseUrl: string
  clock: () => Date
  log: Log
  validation: ValidationConfig
  /** 32 octets that live as long as the installation, for this adapter alone (nonces, opaque references). */
  secret: Buffer
  /** The address that a request came from: the socket's, or a configured proxy's word. */
  sourceAddress(incoming: IncomingMessage): string | undefined
  /** The certificate that the client has shown to the listener, or to a configured proxy. Throws Failure('malformed') for a proxy's word that cannot be read. */
  clientCertificate(incoming: IncomingMessage): ClientCertificate | undefined
  /** Runs something that asks elsewhere as a part of the trace at hand. Absent: no traces are kept. */
  traced?<T>(name: string, attributes: Record<string, string>, work: () => Promise<T>): Promise<T>
  /** What another adapter offers for the administration of its clients' accounts; undefined where it has none. */
  accounts(protocol: string): ProtocolAccounts | undefined
}

/** An account that a client of a protocol has registered. */
export interface ProtocolAccount {
  uuid: string
  profile: { id: number; uuid: string; name: string }
  /** deactivated: by its client; revoked: by an administrator. Both are for ever. */
  status: 'valid' | 'deactivated' | 'revoked'
  /** An account that is not is refused until it is again. */
  enabled: boolean
  /** URLs. */
  contact: string[]
  termsAgreed: boolean
  /** How many orders it has on record. */
  total: number
}

export type AccountChange = 'enable' | 'disable' | 'revoke'

/** Accounts as administrators see them. The door authorises: whoever sees a profile sees its accounts, and who has manage on it changes them. */
export interface ProtocolAccounts {
  /** The newest first, a thousand at most. */
  list(door: Door): Promise<ProtocolAccount[]>
  /** With what became of its newest orders, 200 at most, by their states. Throws Failure('notFound'). */
  find(door: Door, uuid: string): Promise<ProtocolAccount & { orders: Record<string, number> }>
  /** Throws Failure: notFound, forbidden, conflict for an account that has ended. */
  change(door: Door, uuid: string, change: AccountChange): Promise<void>
}

/** The certificate of whoever opened the connection; he has shown that he holds its key. Nothing else of it was looked at. */
export interface ClientCertificate {
  der: Buffer
  /** What came with it, nearest issuer first, as sent: DER, neither complete nor verified. */
  chain: readonly Buffer[]
  /** Who saw the proof: this server, or a proxy in front of it. */
  by: 'tls' | 'proxy'
}

/** What was seen of something that a protocol depends on; `countersign doctor` shows it. */
export interface Finding {
  name: string
  state: 'ok' | 'warn' | 'fail'
  /** For the administrator: what was seen, and what to do. */
  detail: string
}

/** Done again and again while the server runs, on every node. */
export interface Chore {
  name: string
  /** Milliseconds between the end of one run and the next. */
  every: number
  run(): Promise<unknown>
  /** When the server stops: waits for what `run` has begun and not waited for. */
  settled?(): Promise<void>
}

/** One wire contract: all that src/ knows of it. */
export interface Protocol {
  readonly name: string
  readonly mounts: { path: `/${string}`; listeners: ListenerName[] }[]
  /** Schema of this protocol's settings on an RA profile; opaque to the core. */
  readonly options: ZodType
  /** Durable jobs by kind. What one throws is logged, and it runs again later, with growing pauses. */
  readonly jobs?: Record<string, (host: Host, ref: string) => Promise<void>>
  /** What no request asks for. One that throws is logged, and runs again in its time. */
  chores?(host: Host): Chore[]
  /** Looks at what is outside the server, and answers within seconds: for doctor, and for the log at each start. Never rejects. */
  examine?(validation: ValidationConfig): Promise<Finding[]>
  /** What an administrator should know of options that a profile has: for doctor, and for the log at each start. */
  warn?(options: unknown): string[]
  /** The accounts that its clients register, where they do: for the administration, over whichever adapter. */
  accounts?(host: Host): ProtocolAccounts
  /** One app for all mounts, given whole paths. It has its own onError and a last all('*'). */
  routes(host: Host): Hono<{ Bindings: NodeBindings }>
  /** Answers the cheapest requests before the framework; true: it will answer, maybe later. The routes answer them too, alike. */
  fast?(host: Host): (request: IncomingMessage, response: ServerResponse) => boolean
}

/** What the node adapter binds: the raw request and response. */
export interface NodeBindings {
  incoming: IncomingMessage
  outgoing: ServerResponse
}
