import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { afterAll, beforeAll } from 'vitest'
import { crl } from '../../protocols/crl/index.ts'
import { ocsp } from '../../protocols/ocsp/index.ts'
import { upstream } from '../../protocols/upstream/index.ts'
import type { Issuer } from '../../src/core/authority/authority.ts'
import type { Certificate } from '../../src/core/certificate.ts'
import { bool, context, explicit, integer, nullValue, octets, oid, seq, tlv } from '../../src/pki/der.ts'
import { issuerHashes, OCSP_HASHES, type OcspHash } from '../../src/pki/ocsp.ts'
import { OID } from '../../src/pki/oid.ts'
import type { Host, Protocol } from '../../src/protocol.ts'
import { hostOf } from './adapterApp.ts'
import { openSqlite } from './databases.ts'
import { type Answered, type Asked, ask } from './rawHttp.ts'
import { startServer, type TestServer } from './testServer.ts'
import { acmeAccount, createWorld, newCsr, type World } from './world.ts'

/** What tells the world about certificates, over a whole core and real listeners. */
export interface StatusServer {
  world: World
  server: TestServer
  /** Of the authority `issuing`, which signs what the profile `default` orders. */
  issuer: Issuer
  issue(name: string): Promise<Certificate>
  revoke(certificate: Certificate, reason?: string): Promise<void>
  /** On the plain listener. */
  ask(path: string, more?: Partial<Asked>): Promise<Answered>
  /** The same request to the adapter's Hono app, as if it had no fast path. */
  route(protocol: Protocol, path: string, more?: Partial<Asked>): Promise<Response>
  close(): Promise<void>
}

async function startStatusServer(): Promise<StatusServer> {
  const { db, close } = await openSqlite()
  const world = await createWorld(db)
  const host = hostOf(world, 'ca', { enqueue: () => Promise.reject(new Error('these adapters have no jobs')) })
  const server = await startServer({ protocols: [ocsp, crl, upstream], host })
  const door = world.core.as(acmeAccount())
  const { active } = await door.authorityChain('issuing')
  if (!active) throw new Error('the first start has made no issuing authority')
  return {
    world,
    server,
    issuer: active,
    async issue(name) {
      const csr = await newCsr([name])
      const named = { csr, identifiers: csr.identifiers, validated: csr.identifiers }
      const profile = await world.profile()
      const { request } = await door.sign({ profile, protocol: 'acme', action: 'issue', refusal: 'throw', ...named })
      const certificate = await door.findCertificate({ id: request.id })
      if (!certificate) throw new Error(`the request is ${request.status}`)
      return certificate
    },
    async revoke({ id }, reason = 'superseded') {
      const { status } = await door.revoke({ protocol: 'acme', certificate: id, grounds: 'account', reason })
      if (status !== 'revoked') throw new Error(`the revocation is ${status}`)
    },
    ask: (path, more) => ask({ port: server.ports.httpPort, path, ...more }),
    route: (protocol, path, more) => route(protocol, host, { path, ...more }),
    async close() {
      await server.server.close()
      await close()
    },
  }
}

async function route(
  protocol: Protocol,
  host: Host,
  { path, method = 'GET', headers = {}, body }: Partial<Asked>,
): Promise<Response> {
  const incoming = new IncomingMessage(new Socket())
  Object.assign(incoming, { method, url: path, headers })
  if (body !== undefined) incoming.push(body)
  incoming.push(null)
  const bindings = { incoming, outgoing: new ServerResponse(incoming) }
  return protocol.routes(host).request('http://ca.test/', { method }, bindings)
}

/** One for all tests of a file. */
export function useStatusServer(): { readonly status: StatusServer } {
  let status: StatusServer | undefined
  beforeAll(async () => {
    status = await startStatusServer()
  })
  afterAll(() => status?.close())
  return {
    get status() {
      if (!status) throw new Error('the server is there only inside a test')
      return status
    },
  }
}

interface OcspRequestOptions {
  hash?: OcspHash
  nonce?: Buffer
  /** OID of an extension of its own. */
  critical?: string
  /** A dNSName. */
  requestorName?: string
}

/** DER OCSPRequest (RFC 6960 section 4.1.1) about certificates of one issuer. */
export function ocspRequest(
  issuer: Issuer,
  serials: readonly string[],
  { hash = 'sha1', nonce, critical, requestorName }: OcspRequestOptions = {},
): Buffer {
  const { name, key } = issuerHashes(issuer.certificate)[hash]
  const algorithm = seq(oid(OCSP_HASHES[hash]), nullValue())
  const requests = serials.map((serial) =>
    seq(seq(algorithm, octets(name), octets(key), integer(BigInt(`0x${serial}`)))),
  )
  const extensions = [
    ...(nonce ? [seq(oid(OID.ocspNonce), octets(octets(nonce)))] : []),
    ...(critical ? [seq(oid(critical), bool(true), octets(nullValue()))] : []),
  ]
  const requestor = requestorName === undefined ? [] : [explicit(1, tlv(context(2, false), Buffer.from(requestorName)))]
  return seq(seq(...requestor, seq(...requests), ...(extensions.length ? [explicit(2, seq(...extensions))] : [])))
}
