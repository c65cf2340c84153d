import { describe, expect, it } from 'vitest'
import { ruleVersion } from '../../src/core/profile/decide.ts'
import { approvalRules } from '../../src/core/profile/rule.ts'
import { attendAt, stepsNow } from '../../src/core/profile/stepNow.ts'

const parse = (step: unknown) => approvalRules.safeParse({ issue: [{ name: 'r', require: [step] }] })

/** What is wrong with a step, as `where: what`; a union tells of the form that was meant. */
function troubles(step: unknown): string {
  return JSON.stringify(parse(step).error?.issues ?? [])
}

describe('steps of approval rules', () => {
  it('name users, roles, groups or the owner, and so do their escalations', () => {
    for (const step of [
      { groups: ['web'] },
      { owner: true, remind: '4h', escalate: { after: '1d', groups: ['b'], quorum: 2 } },
    ])
      expect(parse(step).success).toBe(true)
    expect(troubles({ quorum: 1 })).toContain('a step names users, roles, groups or the owner')
    expect(troubles({ groups: [] })).toContain('a step names users, roles, groups or the owner')
    expect(troubles({ owner: true, escalate: { after: '1d' } })).toContain('an escalation names users, roles, groups')
  })

  it('do not remind or escalate when they have expired', () => {
    const late = { owner: true, expires: '1d' }
    expect(troubles({ ...late, remind: '24h' })).toMatch(
      /after 24h the step has expired \(expires: 1d\): say a shorter time/,
    )
    expect(troubles({ ...late, escalate: { after: '2d', users: ['b'] } })).toContain('after 2d the step has expired')
    expect(parse({ ...late, remind: '23h' }).success).toBe(true)
  })

  it.each([
    ['groups that are no list', { groups: 'web' }],
    ['a group without a name', { groups: [''] }],
    ['a group with a control character', { groups: ['a\u0000'] }],
    ['a time without its unit', { owner: true, remind: '4' }],
    ['an escalation without its time', { owner: true, escalate: { users: ['b'] } }],
    ['a quorum of none', { owner: true, escalate: { after: '1d', users: ['b'], quorum: 0 } }],
    ['a word that is not known', { owner: true, escalate: { after: '1d', users: ['b'], expires: '2d' } }],
  ])('refuse %s', (_, step) => {
    expect(parse(step).success).toBe(false)
  })

  it('a rule written before there were groups keeps its version', () => {
    const [rule] = approvalRules.parse({ issue: [{ name: 'old', require: [{ owner: true }] }] }).issue
    expect(rule && ruleVersion(rule)).toBe('3b172392ae80f7297abecaa8c3095023')
  })

  it('are widened by their escalation alone, once it has come', () => {
    const parsed = parse({ users: ['a'], quorum: 2, escalate: { after: '1d', groups: ['b'], owner: true } })
    const [rule] = parsed.data?.issue ?? []
    const steps = rule && 'require' in rule ? rule.require : []
    expect(stepsNow(steps, [])).toEqual(steps)
    expect(stepsNow(steps, [{ step: 0, reminded: 5 }])).toEqual(steps)
    const [now] = stepsNow(steps, [{ step: 0, escalated: 5 }])
    expect(now).toMatchObject({ users: ['a'], roles: [], groups: ['b'], owner: true, quorum: 2 })
    const [step] = steps
    if (!step) throw new Error('no step')
    expect(attendAt(step, new Date(0))).toBe(86_400_000)
    expect(attendAt({ ...step, remind: '4h' }, new Date(0))).toBe(4 * 3_600_000)
    expect(attendAt(step, new Date(0), { step: 0, escalated: 5 })).toBeNull()
  })
})
