import { createHmac, createPublicKey, type JsonWebKey, randomBytes, verify } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseCsr } from '../../src/pki/csr.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { type ForeignCa, foreignCa } from './foreignCa.ts'

export interface SmallOrder {
  id: number
  status: 'pending' | 'ready' | 'processing' | 'valid' | 'invalid'
  identifiers: { type: string; value: string }[]
  error?: object
  csr?: Buffer
  /** PEM of what it gives out. */
  certificate?: string
}

export interface Reply {
  status: number
  body?: unknown
  headers?: Record<string, string>
}

/** An ACME CA of somebody else on http of this machine: it does what the test says, good or bad, and writes down what it was asked. */
export interface SmallAcme {
  origin: string
  directory: string
  ca: ForeignCa
  orders: SmallOrder[]
  /** Names of the resources asked for, in order: newOrder, order/1, finalize/1 … */
  asked: string[]
  revoked: { certificate: string; reason?: number }[]
  accounts: { contact?: string[]; termsOfServiceAgreed?: boolean; kid?: string }[]
  deactivated: string[]
  /** Of new orders. */
  authorizations: 'valid' | 'pending'
  /** What finalize leads to. */
  issues: 'at once' | 'later'
  /** Members of the directory's meta. */
  meta: Record<string, unknown>
  /** MAC key of the external account that it wants. */
  macKey?: Buffer
  /** Changes an answer, or gives another; for a resource each time it is asked for. */
  interfere?: (resource: string, reply: Reply) => Reply | undefined | Promise<Reply | undefined>
  /** Makes the certificate of an order whose CSR is there; `with` its key by default. */
  issue(
    order: SmallOrder,
    instead?: { publicKey?: ReturnType<typeof parseCsr>['publicKey']; names?: string[] },
  ): Promise<void>
  /** The socket closes: nobody answers any more, until `listen`. */
  down(): Promise<void>
  up(): Promise<void>
  close(): Promise<void>
}

const problem = (type: string, detail: string, status = 400): Reply => ({
  status,
  body: { type: `urn:ietf:params:acme:error:${type}`, detail },
  headers: { 'Content-Type': 'application/problem+json' },
})

export { problem as acmeProblem }

