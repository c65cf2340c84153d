import type { ApprovalStep } from '../core/profile/rule.ts'
import type { Output } from './operation.ts'
import type { show } from './operations/request.ts'
import { fields, lengthText, time } from './table.ts'

export type ShownRequest = Output<typeof show>

/** How a request is given back to the command line: 12 to sign, r12 to revoke. */
export function shortRef({ kind, id }: { kind: string; id: number }): string {
  return kind === 'revoke' ? `r${id}` : String(id)
}

/** Everything that an approver decides on, in the order in which he asks. */
export function describeRequest(shown: ShownRequest): string {
  const { review, certificate } = shown
  const lifts = shown.code === 'removeFromCRL'
  return fields([
    ['Request', `${shortRef(shown)} (${shown.uuid})`],
    ['Status', shown.status],
    ['Asks to', lifts ? 'lift its hold' : shown.action],
    ['Names', shown.wanted ? shown.wanted.identifiers.map(({ type, value }) => `${type} ${value}`) : shown.names],
    ...wantedLines(shown),
    ['Revoke for', shown.kind === 'revoke' && !lifts ? (shown.code ?? 'no reason given') : null],
    [
      'Certificate',
      certificate
        ? `${certificate.id}, serial ${certificate.serial}, ${certificate.status}, until ${time(certificate.notAfter)}`
        : null,
    ],
    ['Renews', shown.renews],
    ['Profile', shown.profile],
    ['Authority', shown.authority],
    ['Over', shown.protocol],
    ['Requester', `${shown.requester} (${shown.requesterKind})`],
    ['Enrolled with', credentialLine(shown)],
    ['From', shown.source],
    ['Asked', time(shown.createdAt)],
    ['Expires', time(shown.expiresAt)],
    ['Reason', shown.reason],
    ['Last error', shown.lastError],
    ['Findings', shown.findings.map(({ by, check, detail }) => `${by}/${check}: ${detail}`)],
    ['Decision', review.outcome],
    ['Rule', review.rule],
    ['Steps', review.steps.map((step, index) => stepLine(step, index, review))],
    ['May approve', mayApprove(shown)],
    [
      'Remembered',
      review.remembered
        ? `people approved it with request ${review.remembered.request}: ${review.remembered.approvers.join(', ')}`
        : null,
    ],
    [
      'Granted',
      review.granted
        ? `by the standing approval ${review.granted.standingApproval}: ${review.granted.approvers.join(', ')}`
        : null,
    ],
    ['Votes', review.votes.map(voteLine)],
    ['Comments', review.comments.map(({ user, text, at }) => `${time(at)} ${user}: ${text}`)],
    ['Hash', review.hash],
  ])
}

function credentialLine({ credential }: ShownRequest): string | null {
  if (!credential) return null
  return `${credential.kind} ${credential.name}${credential.note ? ` (${credential.note})` : ''}`
}

function wantedLines({ wanted, key }: ShownRequest): [string, string | null][] {
  if (!wanted) return []
  return [
    ['Subject', wanted.subject],
    [
      'Type',
      `${wanted.type}${wanted.mustStaple ? ', must staple' : ''}${wanted.pathLength === null ? '' : `, path length ${wanted.pathLength}`}`,
    ],
    ['Constraints', wanted.nameConstraints ? JSON.stringify(wanted.nameConstraints) : null],
    [
      'Valid',
      `${wanted.notBefore ? `from ${time(wanted.notBefore)} ` : ''}${wanted.notAfter ? `until ${time(wanted.notAfter)}` : `for ${lengthText(wanted.validity)}`}`,
    ],
    ['Key', key ? `${key.algorithm} ${key.curve ?? key.size}, SHA-256 ${key.spkiHash}` : null],
  ]
}

function stepLine(step: ApprovalStep, index: number, review: ShownRequest['review']): string {
  const { step: present, outcome } = review
  const who = [
    ...step.users,
    ...step.roles.map((role) => `role ${role}`),
    ...(step.groups ?? []).map((group) => `group ${group}`),
    ...(step.owner ? ["the authority's owner"] : []),
  ]
  const state = outcome !== 'waiting' ? '' : index < present ? ' (done)' : index === present ? ' (waits)' : ''
  return `${index + 1}. ${step.quorum} of ${who.join(', ')}, within ${step.expires}${state}${widened(review, index)}`
}

function widened({ escalated }: ShownRequest['review'], index: number): string {
  const at = escalated.find(({ step }) => step === index)?.at
  return at === undefined ? '' : `, escalated ${time(at)}`
}

function mayApprove({ review, status }: ShownRequest): string | null {
  if (review.outcome !== 'waiting' || status !== 'requested') return null
  return review.mayApprove.length > 0
    ? review.mayApprove.join(', ')
    : 'nobody: an administrator can override, or change the rule'
}

function voteLine(vote: ShownRequest['review']['votes'][number]): string {
  const { user, step, verdict, override, reason, at } = vote
  const who = vote.for === undefined ? user : `${user} for ${vote.for}`
  return `${time(at)} ${who}: ${verdict}${override ? ' by override' : ''}, step ${step + 1}${reason ? `: ${reason}` : ''}`
}
