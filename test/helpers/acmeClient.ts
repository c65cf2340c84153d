import { type ClientKey, newKey } from './acmeKeys.ts'

/** What was answered to one request; header names in lower case. */
export interface Reply {
  status: number
  headers: Map<string, string>
  text: string
  /** The body as JSON; fails the test when it is none. */
  json: Json
}

export type Json = Record<string, unknown>

export interface Outgoing {
  method: string
  url: string
  headers: Record<string, string>
  body?: string | Buffer
}

/** How requests get to a server: through app.request (acmeApp.ts) or over HTTPS (acmeHttps.ts). */
export type Transport = (outgoing: Outgoing) => Promise<{ status: number; headers: Map<string, string>; text: string }>

/** Changes to a JWS that a test wants wrong. undefined removes a member. */
export interface Tampering {
  header?: Json
  members?: Json
  key?: ClientKey
  headers?: Record<string, string>
}

export interface AcmeOrder {
  url: string
  status: string
  authorizations: string[]
  finalize: string
  certificate?: string
  [member: string]: unknown
}

/**
 * An ACME client for tests and the bench: keeps a nonce, signs, retries nothing. Written after RFC 8555 by us, so it proves nothing about
 * how other clients see the server.
 */
export class AcmeClient {
  readonly key: ClientKey
  readonly transport: Transport
  readonly directoryUrl: string
  /** The account's URL, once registered. */
  kid: string | undefined
  directory: Record<string, string> = {}
  #nonces: string[] = []

  constructor(directoryUrl: string, transport: Transport, key: ClientKey = newKey()) {
    this.directoryUrl = directoryUrl
    this.transport = transport
    this.key = key
  }

  async load(): Promise<this> {
    this.directory = (await this.get(this.directoryUrl)).json as Record<string, string>
    return this
  }

  async get(url: string, method = 'GET'): Promise<Reply> {
    return this.#reply(await this.transport({ method, url, headers: { 'user-agent': 'countersign-test' } }))
  }

  async nonce(): Promise<string> {
    const kept = this.#nonces.pop()
    if (kept !== undefined) return kept
    const { headers } = await this.transport({ method: 'HEAD', url: this.directory.newNonce ?? '', headers: {} })
    return headers.get('replay-nonce') ?? ''
  }

  /** The body of a signed POST. `payload`: an object, or '' for POST-as-GET, or ready text. */
  async jws(url: string, payload: unknown, tampering: Tampering = {}): Promise<string> {
    const { key = this.key } = tampering
    const named = this.kid === undefined || tampering.key ? { jwk: key.jwk } : { kid: this.kid }
    const fresh = tampering.header && 'nonce' in tampering.header ? {} : { nonce: await this.nonce() }
    const header = { alg: key.alg, ...named, ...fresh, url, ...tampering.header }
    const encoded = Buffer.from(JSON.stringify(header)).toString('base64url')
    const body = Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload)).toString('base64url')
    const signature = key.sign(Buffer.from(`${encoded}.${body}`)).toString('base64url')
    return JSON.stringify({ protected: encoded, payload: body, signature, ...tampering.members })
  }

  async post(url: string, payload: unknown = '', tampering: Tampering = {}): Promise<Reply> {
    return this.send(url, await this.jws(url, payload, tampering), tampering.headers)
  }

  async send(url: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<Reply> {
    const reply = await this.transport({
      method: 'POST',
      url,
      headers: { 'content-type': 'application/jose+json', 'user-agent': 'countersign-test', ...headers },
      body,
    })
    return this.#reply(reply)
  }

  async register(payload: Json = { termsOfServiceAgreed: true }): Promise<Reply> {
    this.kid = undefined
    const reply = await this.post(this.directory.newAccount ?? '', payload)
    if (reply.status < 300) this.kid = reply.headers.get('location')
    return reply
  }

  /** Throws unless the order is created. */
  async order(names: (string | { type: string; value: string })[], more: Json = {}): Promise<AcmeOrder> {
    const identifiers = names.map((name) => (typeof name === 'string' ? { type: 'dns', value: name } : name))
    const reply = expectStatus(await this.post(this.directory.newOrder ?? '', { identifiers, ...more }), 201)
    return { ...(reply.json as unknown as AcmeOrder), url: reply.headers.get('location') ?? '' }
  }

  /** Answers that challenge of each authorization of an order, and gives the answers. */
  async answer(order: AcmeOrder, type: string): Promise<Reply[]> {
    const replies: Reply[] = []
    for (const url of order.authorizations) {
      const { json } = expectStatus(await this.post(url), 200)
      const challenge = (json.challenges as Json[]).find((offered) => offered.type === type)
      replies.push(await this.post(String(challenge?.url), {}))
    }
    return replies
  }

  finalize(order: AcmeOrder, csr: Buffer): Promise<Reply> {
    return this.post(order.finalize, { csr: csr.toString('base64url') })
  }

  #reply({ status, headers, text }: Awaited<ReturnType<Transport>>): Reply {
    const nonce = headers.get('replay-nonce')
    if (nonce !== undefined) this.#nonces = [nonce]
    return {
      status,
      headers,
      text,
      get json() {
        return JSON.parse(text)
      },
    }
  }
}

export function expectStatus(reply: Reply, status: number): Reply {
  if (reply.status !== status)
    throw new Error(`answered ${reply.status} and not ${status}: ${reply.text.slice(0, 500)}`)
  return reply
}
