import { createHash } from 'node:crypto'
import { asRequester } from '../../src/core/identity/identity.ts'
import { readCertsOnly } from '../../src/pki/certsOnly.ts'
import { integer, readOctets, readTlv } from '../../src/pki/der.ts'
import { OID } from '../../src/pki/oid.ts'
import {
  buildPkiData,
  type CmcSigner,
  control,
  type PkiDataParts,
  type ReadResponse,
  type ReadStatus,
  readResponse,
  signedRequest,
  tcr,
} from './cmc.ts'
import type { Party } from './cms.ts'
import { party } from './cms.ts'
import type { EstApp, Sent } from './estApp.ts'
import type { KeyKind } from './pkiSamples.ts'
import type { Answered } from './rawHttp.ts'
import { csrOf } from './scepClient.ts'

/** What /fullcmc answered, read. */
export interface CmcAnswer {
  http: Answered
  /** Of a simple response: its certificates. */
  simple?: Buffer[]
  /** Of a full response. */
  full?: ReadResponse
}

/** Posts a message to /fullcmc of a profile. */
export async function postCmc(app: EstApp, message: Buffer, sent: Partial<Sent> = {}): Promise<CmcAnswer> {
  const http = await app.ask('/fullcmc', {
    method: 'POST',
    body: message.toString('base64'),
    ...sent,
    headers: { 'Content-Type': 'application/pkcs7-mime; smime-type=CMC-request', ...(sent.headers as object) },
  })
  const type = http.headers['content-type']
  const bytes = Buffer.from(http.text, 'base64')
  if (type === 'application/pkcs7-mime; smime-type=certs-only')
    return { http, simple: readCertsOnly(bytes).certificates }
  return type === 'application/pkcs7-mime; smime-type=CMC-response' ? { http, full: readResponse(bytes) } : { http }
}

export type Signed = PkiDataParts & { by?: CmcSigner[] } & Partial<Sent>

/** As postCmc, for a PKIData. */
export function sendCmc(app: EstApp, { controls, requests, contents, others, by = [], ...sent }: Signed) {
  const data = buildPkiData({
    ...(controls ? { controls } : {}),
    ...(requests ? { requests } : {}),
    ...(contents ? { contents } : {}),
    ...(others ? { others } : {}),
  })
  return postCmc(app, signedRequest(data, by), sent)
}

let made = 0
/** A key that no other device has. */
export const device = (kind: KeyKind = 'P-256'): Party => party(kind, { cn: `cmc device ${++made}` })

/** A tagged PKCS #10 of a key, for one DNS name. */
export const tcrFor = (id: number, by: Party, dns: string, challenge?: string): Buffer =>
  tcr(id, csrOf(by, { subject: { CN: dns }, dns: [dns], ...(challenge === undefined ? {} : { challenge }) }))

/** A client with a certificate for id-kp-cmcRA of the default profile's authority. */
export async function registrationAuthority(app: EstApp, name = 'ra.example'): Promise<Party & { signer: CmcSigner }> {
  const rules = { issue: [{ name: 'nobody looks', auto: true }], renew: [], rekey: [], revoke: [], export: [] }
  const settings = { certificate: { type: 'registration_authority' } }
  await app.save('cmc-ra', {}, { settings, rules })
  const by = await app.enrolled(device(), { subject: { CN: name }, dns: [name], profile: 'cmc-ra' })
  return { ...by, signer: by }
}

/** A shared secret, made by the user `maker`. */
export async function sharedSecret(
  app: EstApp,
  { dns, ...draft }: { name?: string; dns?: string[]; singleUse?: boolean; expiresAt?: Date; profile?: string } = {},
): Promise<{ name: string; secret: string; uuid: string }> {
  const { admin } = app.world.core.as(asRequester(app.maker))
  const bound = dns ? { identifiers: { dns, wildcards: false } } : {}
  const { secret, view } = await admin.createCredential({ kind: 'cmc', profile: 'default', ...bound, ...draft })
  return { name: view.name, secret, uuid: view.uuid }
}

/** The one status of an answer. */
export function statusOf({ full, http }: CmcAnswer): ReadStatus {
  const [status, ...more] = full?.statuses ?? []
  if (!status || more.length > 0) throw new Error(`${http.status}: ${http.text}: ${JSON.stringify(full?.statuses)}`)
  return status
}

/** Contents of an OCTET STRING control of an answer. */
export function octetsOf({ full }: CmcAnswer, oid: string): Buffer | undefined {
  const value = full?.controls.get(oid)
  return value && readOctets(readTlv(value))
}

export const transaction = (id: number, number = 77): Buffer => control(id, OID.cmcTransactionId, integer(number))

/** The id of the record of a certificate. */
export async function certificateIdOf(app: EstApp, { certificate }: Pick<Party, 'certificate'>): Promise<number> {
  const fingerprint = createHash('sha256').update(certificate).digest('hex')
  const found = await app.world.core.as(asRequester(app.maker)).findCertificate({ fingerprint })
  if (!found) throw new Error('no such certificate')
  return found.id
}
