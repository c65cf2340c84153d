import type { Certificate } from '../certificate.ts'
import { identifierKey, keepsNames } from '../profile/keptNames.ts'
import type { AskedKey } from '../profile/policy.ts'
import { claimsMore } from '../profile/subject.ts'
import type { RevokeDraft, SignDraft, WantedCertificate } from '../request/request.ts'
import type { Requester } from '../requester.ts'
import type { Facts } from './approval.ts'

const day = 86_400_000

/** What approval rules see of an order to sign. */
export function signFacts(
  requester: Requester,
  draft: SignDraft,
  order: {
    csr: { publicKey: AskedKey }
    wanted: WantedCertificate
    renewed?: Certificate
    capable: boolean
    now: Date
  },
): Facts {
  const { csr, wanted } = order
  const { certificate } = draft.profile.settings
  const proved = new Set((draft.validated ?? []).map(identifierKey))
  const identifiers = wanted.identifiers.map((identifier) => ({
    ...identifier,
    validated: proved.has(identifierKey(identifier)),
  }))
  const span =
    (wanted.notAfter ?? (wanted.notBefore ?? order.now.getTime()) + wanted.validity) -
    (wanted.notBefore ?? order.now.getTime())
  return {
    action: draft.action,
    protocol: draft.protocol,
    profile: draft.profile.name,
    ...(draft.profile.variant === undefined ? {} : { variant: draft.profile.variant }),
    requester: { kind: requester.kind, ref: requester.ref, name: requester.name },
    source: requester.source ?? '',
    identifiers,
    validated:
      identifiers.length > 0 &&
      identifiers.every(({ validated }) => validated) &&
      !claimsMore(certificate, wanted.subject, wanted.identifiers, draft.subject),
    entitled: draft.entitled ?? false,
    subject: Object.fromEntries(wanted.subject.flat().map(({ type, value }) => [type, value])),
    key: { algorithm: csr.publicKey.algorithm, size: csr.publicKey.size, curve: csr.publicKey.curve ?? '' },
    type: wanted.type,
    days: Math.ceil(span / day),
    mustStaple: wanted.mustStaple,
    certificate: certificateFacts(order.renewed, draft.unproved ? undefined : wanted, order.now),
    reason: '',
    grounds: '',
    capable: order.capable,
  }
}

/** What approval rules see of an order to revoke. */
export function revokeFacts(
  requester: Requester,
  draft: RevokeDraft,
  order: { certificate: Certificate; profile: string; capable: boolean; now: Date },
): Facts {
  const { certificate } = order
  return {
    action: 'revoke',
    protocol: draft.protocol,
    profile: order.profile,
    requester: { kind: requester.kind, ref: requester.ref, name: requester.name },
    source: requester.source ?? '',
    identifiers: certificate.identifiers.map((identifier) => ({ ...identifier, validated: draft.grounds === 'names' })),
    validated: draft.grounds === 'names',
    entitled: false,
    subject: {},
    key: { algorithm: certificate.keyAlgorithm, size: 0, curve: '' },
    type: '',
    days: Math.ceil((certificate.notAfter.getTime() - certificate.notBefore.getTime()) / day),
    mustStaple: false,
    certificate: { ...certificateFacts(certificate, undefined, order.now), sameNames: true },
    reason: draft.reason ?? '',
    grounds: draft.grounds,
    capable: order.capable,
  }
}

/** What rules see of a certificate that is renewed or revoked; `wanted`: what shall take its place. */
export function certificateFacts(
  certificate: Certificate | undefined,
  wanted: Pick<WantedCertificate, 'subject' | 'identifiers'> | undefined,
  now: Date,
): Facts['certificate'] {
  if (!certificate) return { present: false, serial: '', sameNames: false, ageDays: 0, daysLeft: 0 }
  return {
    present: true,
    serial: certificate.serial,
    sameNames: wanted !== undefined && keepsNames(certificate, wanted),
    ageDays: Math.floor((now.getTime() - certificate.notBefore.getTime()) / day),
    daysLeft: Math.floor((certificate.notAfter.getTime() - now.getTime()) / day),
  }
}
