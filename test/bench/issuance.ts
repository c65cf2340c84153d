import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { seq } from '../../src/pki/der.ts'
import { encodeGeneralNames } from '../../src/pki/identifier.ts'
import { OID } from '../../src/pki/oid.ts'
import { type AcmeClient, expectStatus, type Json, type Reply } from '../helpers/acmeClient.ts'
import { attribute, buildCsr, extension } from '../helpers/csrs.ts'
import type { Responder } from './responder.ts'

/** What a client has ready before it orders. */
export interface Prepared {
  name: string
  csr: Buffer
}

let made = 0

/** A name that nobody has asked for yet, and a CSR with a new key. */
export function prepare(): Prepared {
  return prepareWith(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
}

/** As prepare, with that key. */
export function prepareWith(key: KeyObject): Prepared {
  const name = `h${made++}.bench.test`
  const names = encodeGeneralNames([{ type: 'dns', value: name }])
  const wanted = attribute(OID.extensionRequest, seq(extension(OID.subjectAltName, names)))
  return { name, csr: buildCsr({ key, attributes: [wanted] }) }
}

/** A server that works in the background is asked again after so many milliseconds. */
const PAUSES = [3, 5, 10, 20, 50, 100, 200, 500, 1_000]

/** What an issuance gave, and how many of its requests were polls. */
export interface Issued {
  polls: number
  /** URL. */
  order: string
  /** PEM, the chain behind it. */
  certificate: string
}

/** One issuance from newOrder to the certificate, over one connection. */
export async function issue(client: AcmeClient, { name, csr }: Prepared, responder: Responder): Promise<Issued> {
  const order = await client.order([name])
  const authorization = order.authorizations[0] ?? ''
  const { json } = expectStatus(await client.post(authorization), 200)
  const challenge = (json.challenges as Json[]).find(({ type }) => type === 'http-01')
  const proven = responder.proves(String(challenge?.token), client.key.thumbprint)
  const asked = expectStatus(await client.post(String(challenge?.url), {}), 200)
  // A client that answers challenges itself knows when it was asked; to poll before would be waste.
  await proven
  let polls = 0
  const settled = async (first: Json, url: string): Promise<Json> => {
    let now = first
    for (let tries = 0; now.status === 'pending' || now.status === 'processing'; tries++) {
      await delay(PAUSES[Math.min(tries, PAUSES.length - 1)])
      polls++
      now = expectStatus(await client.post(url), 200).json
    }
    if (now.status !== 'valid') throw new Error(`${name}: ${JSON.stringify(now)}`)
    return now
  }
  await settled(asked.json, authorization)
  const finalized = expectStatus(await client.finalize(order, csr), 200)
  const { certificate } = await settled(finalized.json, order.url)
  return { polls, order: order.url, certificate: certificateOf(await client.post(String(certificate))) }
}

function certificateOf(reply: Reply): string {
  const { text } = expectStatus(reply, 200)
  if (!text.startsWith('-----BEGIN CERTIFICATE-----')) throw new Error('that is no certificate')
  return text
}
