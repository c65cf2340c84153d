import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Certificate } from '../../src/core/certificate.ts'
import type { Door } from '../../src/core/core.ts'
import type { RevokeDraft, RevokeRequest } from '../../src/core/request/request.ts'
import { ownerKey, peopleBehind } from './accountRecord.ts'
import type { Answer } from './answer.ts'
import { findValidAuthorizations } from './authorizationRecord.ts'
import { decodeBase64url } from './base64url.ts'
import { AcmeError } from './errors.ts'
import { type AcmeOptions, optionsOf } from './options.ts'
import { type AccountRequest, type KeyRequest, keyHolder, notFound, readPayload } from './signed.ts'
import { ancestorsOf, provesSubdomains } from './subdomain.ts'

const payload = z.object({ certificate: z.string(), reason: z.int().optional() })

/** RFC 5280 section 5.3.1: those that a client may give. */
const reasons = new Map([
  [0, 'unspecified'],
  [1, 'keyCompromise'],
  [3, 'affiliationChanged'],
  [4, 'superseded'],
  [5, 'cessationOfOperation'],
  [9, 'privilegeWithdrawn'],
])

/** Seconds. */
const PERSON_ANSWERS = 30
const AUTHORITY_ANSWERS = 5

type RevocationRequest = KeyRequest | AccountRequest

/** RFC 8555 section 7.6. 200 only once the revocation can be seen; while it waits for people, a refusal that says so. */
export async function revokeCert(request: RevocationRequest): Promise<Answer> {
  const { certificate: text, reason: code } = readPayload(request, payload)
  const der = decodeBase64url(text)
  if (!der) throw new AcmeError('malformed', 'certificate: the DER of the certificate, in base64url without padding')
  const reason = readReason(code)
  const door = doorOf(request)
  const profile = await door.profile(request.profile, 'acme')
  // The whole certificate, not its serial number, so that nobody is revoked by mistake.
  const certificate = await door.findCertificate({ fingerprint: createHash('sha256').update(der).digest('hex') })
  if (certificate?.profileId !== profile.id) throw notFound('certificate')
  const grounds = await groundsOf(request, certificate, optionsOf(profile))
  const revocation = await (await askingDoor(request, certificate)).revoke({
    protocol: 'acme',
    certificate: certificate.id,
    profile,
    ...(reason === undefined ? {} : { reason }),
    grounds,
  })
  return answer(revocation)
}

function readReason(code: number | undefined): string | undefined {
  if (code === undefined) return undefined
  const reason = reasons.get(code)
  if (reason) return reason
  const allowed = [...reasons].map(([number, name]) => `${number} (${name})`).join(', ')
  throw new AcmeError('badRevocationReason', `a client may give the reasons ${allowed}`)
}

function doorOf(request: RevocationRequest): Door {
  if ('door' in request) return request.door
  return request.server.host.core.as(keyHolder(request.key.spkiHash, request.source))
}

/** Whoever holds the certificate's key has it from the account that ordered: the people behind that are behind this too. */
async function askingDoor(request: RevocationRequest, { requesterKey }: Certificate): Promise<Door> {
  if ('door' in request) return request.door
  const { host } = request.server
  const people = await peopleBehind(host.db, requesterKey)
  return host.core.as({ ...keyHolder(request.key.spkiHash, request.source), people })
}

/** Throws AcmeError('unauthorized'). */
async function groundsOf(
  request: RevocationRequest,
  certificate: Certificate,
  options: AcmeOptions,
): Promise<RevokeDraft['grounds']> {
  if (!('account' in request)) {
    if (request.key.spkiHash === certificate.spkiHash) return 'key'
    throw new AcmeError('unauthorized', 'the "jwk" is not the key of this certificate')
  }
  if (certificate.requesterKey === ownerKey(request.account)) return 'account'
  if (await holdsAllNames(request, certificate, options)) return 'names'
  throw new AcmeError(
    'unauthorized',
    'this account has neither ordered the certificate nor valid authorizations for all its names',
  )
}

/** An authorization for a name above counts where one for an order would (RFC 9444): never for a wildcard. */
async function holdsAllNames(
  { server, account, now }: AccountRequest,
  { identifiers }: Certificate,
  options: AcmeOptions,
): Promise<boolean> {
  const names = identifiers.map(({ type, value }) => {
    const wildcard = value.startsWith('*.')
    return { type, value: wildcard ? value.slice(2) : value, wildcard }
  })
  if (names.length === 0) return false
  const above = ({ type, value, wildcard }: (typeof names)[number]) =>
    type === 'dns' && !wildcard && options.subdomainAuthorization !== 'off' ? ancestorsOf(value) : []
  const held = await findValidAuthorizations(server.host.db, account.id, {
    values: [...new Set(names.flatMap((name) => [name.value, ...above(name)]))],
    until: now.getTime(),
  })
  return names.every((name) =>
    held.some(({ identifier: { type, value }, wildcard, subdomains, challenge }) => {
      if (type !== name.type || wildcard !== name.wildcard) return false
      if (value === name.value) return true
      return (
        subdomains && challenge !== undefined && provesSubdomains(challenge, options) && above(name).includes(value)
      )
    }),
  )
}

/** Until it is done it is refused, with the reason and when to ask again: 200 means that OCSP says so. */
function answer({ status, reason }: RevokeRequest): Answer {
  switch (status) {
    case 'revoked':
      return { status: 200 }
    case 'requested':
      throw refusal('the revocation waits for approval: ask again', PERSON_ANSWERS)
    case 'revoking':
      throw refusal('the revocation is under way: ask again', AUTHORITY_ANSWERS)
    case 'denied':
      throw refusal(`the revocation was denied: ${reason ?? 'no reason was given'}`)
    case 'expired':
      throw refusal(reason ?? 'nobody approved the revocation in time')
    case 'canceled':
      throw refusal(reason ?? 'the revocation was withdrawn')
    case 'failed':
      throw refusal(reason ?? 'the revocation failed')
  }
}

function refusal(detail: string, retryAfter?: number): AcmeError {
  return new AcmeError('unauthorized', detail, retryAfter === undefined ? {} : { retryAfter })
}
