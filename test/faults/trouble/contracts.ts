import { request } from 'node:https'
import { readCertsOnly } from '../../../src/pki/certsOnly.ts'
import { pemEncode } from '../../../src/pki/pem.ts'
import { AcmeClient, type Transport } from '../../helpers/acmeClient.ts'
import { csrOf, device, scepMessage } from '../../helpers/scepClient.ts'
import { newCsr } from '../../helpers/world.ts'
import type { Answered } from '../crowd/line.ts'
import type { CrowdWorld } from '../crowd/world.ts'

interface Sent {
  method?: string
  headers?: Record<string, string>
  body?: string | Buffer
}

/** One request on a connection of its own, whatever is answered. */
export function ask(
  { ca }: CrowdWorld,
  url: string,
  { method = 'GET', headers = {}, body }: Sent = {},
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const options = { ca, agent: false, method, headers: { ...headers, ...length }, timeout: 20_000 }
    const outgoing = request(url, options, (incoming) => {
      const parts: Buffer[] = []
      incoming.on('data', (part: Buffer) => parts.push(part))
      incoming.once('error', reject)
      incoming.once('end', () => {
        const all = Object.entries(incoming.headers).map(([name, value]) => [name, String(value)] as const)
        const octets = Buffer.concat(parts)
        resolve({ status: incoming.statusCode ?? 0, headers: new Map(all), body: octets, text: octets.toString() })
      })
    })
    outgoing.once('timeout', () => outgoing.destroy(new Error('no answer in time')))
    outgoing.once('error', reject)
    outgoing.end(body)
  })
}

/** An order over each contract; each call has a new name, that begins with `prefix`. */
export interface Orders {
  send(prefix: string): Promise<Record<string, Answered>>
}

/** What must be had while all is well is had here: an account, the key to which SCEP messages go. */
export async function prepareOrders(world: CrowdWorld): Promise<Orders> {
  const { server, operator, issuing } = world
  const transport: Transport = ({ method, url, headers, body }) =>
    ask(world, url, { method, headers, ...(body === undefined ? {} : { body }) })
  const acme = await new AcmeClient(`${server.baseUrl}/acme/crowd/directory`, transport).load()
  await acme.register()
  const by = device('trouble')
  const scep = `${server.baseUrl}/scep/crowd`
  const [to = Buffer.alloc(0)] = readCertsOnly((await ask(world, `${scep}?operation=GetCACert`)).body).certificates
  const post = (url: string, body: string | Buffer, type: string, authorization?: string) => {
    const who = authorization === undefined ? {} : { authorization }
    return ask(world, url, { method: 'POST', headers: { 'content-type': type, ...who }, body })
  }
  const json = (path: string, body: unknown, authorization = `Bearer ${operator}`) =>
    post(`${server.baseUrl}${path}`, JSON.stringify(body), 'application/json', authorization)
  const contracts: Record<string, (name: string) => Promise<Answered>> = {
    async acme(name) {
      const order = () => acme.post(acme.directory.newOrder ?? '', { identifiers: [{ type: 'dns', value: name }] })
      const first = await order()
      // A nonce of the process before.
      const { status, headers, text } = first.text.includes(':badNonce') ? await order() : first
      return { status, headers, text, body: Buffer.from(text) }
    },
    async rest(name) {
      const path = '/api/v2/operations/authorities/issuing/raProfiles/crowd/certificates'
      return json(path, { request: (await newCsr([name])).der.toString('base64'), attributes: [] })
    },
    async est(name) {
      const body = (await newCsr([name])).der.toString('base64')
      const url = `${server.mtlsBaseUrl}/.well-known/est/crowd/simpleenroll`
      return post(url, body, 'application/pkcs10', `Bearer ${operator}`)
    },
    async scep(name) {
      const data = csrOf(by, { subject: { CN: name }, dns: [name] })
      const message = await scepMessage({ by, to, data, transactionId: name })
      return post(`${scep}?operation=PKIOperation`, message, 'application/x-pki-message')
    },
    notary: async (name) => json('/notary/api/v1/certificate_requests', { csr: await pem(name) }),
    async fastpki(name) {
      const body = { csr: await pem(name), ca_id: issuing, certificate_type: 'server', common_name: name }
      return json('/fastpki/api/v1/certificates/sign-csr', body)
    },
    async alpacon(name) {
      const order = { domain_list: [name], ip_list: [], valid_days: 30, csr_text: await pem(name) }
      return json('/alpacon/api/cert/sign-requests/', order, `token="${operator}"`)
    },
  }
  return {
    async send(prefix) {
      const sent = Object.entries(contracts).map(
        async ([contract, order]) => [contract, await order(`${prefix}-${contract}.crowd.test`)] as const,
      )
      return Object.fromEntries(await Promise.all(sent))
    },
  }
}

const pem = async (name: string) => pemEncode('CERTIFICATE REQUEST', (await newCsr([name])).der)

/** What each contract answers while nothing can be stored: 503 with Retry-After, in its own form. */
export const unavailable = (contract: string) => ({
  status: 503,
  retryAfter: true,
  form: forms[contract],
})

const forms: Record<string, string> = {
  acme: 'problem',
  rest: 'message',
  est: 'text',
  scep: 'text',
  notary: 'error',
  fastpki: 'detail',
  alpacon: 'detail',
}

/** For comparison with `unavailable`. */
export function shapeOf(contract: string, { status, headers, text }: Answered) {
  return { status, retryAfter: headers.has('retry-after'), form: formOf(contract, text) }
}

function formOf(contract: string, text: string): string {
  if (forms[contract] === 'text') return text.startsWith('{') ? 'json' : 'text'
  const body = JSON.parse(text)
  if (forms[contract] === 'problem') return body.type?.startsWith('urn:ietf:params:acme:error:') ? 'problem' : text
  return typeof body[forms[contract] ?? ''] === 'string' ? (forms[contract] ?? '') : text
}
