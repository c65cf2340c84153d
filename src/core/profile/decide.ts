import { createHash } from 'node:crypto'
import type { Facts, Outcome, Verdict } from '../approval/approval.ts'
import { canonicalJson } from '../canonicalJson.ts'
import { Failure, type Problem } from '../failure.ts'
import type { Finding } from '../request/request.ts'
import { type ConditionContext, ConditionError, compileCondition, conditionContext, holds } from './condition.ts'
import { type Action, type ApprovalRule, type ApprovalRules, type ApprovalStep, actions } from './rule.ts'

/** What applies when no rule decides: one approval by the authority's owner. */
const ownerStep: ApprovalStep = { users: [], roles: [], owner: true, quorum: 1, expires: '7d' }

type DecidingRule = Exclude<ApprovalRule, { warn: string }>

/** What applies where no rule decides. */
export const defaultRule: DecidingRule = { name: 'default', when: 'true', require: [ownerStep] }
const keyCompromise: DecidingRule = { name: 'keyCompromise', when: 'true', auto: true }

/**
 * What the rules of one action say about a request. In order: `warn` adds a finding and evaluation goes on, the first
 * auto, deny or require that holds decides. None holds, or a condition cannot be evaluated: ownerStep, and in the second
 * case a finding that names the rule. A revocation for keyCompromise that is signed with the key itself is granted before
 * any rule is asked (RFC 8555 section 7.6): whoever holds the key may always have it revoked. Pure; never throws.
 */
export function decide(rules: readonly ApprovalRule[], facts: Facts): Verdict {
  if (facts.action === 'revoke' && facts.grounds === 'key' && facts.reason === 'keyCompromise') {
    return { outcome: outcomeOf(keyCompromise), findings: [] }
  }
  const context = conditionContext(facts)
  const findings: Finding[] = []
  for (const rule of rules) {
    const held = tryRule(rule, context, facts.identifiers.length)
    if (typeof held === 'string') {
      const detail = `rule ${rule.name} could not be evaluated (${held}); the authority's owner decides`
      findings.push({ by: 'rule', check: rule.name, detail })
      break
    }
    if (!held) continue
    if ('warn' in rule) findings.push({ by: 'rule', check: rule.name, detail: rule.warn })
    else return { outcome: outcomeOf(rule), findings }
  }
  return { outcome: outcomeOf(defaultRule), findings }
}

/** Whether the rule's condition holds, or why that cannot be said. */
function tryRule(rule: ApprovalRule, context: ConditionContext, names: number): boolean | string {
  try {
    return holds(compileCondition(rule.when), context, names)
  } catch (error) {
    if (error instanceof ConditionError) return error.message
    if (error instanceof Failure) return error.detail
    throw error
  }
}

function outcomeOf(rule: DecidingRule): Outcome {
  const decided = { rule: rule.name, version: ruleVersion(rule) }
  if ('auto' in rule) return { kind: 'auto', ...decided }
  if ('deny' in rule) return { kind: 'deny', ...decided, message: rule.deny }
  const remember = rule.remember === undefined ? {} : { remember: rule.remember }
  return { kind: 'require', ...decided, steps: rule.require, ...remember }
}

const versions = new WeakMap<ApprovalRule, string>()

/** Names exactly this text of a rule: the first 16 octets of the SHA-256 of its canonical JSON, as hex. */
export function ruleVersion(rule: ApprovalRule): string {
  const kept = versions.get(rule)
  if (kept !== undefined) return kept
  const version = createHash('sha256').update(canonicalJson(rule)).digest('hex').slice(0, 32)
  versions.set(rule, version)
  return version
}

/**
 * Checks rules before they are saved: every condition compiles, names within an action differ, and nothing is remembered
 * for a revocation. Throws Failure('malformed') with one problem each, `at` like `issue[2].when`.
 */
export function checkRules(rules: ApprovalRules): void {
  const problems = actions.flatMap((action) => rules[action].flatMap((rule, i) => ruleProblems(rules, action, i, rule)))
  if (problems.length === 0) return
  const first = problems[0]
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : ''
  throw new Failure('malformed', `${first?.at}: ${first?.detail}${more}`, { problems })
}

function ruleProblems(rules: ApprovalRules, action: Action, index: number, rule: ApprovalRule): Problem[] {
  const at = `${action}[${index}]`
  const problems: Problem[] = []
  const add = (field: string, detail: string) => problems.push({ at: `${at}.${field}`, code: 'malformed', detail })
  try {
    compileCondition(rule.when)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    add('when', error.detail)
  }
  if (rules[action].findIndex((other) => other.name === rule.name) < index) {
    add('name', `another rule of ${action} is called ${rule.name}`)
  }
  if (action === 'revoke' && 'remember' in rule && rule.remember !== undefined) {
    add('remember', 'an approval to revoke is for one certificate and cannot be remembered')
  }
  return problems
}
