import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import type { Circle } from '../approval/eligible.ts'
import type { CoreTables } from '../tables.ts'
import { type Action, type ApprovalRules, type ApprovalStep, actions } from './rule.ts'

/**
 * What is allowed in rules and yet hardly meant: actions that had rules and have none any more, and steps that name users,
 * roles or groups that the organization does not have. Sentences for whoever saves the profile.
 */
export async function ruleWarnings(
  db: Database,
  organizationId: number,
  rules: ApprovalRules,
  earlier?: ApprovalRules,
): Promise<string[]> {
  const emptied = actions.filter((action) => rules[action].length === 0 && (earlier?.[action].length ?? 0) > 0)
  return [...emptied.map(emptiedText), ...(await strangers(db, organizationId, rules))]
}

function emptiedText(action: Action): string {
  return `${action}: the rules that were here are gone; from now on the authority's owner is asked each time`
}

async function strangers(db: Database, organizationId: number, rules: ApprovalRules): Promise<string[]> {
  const steps = actions.flatMap((action) =>
    rules[action].flatMap((rule) =>
      'require' in rule
        ? rule.require.flatMap(circles).map((named) => ({ ...named, at: `${action}, rule ${rule.name}` }))
        : [],
    ),
  )
  const users = await knownUsers(db, organizationId, [...new Set(steps.flatMap((step) => step.users.map(lower)))])
  const roles = await knownRoles(db, organizationId, [...new Set(steps.flatMap((step) => step.roles))])
  const groups = await knownGroups(db, organizationId, [...new Set(steps.flatMap((step) => step.groups ?? []))])
  return steps.flatMap((step) => [
    ...step.users.filter((name) => !users.has(lower(name))).map((name) => `${step.at}: there is no user ${name}`),
    ...step.roles.filter((name) => !roles.has(name)).map((name) => `${step.at}: nobody is in a role ${name}`),
    ...(step.groups ?? [])
      .filter((name) => !groups.has(name))
      .map((name) => `${step.at}: nobody is in a group ${name}`),
  ])
}

/** Those whom a step names, and those to whom it is escalated. */
const circles = (step: ApprovalStep): Circle[] => (step.escalate ? [step, step.escalate] : [step])

const lower = (name: string): string => name.toLowerCase()

/** Those who could vote: enabled, and of the organization or superusers. */
async function knownUsers(db: Database, organizationId: number, names: string[]): Promise<Set<string>> {
  if (names.length === 0) return new Set()
  const rows = await withTables<CoreTables>(db)
    .selectFrom('users')
    .select('name')
    .where('name', 'in', names)
    .where('enabled', '=', 1)
    .where(({ or, eb }) => or([eb('organization_id', '=', organizationId), eb('superuser', '=', 1)]))
    .execute()
  return new Set(rows.map(({ name }) => name))
}

async function knownRoles(db: Database, organizationId: number, names: string[]): Promise<Set<string>> {
  if (names.length === 0) return new Set()
  const rows = await withTables<CoreTables>(db)
    .selectFrom('roles')
    .innerJoin('role_members', 'role_members.role_id', 'roles.id')
    .select('roles.name')
    .distinct()
    .where('roles.name', 'in', names)
    .where('roles.organization_id', '=', organizationId)
    .execute()
  return new Set(rows.map(({ name }) => name))
}

async function knownGroups(db: Database, organizationId: number, names: string[]): Promise<Set<string>> {
  if (names.length === 0) return new Set()
  const rows = await withTables<CoreTables>(db)
    .selectFrom('groups')
    .innerJoin('group_members', 'group_members.group_id', 'groups.id')
    .select('groups.name')
    .distinct()
    .where('groups.name', 'in', names)
    .where('groups.organization_id', '=', organizationId)
    .execute()
  return new Set(rows.map(({ name }) => name))
}
