import type { ZodType } from 'zod'
import { operations as fastpkiOperations } from '../../protocols/fastpki/operations.ts'
import { operations as raOperations } from '../../protocols/ra/operations.ts'
import { operationTable } from '../../src/cli/operationTable.ts'
import type { Protocol } from '../../src/protocol.ts'
import { sealedTarget, signedTarget } from './behindSignatures.ts'
import type { Target } from './fuzz.ts'
import { type Everything, openEverything, type Sent } from './installation.ts'
import { mutateDer } from './mutateBytes.ts'
import { mutateJson } from './mutateText.ts'
import type { Random } from './random.ts'
import { sampleBody } from './sampleBody.ts'
import type { Samples } from './samples.ts'

/** A request as an input: text, so that all of it can be changed. `der`: the body in base64, which is changed as DER. */
interface Wire {
  method: string
  path: string
  headers?: Record<string, string>
  body?: unknown
  der?: string
  form?: Record<string, string>
}

/** Every endpoint of every adapter and of the console, in this process, over one installation. Close it. */
export async function endpointTargets(samples: Samples): Promise<{ targets: Target[]; close(): Promise<void> }> {
  const everything = await openEverything()
  const targets = everything.protocols.map((protocol) =>
    wireTarget(everything, protocol, seedsOf(everything, protocol, samples)),
  )
  const behind = [await signedTarget(everything, samples), await sealedTarget(everything, samples)]
  return { targets: [...targets, ...behind], close: everything.close }
}

function wireTarget(everything: Everything, { name }: Protocol, wires: Wire[]): Target {
  const keys = [...new Set(wires.flatMap(({ body }) => (body instanceof Object ? Object.keys(body) : [])))]
  return {
    name: `endpoints-${name}`,
    seeds: wires.map((wire) => Buffer.from(JSON.stringify(wire))),
    slow: 10_000,
    mutate: (input, random, other) => mutateWire(input, random, { other, keys: [...keys, ...everything.known] }),
    run: async (input) => {
      const sent = readWire(input, everything)
      if (sent) await everything.send(sent)
    },
  }
}

function mutateWire(input: Buffer, random: Random, by: { other: Buffer; keys: readonly string[] }): Buffer {
  try {
    const wire = JSON.parse(input.toString()) as Wire
    if (typeof wire.der === 'string' && random.chance(0.8)) {
      const other = (JSON.parse(by.other.toString()) as Wire).der ?? wire.der
      const der = mutateDer(Buffer.from(wire.der, 'base64'), random, Buffer.from(String(other), 'base64'))
      return Buffer.from(JSON.stringify({ ...wire, der: der.toString('base64') }))
    }
    if (wire.body instanceof Object && random.chance(0.6)) {
      const body = mutateJson(Buffer.from(JSON.stringify(wire.body)), random, by)
      return Buffer.from(JSON.stringify({ ...wire, body: JSON.parse(body.toString()) }))
    }
  } catch {
    // Whatever it has become, it is text.
  }
  return mutateJson(input, random, by)
}

const escaped = (character: string): string =>
  [...Buffer.from(character)].map((octet) => `%${octet.toString(16).padStart(2, '0')}`).join('')

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** What the HTTP parser would let through of it; undefined: nothing. */
function readWire(input: Buffer, { token, session }: Everything): Sent | undefined {
  let wire: Wire
  try {
    wire = JSON.parse(input.toString()) as Wire
  } catch {
    return undefined
  }
  if (!(wire instanceof Object) || typeof wire.path !== 'string') return undefined
  const path = wire.path.replace(/[^!-~]/gu, escaped)
  const method = METHODS.has(wire.method) ? wire.method : 'POST'
  const console = path.startsWith('/console')
  const known = console ? { cookie: session.cookie, origin: 'https://ca.test' } : { authorization: `Bearer ${token}` }
  const given = Object.entries(wire.headers instanceof Object ? wire.headers : {}).filter(
    ([name, value]) => /^[\w-]{1,40}$/.test(name) && typeof value === 'string' && /^[\x20-\x7e]*$/.test(value),
  )
  const headers: Record<string, string> = { ...known, ...Object.fromEntries(given) }
  return { method, path, headers, body: bodyOf(wire, headers, session.csrf) }
}

function bodyOf({ der, form, body }: Wire, headers: Record<string, string>, csrf: string): Buffer {
  if (typeof der === 'string') return Buffer.from(der, 'base64')
  if (form instanceof Object) {
    headers['content-type'] ??= 'application/x-www-form-urlencoded'
    return Buffer.from(new URLSearchParams({ csrf, ...form }).toString())
  }
  if (body === undefined) return Buffer.alloc(0)
  headers['content-type'] ??= 'application/json'
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
}

function seedsOf(everything: Everything, protocol: Protocol, samples: Samples): Wire[] {
  const described = [
    ...(protocol.name === 'ra' ? raOperations.map((operation) => ({ ...operation, base: '/api' })) : []),
    ...(protocol.name === 'fastpki'
      ? fastpkiOperations.map((operation) => ({ ...operation, base: '/fastpki/api/v1' }))
      : []),
  ].map(({ base, path, method, body }) => ({
    method: method.toUpperCase(),
    path: base + path.replace(/\{[^}]*\}/g, () => everything.known[0] ?? ''),
    ...(body ? { body: bodySample(body) } : {}),
  }))
  const routes = protocol.routes(everything.host).routes
  const paths = [...new Set(routes.map(({ path }) => path)), ...protocol.mounts.map(({ path }) => path)]
  const found = paths.flatMap((path) => {
    const filled = everything.known
      .slice(0, 6)
      .map((known) => path.replace(/:[\w]+(\{[^}]*\})?\??/g, known).replace(/\*/g, known))
    return [...new Set(filled)].flatMap((path) => [
      { method: 'GET', path },
      { method: 'POST', path, ...(protocol.name === 'console' ? { form: { name: 'a' } } : { body: { name: 'a' } }) },
    ])
  })
  return [...described, ...found, ...binary(protocol.name, samples)]
}

function bodySample(schema: ZodType): unknown {
  try {
    return sampleBody(schema)
  } catch {
    return {}
  }
}

/** Messages of the protocols that speak DER. */
function binary(name: string, { csrs, signed, ocsp, cmp, pkiData }: Samples): Wire[] {
  const post = (path: string, type: string, messages: readonly Buffer[]): Wire[] =>
    messages.map((der) => ({ method: 'POST', path, headers: { 'content-type': type }, der: der.toString('base64') }))
  const est = '/.well-known/est/default'
  switch (name) {
    case 'ocsp':
      return post('/ocsp/issuing', 'application/ocsp-request', ocsp)
    case 'scep':
      return post('/scep/default?operation=PKIOperation', 'application/x-pki-message', signed)
    case 'cmp':
      return post('/.well-known/cmp/p/default', 'application/pkixcmp', cmp)
    case 'est':
      return [
        ...['simpleenroll', 'simplereenroll', 'serverkeygen'].flatMap((word) =>
          post(
            `${est}/${word}`,
            'application/pkcs10',
            csrs.map((der) => Buffer.from(der.toString('base64'))),
          ),
        ),
        ...post(`${est}/fullcmc`, 'application/pkcs7-mime; smime-type=CMC-request', [...signed, ...pkiData]),
      ]
    case 'cli':
      return [...operationTable.keys()].map((operation) => ({
        method: 'POST',
        path: `/api/v1/countersign/operations/${operation}`,
        body: { input: { name: 'default', profile: 'default', uuid: 'default', user: 'fuzz', authority: 'issuing' } },
      }))
    default:
      return []
  }
}
