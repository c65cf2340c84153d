import { z } from 'zod'
import type { ReviewState } from '../../src/core/approval/approval.ts'
import type { RequestDetail, RequestRow } from '../../src/core/listing/listing.ts'

const when = z.iso.datetime()

export const requestRow = z
  .object({
    kind: z.enum(['sign', 'revoke']),
    id: z.int(),
    uuid: z.string(),
    status: z.string(),
    protocol: z.string(),
    profile: z.string(),
    requester: z.string(),
    source: z.string().nullable(),
    names: z.array(z.string()),
    reason: z.string().nullable(),
    lastError: z.string().nullable(),
    createdAt: when,
    expiresAt: when.nullable(),
  })
  .meta({ id: 'RequestRow' })

export function rowView(row: RequestRow): z.output<typeof requestRow> {
  const { createdAt, expiresAt, ...rest } = row
  return { ...rest, createdAt: createdAt.toISOString(), expiresAt: expiresAt?.toISOString() ?? null }
}

const circle = z.looseObject({
  users: z.array(z.string()),
  roles: z.array(z.string()),
  owner: z.boolean(),
  quorum: z.int(),
})

export const review = z.object({
  outcome: z.string(),
  rule: z.string(),
  /** What a vote must name: it covers all that is decided on. */
  hash: z.string(),
  step: z.int(),
  steps: z.array(circle),
  mayApprove: z.array(z.string()),
  votes: z.array(
    z.looseObject({
      user: z.string(),
      step: z.int(),
      verdict: z.string(),
      override: z.boolean(),
      reason: z.string().optional(),
      at: when,
    }),
  ),
  comments: z.array(z.object({ user: z.string(), text: z.string(), at: when })),
})

export function reviewView(state: ReviewState): z.output<typeof review> {
  const { outcome, rule, hash, step, mayApprove } = state
  return {
    outcome,
    rule,
    hash,
    step,
    steps: state.steps.map((one) => ({ ...one })),
    mayApprove,
    votes: state.votes.map((vote) => ({ ...vote, at: vote.at.toISOString() })),
    comments: state.comments.map((comment) => ({ ...comment, at: comment.at.toISOString() })),
  }
}

export const requestDetail = requestRow
  .extend({
    action: z.string(),
    /** Raised by each edit. */
    revision: z.int(),
    authority: z.string(),
    findings: z.array(z.object({ by: z.string(), check: z.string(), detail: z.string() })),
    wanted: z
      .looseObject({
        type: z.string(),
        subject: z.string(),
        identifiers: z.array(z.object({ type: z.string(), value: z.string() })),
        notBefore: when.nullable(),
        notAfter: when.nullable(),
        /** Seconds. */
        validity: z.number(),
        mustStaple: z.boolean(),
      })
      .nullable(),
    key: z
      .object({ algorithm: z.string(), size: z.int(), curve: z.string().nullable(), spkiHash: z.string() })
      .nullable(),
    /** RFC 5280 reason of a revocation. */
    code: z.string().nullable(),
    certificate: z
      .object({
        id: z.int(),
        serial: z.string(),
        subject: z.string(),
        names: z.array(z.string()),
        notAfter: when,
        status: z.string(),
      })
      .nullable(),
    review,
  })
  .meta({ id: 'RequestDetail' })

export function detailView(detail: RequestDetail, state: ReviewState): z.output<typeof requestDetail> {
  const { action, revision, authority, findings, wanted, key, code, certificate } = detail
  const { kind, id, uuid, status, protocol, profile, requester, source, names, reason, lastError } = detail
  const { createdAt, expiresAt } = detail
  return {
    ...rowView({
      kind,
      id,
      uuid,
      status,
      protocol,
      profile,
      requester,
      source,
      names,
      reason,
      lastError,
      createdAt,
      expiresAt,
    }),
    action,
    revision,
    authority,
    findings: findings.map((finding) => ({ ...finding })),
    wanted: wanted && {
      ...wanted,
      notBefore: wanted.notBefore?.toISOString() ?? null,
      notAfter: wanted.notAfter?.toISOString() ?? null,
      validity: wanted.validity / 1000,
    },
    key,
    code,
    certificate: certificate && { ...certificate, notAfter: certificate.notAfter.toISOString() },
    review: reviewView(state),
  }
}