export async function startSmallAcme(now: Date): Promise<SmallAcme> {
  const ca = await foreignCa(now, { name: 'Small upstream CA' })
  const nonces = new Set<string>()
  const keys: JsonWebKey[] = []
  const server = createServer((incoming, outgoing) => void serve(incoming, outgoing))
  const listen = (port: number) =>
    new Promise<void>((resolve) => {
      server.listen(port, '127.0.0.1', () => resolve())
    })
  await listen(0)
  const { port } = server.address() as AddressInfo
  const origin = `http://127.0.0.1:${port}`

  const small: SmallAcme = {
    origin,
    directory: `${origin}/directory`,
    ca,
    orders: [],
    asked: [],
    revoked: [],
    accounts: [],
    deactivated: [],
    authorizations: 'valid',
    issues: 'at once',
    meta: {},
    async issue(order, { publicKey, names } = {}) {
      const csr = parseCsr(order.csr ?? Buffer.alloc(0))
      const identifiers = names?.map((value) => ({ type: 'dns', value }) as const) ?? csr.identifiers
      const { der } = await ca.issue({ publicKey: publicKey ?? csr.publicKey, identifiers: [...identifiers] })
      order.certificate = pemEncode('CERTIFICATE', der) + ca.certificate
      order.status = 'valid'
    },
    down: () => closed(),
    up: () => listen(port),
    close: () => closed(),
  }
  const closed = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })

  async function serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const parts: Buffer[] = []
    for await (const part of incoming) parts.push(part as Buffer)
    const resource = (incoming.url ?? '').slice(1)
    small.asked.push(resource)
    const plain = await answer(resource, incoming.method ?? '', Buffer.concat(parts).toString())
    const reply = (await small.interfere?.(resource, plain)) ?? plain
    const nonce = randomBytes(12).toString('base64url')
    nonces.add(nonce)
    const text = typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body ?? {})
    const headers = { 'Content-Type': 'application/json', 'Replay-Nonce': nonce, ...reply.headers }
    outgoing.writeHead(reply.status, headers).end(incoming.method === 'HEAD' ? undefined : text)
  }

  async function answer(resource: string, method: string, body: string): Promise<Reply> {
    if (resource === 'directory') return { status: 200, body: directory() }
    if (resource === 'newNonce') return { status: 200 }
    if (method !== 'POST') return problem('malformed', 'POST is wanted', 405)
    const jws = JSON.parse(body) as Record<'protected' | 'payload' | 'signature', string>
    const header = JSON.parse(Buffer.from(jws.protected, 'base64url').toString())
    if (!nonces.delete(header.nonce)) return problem('badNonce', 'that nonce is not known')
    if (header.url !== `${origin}/${resource}`) return problem('malformed', 'the URL is another one')
    const jwk = header.jwk ?? keys[Number(/account\/(\d+)$/.exec(header.kid ?? '')?.[1])]
    if (!jwk) return problem('accountDoesNotExist', 'there is no such account')
    const key = createPublicKey({ key: jwk, format: 'jwk' })
    const signed = Buffer.from(`${jws.protected}.${jws.payload}`)
    if (!verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(jws.signature, 'base64url')))
      return problem('malformed', 'the signature does not fit')
    const payload = jws.payload === '' ? undefined : JSON.parse(Buffer.from(jws.payload, 'base64url').toString())
    return act(resource, payload, jwk)
  }

  function act(resource: string, payload: Record<string, never>, jwk: JsonWebKey): Reply | Promise<Reply> {
    const [kind = '', number] = resource.split('/')
    const order = small.orders[Number(number)]
    switch (kind) {
      case 'newAccount':
        return newAccount(payload, jwk)
      case 'newOrder':
        return newOrder(payload)
      case 'order':
        return order ? showOrder(order) : problem('malformed', 'there is no such order', 404)
      case 'authorization':
        if (payload !== undefined) small.deactivated.push(resource)
        return { status: 200, body: authorizationOf(order) }
      case 'challenge':
        return { status: 200, body: {} }
      case 'finalize':
        return order ? finalize(order, payload) : problem('malformed', 'there is no such order', 404)
      case 'certificate':
        return {
          status: 200,
          body: order?.certificate ?? '',
          headers: { 'Content-Type': 'application/pem-certificate-chain' },
        }
      case 'revokeCert':
        small.revoked.push(payload as never)
        return { status: 200 }
      default:
        return problem('malformed', 'there is nothing here', 404)
    }
  }

  const directory = () => ({
    newNonce: `${origin}/newNonce`,
    newAccount: `${origin}/newAccount`,
    newOrder: `${origin}/newOrder`,
    revokeCert: `${origin}/revokeCert`,
    meta: small.meta,
  })

  function newAccount(payload: Record<string, never>, jwk: JsonWebKey): Reply {
    const known = keys.findIndex(({ x }) => x === jwk.x)
    if (payload.onlyReturnExisting) {
      if (known < 0) return problem('accountDoesNotExist', 'there is no such account')
      return { status: 200, headers: { Location: `${origin}/account/${known}` } }
    }
    const binding = payload.externalAccountBinding as Record<string, string> | undefined
    if (small.macKey) {
      if (!binding) return problem('externalAccountRequired', 'only for customers', 403)
      const mac = createHmac('sha256', small.macKey)
        .update(`${binding.protected}.${binding.payload}`)
        .digest('base64url')
      if (mac !== binding.signature) return problem('unauthorized', 'the MAC does not fit', 403)
    }
    const kid = binding ? JSON.parse(Buffer.from(binding.protected ?? '', 'base64url').toString()).kid : undefined
    keys.push(jwk)
    small.accounts.push({ ...payload, ...(kid === undefined ? {} : { kid }) })
    return { status: 201, headers: { Location: `${origin}/account/${keys.length - 1}` } }
  }

  function newOrder({ identifiers }: { identifiers?: SmallOrder['identifiers'] }): Reply {
    const order: SmallOrder = {
      id: small.orders.length,
      status: small.authorizations === 'valid' ? 'ready' : 'pending',
      identifiers: identifiers ?? [],
    }
    small.orders.push(order)
    return { ...showOrder(order), status: 201, headers: { Location: `${origin}/order/${order.id}` } }
  }

  function showOrder({ id, status, identifiers, error, certificate }: SmallOrder): Reply {
    return {
      status: 200,
      body: {
        status,
        identifiers,
        error,
        authorizations: [`${origin}/authorization/${id}`],
        finalize: `${origin}/finalize/${id}`,
        ...(certificate === undefined ? {} : { certificate: `${origin}/certificate/${id}` }),
      },
    }
  }

  function authorizationOf(order: SmallOrder | undefined) {
    const status = order?.status === 'pending' || order?.status === 'invalid' ? order.status : 'valid'
    const challenge = (type: string) => ({
      type,
      status,
      url: `${origin}/challenge/${order?.id}`,
      token: Buffer.from(`token of the order ${order?.id}`).toString('base64url'),
    })
    const challenges = [challenge('http-01'), challenge('dns-01')]
    return { status, identifier: order?.identifiers[0], challenges }
  }

  async function finalize(order: SmallOrder, { csr }: { csr?: string }): Promise<Reply> {
    if (order.status !== 'ready') return problem('orderNotReady', `the order is ${order.status}`, 403)
    order.csr = Buffer.from(csr ?? '', 'base64url')
    order.status = 'processing'
    if (small.issues === 'at once') await small.issue(order)
    return showOrder(order)
  }
  return small
}
