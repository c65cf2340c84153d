import { z } from 'zod'
import type { DecisionDetail } from '../../src/core/approval/decisionRecords.ts'
import { Failure } from '../../src/core/failure.ts'
import { approvalDetail, approvalDetailView, approvalLine, approvalView } from './approvalSchema.ts'
import { Unprocessable } from './errors.ts'
import { flag } from './fields.ts'
import { type Call, operation, type Reply } from './operation.ts'
import { pageFields, pageOf, pageQuery } from './page.ts'
import { text } from './text.ts'

const TAG = 'Approvals'
const ALL = '/v1/approvals'
const ONE = `${ALL}/{uuid}` as const

const approvals = z.object({ approvals: z.array(approvalLine), ...pageFields })
const comment = z.object({ comment: text(1000).nullish() })
type Comment = z.output<typeof comment> | undefined

/** What people were and are asked, one resource for each revision of a request. */
export const approvalOperations = [
  operation({
    method: 'get',
    path: ALL,
    tag: TAG,
    summary: 'Lists approvals, the newest first. Counts go to the newest ten thousand.',
    query: pageQuery,
    answer: approvals,
    async run({ door, query }) {
      const { rows, total } = await door.decisions.list({ page: query.pageNumber, limit: query.itemsPerPage })
      return { body: { approvals: rows.map(approvalView), ...pageOf(query, total) } }
    },
  }),
  operation({
    method: 'get',
    path: `${ALL}/user`,
    tag: TAG,
    summary: 'Lists those that wait for the caller; with history also those on which he has voted.',
    query: pageQuery.extend({ history: flag.default(false) }),
    answer: approvals,
    async run({ door, query }) {
      const { rows, total } = await door.decisions.list({
        page: query.pageNumber,
        limit: query.itemsPerPage,
        mine: query.history ? 'voted' : 'open',
      })
      return { body: { approvals: rows.map(approvalView), ...pageOf(query, total) } }
    },
  }),
  operation({
    method: 'get',
    path: ONE,
    tag: TAG,
    summary:
      'Shows an approval with its steps. Its ETag names what is decided: a vote with If-Match is for that alone.',
    answer: approvalDetail,
    async run({ door, params }) {
      const detail = await door.decisions.find(params.uuid)
      return { body: approvalDetailView(detail), headers: { ETag: `"${detail.hash}"` } }
    },
  }),
  ...(['approve', 'reject'] as const).map((verb) =>
    operation({
      method: 'patch',
      path: `${ONE}/${verb}` as const,
      tag: TAG,
      summary: `An administrator ${verb}s against the steps. Never one who is behind the request. The comment is the reason; without one a fixed sentence stands.`,
      body: comment,
      bodyOptional: true,
      status: 204,
      conflict: 422,
      run: (call) => override(call, verb),
    }),
  ),
  ...(['approveRecipient', 'rejectRecipient'] as const).map((verb) =>
    operation({
      method: 'patch',
      path: `${ONE}/${verb}` as const,
      tag: TAG,
      summary: `${verb === 'approveRecipient' ? 'Approves' : 'Rejects, which needs a comment,'} as one whom the present step names, or for one of them.`,
      body: comment,
      bodyOptional: true,
      status: 204,
      conflict: 422,
      run: (call) => vote(call, verb === 'approveRecipient' ? 'approve' : 'deny'),
    }),
  ),
  operation({
    method: 'get',
    path: '/v1/certificates/{uuid}/approvals',
    tag: TAG,
    summary: 'Lists the approvals about a certificate, its order and its revocation, the newest first.',
    query: pageQuery,
    answer: approvals,
    async run({ door, params, query }) {
      const all = await door.decisions.about(params.uuid)
      const first = (query.pageNumber - 1) * query.itemsPerPage
      const rows = all.slice(first, first + query.itemsPerPage)
      return { body: { approvals: rows.map(approvalView), ...pageOf(query, all.length) } }
    },
  }),
]

type Voting = Call<'uuid', unknown, Comment>

/**
 * The approval stands for one revision of the request, and its hash for what that says: a vote by it is void as soon as
 * the request is another, which the transaction that stores the vote looks at.
 */
async function vote({ door, params, body, incoming }: Voting, verdict: 'approve' | 'deny'): Promise<Reply | undefined> {
  const detail = await door.decisions.find(params.uuid)
  const stale = staleAnswer(detail, incoming.headers['if-match'])
  if (stale) return stale
  refuseUnfit(detail, verdict)
  if (!detail.viewer.expected) throw new Failure('notFound', 'nobody expects a decision of yours on this approval')
  const reason = body?.comment?.trim()
  if (verdict === 'deny' && !reason) throw new Unprocessable(['comment: say why; whoever asked reads it'])
  await door.approvals.vote(detail.kind, detail.request.id, {
    verdict,
    hash: detail.hash,
    ...(reason ? { reason } : {}),
  })
  return undefined
}

async function override(call: Voting, verb: 'approve' | 'reject'): Promise<Reply | undefined> {
  const { door, params, body, incoming } = call
  const detail = await door.decisions.find(params.uuid)
  const stale = staleAnswer(detail, incoming.headers['if-match'])
  if (stale) return stale
  const verdict = verb === 'approve' ? 'approve' : 'deny'
  refuseUnfit(detail, verdict)
  const reason =
    body?.comment?.trim() || `decided over PATCH ${ALL}/{uuid}/${verb} by an administrator who gave no reason`
  await door.approvals.vote(detail.kind, detail.request.id, { verdict, hash: detail.hash, reason, override: true })
  return undefined
}

/** Whoever asked never decides, with whatever rights; and what is decided stays so. */
function refuseUnfit({ viewer, status }: DecisionDetail, verdict: 'approve' | 'deny'): void {
  const decided = verdict === 'approve' ? 'approved' : 'rejected'
  if (viewer.behind) throw new Unprocessable([`Approval can't be ${decided} by the same user that created it`])
  if (status !== 'waiting') throw new Unprocessable([`Approval can't be ${decided}: it is ${status}`])
}

/** RFC 9110 section 13.1.1. */
function staleAnswer({ hash }: DecisionDetail, ifMatch: string | undefined): Reply | undefined {
  if (ifMatch === undefined) return undefined
  const tags = ifMatch.split(',').map((tag) => tag.trim())
  if (tags.includes('*') || tags.includes(`"${hash}"`)) return undefined
  return { status: 412, body: { message: 'the request is not what it was when you looked at it: look again' } }
}
