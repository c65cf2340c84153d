/** @jsxImportSource hono/jsx */
import type { ReviewState } from '../../core/approval/approval.ts'
import type { ApprovalRule, ApprovalStep } from '../../core/profile/rule.ts'
import type { Visit } from '../page.ts'
import { Badge } from '../parts/badge.tsx'
import { Check, Field, PostForm } from '../parts/form.tsx'
import { Panel } from '../parts/panel.tsx'
import { Ago, shown, Text } from '../parts/text.tsx'
import type { RequestFacts } from './requestFacts.ts'

const outcomes: Readonly<Record<string, string>> = {
  auto: 'The rule lets it pass without asking anybody.',
  remembered: 'An approval that was remembered stands in for people.',
  granted: 'A standing approval stands in for people.',
  approved: 'Approved.',
  denied: 'Denied.',
  expired: 'Nobody decided in time.',
  canceled: 'Withdrawn before it was decided.',
  void: 'It was edited, and asked anew.',
}

/** Which rule applies and why, where the decision stands, and the ways to decide. */
export function DecisionPanel({ visit, facts }: { visit: Visit; facts: RequestFacts }) {
  const { review, detail } = facts
  const now = visit.host.clock()
  if (review.outcome === 'none') return null
  const waits = detail.status === 'requested' && review.outcome === 'waiting'
  return (
    <Panel title="Decision" id="decision">
      {waits && <VoteForm visit={visit} facts={facts} />}
      {!waits && <p>{outcomes[review.outcome] ?? review.outcome}</p>}
      {review.remembered && (
        <p>
          As on <a href={`/console/requests/sign/${review.remembered.request}`}>request {review.remembered.request}</a>,
          approved by <People names={review.remembered.approvers} />.
        </p>
      )}
      {review.granted && (
        <p>
          Given by <People names={review.granted.approvers} />.
        </p>
      )}
      <Rule facts={facts} />
      <div id="progress" data-live>
        {review.steps.length > 0 && <Steps review={review} waits={waits} />}
        {waits && detail.expiresAt && (
          <p class="quiet">
            This step ends <Ago at={detail.expiresAt} now={now} />.
          </p>
        )}
        <Votes review={review} now={now} />
      </div>
    </Panel>
  )
}

/** Names in a row. */
function People({ names }: { names: readonly string[] }) {
  return (
    <>
      {names.map((name, index) => (
        <>
          {index > 0 && ', '}
          <Text value={name} most={60} />
        </>
      ))}
    </>
  )
}

function Rule({ facts: { review, profile, detail } }: { facts: RequestFacts }) {
  const rule = profile?.rules[detail.action].find(({ name }) => name === review.rule)
  return (
    <div class="rule">
      <p>
        Rule{' '}
        <strong>
          <Text value={review.rule} most={100} />
        </strong>
        {rule ? ' applies, since this holds:' : why(review.rule)}
      </p>
      {rule && (
        <pre tabindex={0}>
          <code>{shown(condition(rule))}</code>
        </pre>
      )}
    </div>
  )
}

const condition = ({ when }: ApprovalRule) =>
  when === 'true' ? 'true (always, where no rule before it decides)' : when

function why(rule: string): string {
  if (rule === 'default') return ' applies: no rule of the profile decides, so the owner of the authority does.'
  if (rule === 'keyCompromise') return ' applies: the key itself says that it is compromised.'
  return ' applied. It is not among the rules of the profile any more.'
}

function Steps({ review, waits }: { review: ReviewState; waits: boolean }) {
  return (
    <ol class="steps">
      {review.steps.map((step, index) => {
        const escalated = review.escalated.find((one) => one.step === index)
        const done = review.votes.filter(
          (vote) => vote.step === index && vote.verdict === 'approve' && !vote.override,
        ).length
        return (
          <li aria-current={waits && index === review.step ? 'step' : undefined}>
            {circle(step)}
            {step.quorum > 1 && (
              <span class="quiet">
                {' '}
                {done} of {step.quorum} so far
              </span>
            )}
            {escalated && <Badge status="hold" label="Escalated" />}
            {waits && index === review.step && (
              <p class="quiet">
                {review.mayApprove.length === 0 ? (
                  <strong>Nobody is left who may approve.</strong>
                ) : (
                  <>
                    May still approve: <People names={review.mayApprove.slice(0, 12)} />
                    {review.mayApprove.length > 12 && ` and ${review.mayApprove.length - 12} more`}
                  </>
                )}
              </p>
            )}
          </li>
        )
      })}
    </ol>
  )
}

