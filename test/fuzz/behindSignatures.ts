import { randomBytes } from 'node:crypto'
import { readCertsOnly } from '../../src/pki/certsOnly.ts'
import { AcmeClient, type Transport } from '../helpers/acmeClient.ts'
import { party } from '../helpers/cms.ts'
import { scepMessage } from '../helpers/scepClient.ts'
import type { Target } from './fuzz.ts'
import type { Everything } from './installation.ts'
import { mutateDer } from './mutateBytes.ts'
import { mutateJson } from './mutateText.ts'
import type { Samples } from './samples.ts'

/** ACME behind its signatures: the payload and the header are changed, then signed by an account. */
export async function signedTarget({ send, known }: Everything, { csrs }: Samples): Promise<Target> {
  const transport: Transport = async ({ method, url, headers, body = '' }) => {
    const path = url.replace('https://ca.test', '')
    const response = await send({ method, path, headers, body: Buffer.from(body) })
    return { status: response.status, headers: new Map(response.headers), text: '{}' }
  }
  const client = new AcmeClient('https://ca.test/acme/default/directory', transport)
  const at = (word: string) => `https://ca.test/acme/default/${word}`
  client.directory = { newNonce: at('new-nonce'), newAccount: at('new-account'), newOrder: at('new-order') }
  await client.register()
  const identifiers = [{ type: 'dns', value: 'www.example.org' }]
  const csr = csrs[0]?.toString('base64url')
  const wires = [
    {
      url: at('new-order'),
      payload: { identifiers, notBefore: '2026-12-01T00:00:00Z', profile: 'default', replaces: 'a.b' },
    },
    {
      url: at('new-account'),
      payload: { contact: ['mailto:a@example.org'], onlyReturnExisting: true, externalAccountBinding: {} },
    },
    { url: at('revoke-cert'), payload: { certificate: csr, reason: 1 } },
    { url: at('key-change'), payload: { protected: 'e30', payload: 'e30', signature: 'AA' } },
    { url: at('new-authz'), payload: { identifier: identifiers[0] } },
    { url: client.kid ?? '', payload: { status: 'valid', contact: [] } },
    ...['order', 'authz', 'chall', 'cert', 'order/1/finalize'].map((word) => ({
      url: at(`${word}/1`),
      payload: { csr },
    })),
  ]
  return {
    name: 'endpoints-acme-signed',
    seeds: wires.map((wire) => Buffer.from(JSON.stringify({ header: {}, ...wire }))),
    slow: 10_000,
    mutate: (input, random, other) =>
      mutateJson(input, random, { other, keys: ['jwk', 'kid', 'nonce', 'alg', 'b64', 'crit', ...known] }),
    run: async (input) => {
      const { url, payload, header } = parsed(input)
      if (typeof url !== 'string' || !/^https:\/\/ca\.test\/acme\/[\x21-\x7e]*$/.test(url)) return
      const nonce = (await transport({ method: 'HEAD', url: at('new-nonce'), headers: {} })).headers.get('replay-nonce')
      const body = await client.jws(url, payload ?? '', {
        header: { nonce: nonce ?? randomBytes(8).toString('hex'), ...header },
      })
      await transport({ method: 'POST', url, headers: { 'content-type': 'application/jose+json' }, body })
    },
  }
}

function parsed(input: Buffer): { url?: unknown; payload?: unknown; header?: Record<string, unknown> } {
  try {
    const value: unknown = JSON.parse(input.toString())
    return value instanceof Object ? value : {}
  } catch {
    return {}
  }
}

/** SCEP behind its envelope and its signature: what stands inside is changed, then sealed and signed by a device. */
export async function sealedTarget({ send }: Everything, { csrs }: Samples): Promise<Target> {
  const path = '/scep/default?operation='
  const got = await send({ method: 'GET', path: `${path}GetCACert`, headers: {}, body: Buffer.alloc(0) })
  const answered = Buffer.from(await got.arrayBuffer())
  const bare = got.headers.get('content-type') === 'application/x-x509-ca-cert'
  const to = bare ? answered : readCertsOnly(answered).certificates[0]
  const by = party('RSA-2048')
  const headers = { 'content-type': 'application/x-pki-message' }
  return {
    name: 'endpoints-scep-sealed',
    seeds: csrs,
    slow: 10_000,
    mutate: mutateDer,
    run: async (input) => {
      const type = (['PKCSReq', 'RenewalReq', 'CertPoll', 'GetCert', 'GetCRL'] as const)[input.length % 5] ?? 'PKCSReq'
      const body = await scepMessage({
        type,
        by,
        to: to ?? Buffer.alloc(0),
        data: input,
        transactionId: String(input.length),
      })
      await send({ method: 'POST', path: `${path}PKIOperation`, headers, body })
    },
  }
}
