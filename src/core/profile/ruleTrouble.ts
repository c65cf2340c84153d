import type { z } from 'zod'

const outcomes = ['auto', 'deny', 'warn', 'require'] as const

type Issue = z.core.$ZodIssue

/**
 * An issue of a list of rules in words: where a rule fits none of the four forms, which outcomes it has, or what is wrong
 * with the form that it has. `value` is what was parsed. Other issues stay as they are.
 */
export function explained(issue: Issue, value: unknown): { path: PropertyKey[]; message: string }[] {
  if (issue.code !== 'invalid_union') return [issue]
  const rule = issue.path.reduce<unknown>((part, key) => (part as Record<PropertyKey, unknown> | null)?.[key], value)
  if (typeof rule !== 'object' || rule === null) return [{ path: issue.path, message: 'a rule is a map' }]
  const has = outcomes.filter((outcome) => outcome in rule)
  const [outcome] = has
  if (outcome === undefined || has.length > 1) {
    const found = has.length === 0 ? 'none' : has.join(' and ')
    const message = `a rule has exactly one outcome, ${outcomes.join(', ')}; this one has ${found}`
    return [{ path: issue.path, message }]
  }
  const own = issue.errors[outcomes.indexOf(outcome)] ?? []
  if (own.length === 0) return [issue]
  return own.flatMap((inner) => explained({ ...inner, path: [...issue.path, ...inner.path] }, value))
}
