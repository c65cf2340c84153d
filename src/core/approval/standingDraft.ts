import type { Database } from '../../db/open.ts'
import { parseCidr } from '../../pki/identifier.ts'
import { Failure } from '../failure.ts'
import { findUser, type User } from '../identity/identity.ts'
import { defaultRule, ruleVersion } from '../profile/decide.ts'
import type { RaProfile } from '../profile/profile.ts'
import type { Action, ApprovalRule } from '../profile/rule.ts'
import { text } from '../text.ts'
import { type StandingNames, standingNames } from './standingUse.ts'

export interface StandingApprovalDraft {
  /** By name. */
  profile: string
  action: Extract<Action, 'issue' | 'renew' | 'rekey'>
  /** Whose steps are approved; absent: the only one of the action that asks people. `default`: where no rule decides. */
  rule?: string
  /** StandingNames: patterns as in a profile's names. */
  names: unknown
  /** How many certificates, 1 to 10 000. */
  uses: number
  until: Date
  /** The longest lifetime in days; absent: what the profile allows. */
  days?: number
  /** Only for this requester, as `kind:ref`. */
  requester?: string
  /** Only for orders behind which this user stands, by name. Neither: for everyone whom an account, token or certificate makes known. */
  requesterUser?: string
  reason: string
}

type RequireRule = Extract<ApprovalRule, { require: unknown }>

interface CheckedStanding {
  rule: RequireRule
  version: string
  names: StandingNames
  reason: string
  requesterUser?: User
}

interface Making {
  profile: RaProfile
  maker: User
  at: Date
}

const longest = 366 * 86_400_000

/** What a standing approval is to cover, checked. Throws Failure: malformed, notFound (a user), forbidden (one's own orders). */
export async function checkedStanding(
  db: Database,
  draft: StandingApprovalDraft,
  { profile, maker, at }: Making,
): Promise<CheckedStanding> {
  const { uses, until, days, requester } = draft
  if (!Number.isInteger(uses) || uses < 1 || uses > 10_000) throw malformed('uses is a number from 1 to 10000')
  if (!(until > at) || until.getTime() - at.getTime() > longest)
    throw malformed('until lies in the future, and at most a year away')
  if (days !== undefined && (!Number.isInteger(days) || days < 1 || days > 100_000))
    throw malformed('days is a whole number from 1 on')
  if (requester !== undefined && !/^[a-z-]{1,30}:.{1,300}$/.test(requester))
    throw malformed('a requester is given as kind:ref, like acme-account:018f…')
  if (requester !== undefined && draft.requesterUser !== undefined)
    throw malformed('a standing approval is for one requester or for those behind whom one user stands, not both')
  const reason = text(1000).safeParse(draft.reason.trim())
  if (!reason.success) throw malformed('a standing approval needs a reason, of at most 1000 characters')
  const { type } = profile.settings.certificate
  if (type === 'ca' || type === 'registration_authority')
    throw malformed(`certificates of type ${type} are approved one by one`)
  const user = draft.requesterUser === undefined ? undefined : await userNamed(db, profile, draft.requesterUser)
  if (user?.id === maker.id || requester === `user:${maker.uuid}`)
    throw new Failure('forbidden', 'nobody approves what he asks for himself (separation of duties)')
  const rule = ruleNamed(profile, draft)
  const names = checkedNames(draft.names)
  return { rule, version: ruleVersion(rule), names, reason: reason.data, ...(user ? { requesterUser: user } : {}) }
}

function malformed(detail: string): Failure {
  return new Failure('malformed', detail)
}

async function userNamed(db: Database, { organizationId }: RaProfile, name: string): Promise<User> {
  const user = await findUser(db, { name })
  if (user?.organizationId !== organizationId) throw new Failure('notFound', `there is no user ${name}`)
  return user
}

/** The rules of a profile that ask people about an action, and the one that holds where none decides. */
export function rulesAsking(
  { rules }: Pick<RaProfile, 'rules'>,
  action: StandingApprovalDraft['action'],
): RequireRule[] {
  if (!['issue', 'renew', 'rekey'].includes(action)) throw malformed('the actions are issue, renew and rekey')
  const asking = rules[action].filter((rule): rule is RequireRule => 'require' in rule)
  return 'require' in defaultRule ? [...asking, defaultRule] : asking
}

function ruleNamed({ name, rules }: RaProfile, { action, rule: wanted }: StandingApprovalDraft): RequireRule {
  const asking = rules[action].filter((rule): rule is RequireRule => 'require' in rule)
  if (wanted === 'default' && 'require' in defaultRule && !asking.some((rule) => rule.name === wanted))
    return defaultRule
  const fitting = asking.filter((rule) => wanted === undefined || rule.name === wanted)
  const [rule] = fitting
  if (rule && fitting.length === 1) return rule
  const known = [...asking.map((rule) => rule.name), 'default'].join(', ')
  if (wanted === undefined) throw malformed(`say which rule of the profile ${name} it is for: ${known}`)
  throw malformed(`the profile ${name} has no rule ${wanted} that asks people for ${action}; it has ${known}`)
}

function checkedNames(given: unknown): StandingNames {
  const read = standingNames.safeParse(given)
  if (!read.success) {
    const [issue] = read.error.issues
    throw malformed(`names${issue?.path.length ? `.${issue.path.join('.')}` : ''}: ${issue?.message}`)
  }
  const names = read.data
  const network = names.ip.find((one) => parseCidr(one) === undefined)
  if (network !== undefined) throw malformed(`names.ip: ${network} is no network like 10.0.0.0/8`)
  return {
    ...names,
    dns: names.dns.map((one) => one.toLowerCase()),
    email: names.email.map((one) => one.toLowerCase()),
  }
}