/** How many of whom. */
function circle({ users, roles, groups = [], owner, quorum }: ApprovalStep) {
  const named = [
    ...users,
    ...roles.map((role) => `role ${role}`),
    ...groups.map((group) => `group ${group}`),
    ...(owner ? ["the authority's owner"] : []),
  ]
  const alone = named.length === 1 && quorum === 1 && roles.length + groups.length === 0
  return (
    <>
      {!alone && `${quorum === 1 ? 'One' : quorum} of `}
      <People names={named} />
    </>
  )
}

function Votes({ review: { votes }, now }: { review: ReviewState; now: Date }) {
  if (votes.length === 0) return null
  return (
    <ul class="votes">
      {votes.map((vote) => (
        <li>
          <Badge
            status={vote.verdict === 'approve' ? 'ok' : 'denied'}
            label={vote.verdict === 'approve' ? 'Approved' : 'Denied'}
          />{' '}
          by <Text value={vote.user} most={60} />
          {vote.for && (
            <>
              {' '}
              for <Text value={vote.for} most={60} />
            </>
          )}
          {vote.override && <Badge status="hold" label="Override" />}{' '}
          <span class="quiet">
            <Ago at={vote.at} now={now} />
          </span>
          {vote.reason && (
            <blockquote>
              <Text value={vote.reason} most={300} />
            </blockquote>
          )}
        </li>
      ))}
    </ul>
  )
}

function VoteForm({ visit, facts }: { visit: Visit; facts: RequestFacts }) {
  const { kind, detail, review, viewer, profile } = facts
  const rule = profile?.rules[detail.action].find(({ name }) => name === review.rule)
  const remember = kind === 'sign' && rule && 'require' in rule ? rule.remember : undefined
  const to = `/console/requests/${kind}/${detail.uuid}/vote`
  if (viewer.behind) return <p class="note">You are behind this request, so others decide on it.</p>
  if (!viewer.expected && !viewer.administers)
    return <p class="note">This step does not name you. It waits for those below.</p>
  return (
    <>
      {viewer.expected && (
        <PostForm visit={visit} to={to} class="form vote">
          <input type="hidden" name="hash" value={review.hash} />
          {remember && (
            <Check
              name="remember"
              value={remember}
              label={`Remember this approval for ${remember}`}
              hint="The same order passes unasked for so long; one for more asks again."
            />
          )}
          <Field name="reason" label="Reason" maxlength={1000} hint="A denial needs one. Whoever asked reads it." />
          <div class="doing">
            <button type="submit" name="verdict" value="approve" class="primary">
              Approve
            </button>
            <button type="submit" name="verdict" value="deny" class="danger">
              Deny
            </button>
          </div>
        </PostForm>
      )}
      {viewer.administers && <OverrideForm visit={visit} to={to} hash={review.hash} />}
    </>
  )
}

function OverrideForm({ visit, to, hash }: { visit: Visit; to: string; hash: string }) {
  return (
    <details class="override">
      <summary>Decide as an administrator, against the steps</summary>
      <PostForm visit={visit} to={to}>
        <input type="hidden" name="hash" value={hash} />
        <input type="hidden" name="override" value="yes" />
        <Field
          name="overrideReason"
          label="Reason of the override"
          maxlength={1000}
          required
          hint="It stands in the audit log with your name."
        />
        <div class="doing">
          <button type="submit" name="verdict" value="approve">
            Approve by override
          </button>
          <button type="submit" name="verdict" value="deny" class="danger">
            Deny by override
          </button>
        </div>
      </PostForm>
    </details>
  )
}
