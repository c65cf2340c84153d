import { z } from 'zod'
import type { ReviewState } from '../../core/approval/approval.ts'
import { Failure } from '../../core/failure.ts'
import type { RevokeStatus, SignStatus } from '../../core/request/request.ts'
import { isCertReqMsg } from '../../pki/crmf.ts'
import { pemDecode, pemEncode } from '../../pki/pem.ts'
import type { OperationContext } from '../operation.ts'
import { operation } from '../operation.ts'
import { cursor, listRequests } from '../requestPages.ts'
import { type KindAndRef, name, page, reason, requestRef, text } from './fields.ts'

export const list = operation({
  name: 'request.ls',
  input: z.strictObject({
    kind: z.enum(['sign', 'revoke']).optional(),
    status: name.optional(),
    profile: name.optional(),
    after: cursor.optional(),
    limit: page.limit,
  }),
  run: ({ door }, { kind, ...filter }) => listRequests(door.list, kind ? [kind] : ['sign', 'revoke'], filter),
})

const ended = ['denied', 'expired', 'canceled', 'failed'] as const
const statuses = {
  sign: ['draft', 'requested', 'signing', 'signed', ...ended] satisfies SignStatus[],
  revoke: ['requested', 'revoking', 'revoked', ...ended] satisfies RevokeStatus[],
}

/** By page number, with who administers the authority, and how long a certificate is asked for. */
export const search = operation({
  name: 'request.search',
  input: z.strictObject({
    kind: z.enum(['sign', 'revoke']),
    status: name.optional(),
    page: z.int().min(1).max(1_000_000).default(1),
    size: z.int().min(1).max(200).default(50),
  }),
  run: ({ door }, { status, ...search }) => {
    const where = status === undefined ? [] : [{ field: 'status', condition: 'equals', value: status } as const]
    if (status !== undefined && !statuses[search.kind].some((known) => known === status))
      throw new Failure('malformed', `${status}: the statuses are ${statuses[search.kind].join(', ')}`)
    return door.list.searchRequests({ ...search, where })
  },
})

export const show = operation({
  name: 'request.show',
  input: z.strictObject({ ref: requestRef }),
  run: async ({ door }, { ref: { kind, ref } }) => {
    const { csr, ...detail } = await door.list.request(ref, kind)
    const review: ReviewState = await door.approvals.review(detail.kind, detail.id)
    return { ...detail, csr: csr ? pemEncode(labelOf(csr), csr) : null, review }
  },
})

/** A CertReqMsg of CRMF (RFC 4211) is none that programs for PKCS #10 could read: RFC 7468 has no label for it. */
const labelOf = (csr: Buffer): string => (isCertReqMsg(csr) ? 'CERTIFICATE REQUEST MESSAGE' : 'CERTIFICATE REQUEST')

const vote = { ref: requestRef, hash: z.string().regex(/^[0-9a-f]{64}$/, 'the hash is what request show prints') }

export const approve = operation({
  name: 'request.approve',
  person: 'approves',
  input: z.strictObject({
    ...vote,
    reason: reason.optional(),
    override: z.boolean().optional(),
    remember: text(20).optional(),
  }),
  run: async (context, { ref, ...input }) => {
    const { kind, id } = await locate(context, ref)
    return context.door.approvals.vote(kind, id, { verdict: 'approve', ...input })
  },
})

export const deny = operation({
  name: 'request.deny',
  person: 'denies',
  input: z.strictObject({ ...vote, reason, override: z.boolean().optional() }),
  run: async (context, { ref, ...input }) => {
    const { kind, id } = await locate(context, ref)
    return context.door.approvals.vote(kind, id, { verdict: 'deny', ...input })
  },
})

export const cancel = operation({
  name: 'request.cancel',
  input: z.strictObject({ ref: requestRef, reason: reason.optional() }),
  run: async (context, { ref, reason }) => {
    const { kind, id } = await locate(context, ref)
    await context.door.approvals.cancel(kind, id, reason)
    return { status: 'canceled' }
  },
})

export const retry = operation({
  name: 'request.retry',
  input: z.strictObject({ ref: requestRef }),
  run: async (context, { ref }) => {
    const { kind, id } = await locate(context, ref)
    return context.door.approvals.retry(kind, id)
  },
})

export const markFailed = operation({
  name: 'request.mark-failed',
  input: z.strictObject({ ref: requestRef, reason }),
  run: async (context, { ref, reason }) => {
    const { kind, id } = await locate(context, ref)
    await context.door.approvals.markFailed(kind, id, reason)
    return { status: 'failed' }
  },
})

export const confirmRevoked = operation({
  name: 'request.confirm-revoked',
  person: 'confirms a revocation',
  input: z.strictObject({ ref: requestRef }),
  run: async (context, { ref }) => {
    const { kind, id } = await locate(context, ref)
    if (kind !== 'revoke')
      throw new Failure('malformed', 'only a request to revoke is confirmed; its number begins with r')
    return context.door.approvals.confirmRevoked(id)
  },
})

export const comment = operation({
  name: 'request.comment',
  person: 'comments',
  input: z.strictObject({ ref: requestRef, text: text(4000) }),
  run: async (context, { ref, text }) => {
    const { kind, id } = await locate(context, ref)
    await context.door.approvals.comment(kind, id, text)
    return {}
  },
})

export const upload = operation({
  name: 'request.upload',
  input: z.strictObject({ ref: requestRef, chain: z.string().max(1_000_000) }),
  run: async (context, { ref, chain }) => {
    const { kind, id } = await locate(context, ref)
    if (kind !== 'sign') throw new Failure('malformed', 'a certificate is uploaded for a request to sign')
    const { status } = await context.door.upload(id, certificatesIn(chain))
    return { status }
  },
})

async function locate({ door }: OperationContext, { kind, ref }: KindAndRef) {
  return door.list.request(ref, kind)
}

function certificatesIn(text: string): Buffer[] {
  try {
    return pemDecode(text).map(({ label, der }) => {
      if (label !== 'CERTIFICATE') throw new Failure('malformed', `the chain holds a ${label}`)
      return der
    })
  } catch (cause) {
    if (cause instanceof Failure) throw cause
    throw new Failure('malformed', 'the chain is not PEM', { cause })
  }
}
