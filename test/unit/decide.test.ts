import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { checkRules, decide, ruleVersion } from '../../src/core/profile/decide.ts'
import { defaultRules } from '../../src/core/profile/defaultRules.ts'
import { type Action, type ApprovalRule, approvalRules } from '../../src/core/profile/rule.ts'
import { facts } from '../helpers/facts.ts'

const step = { users: ['ann'], roles: [], owner: false, quorum: 1, expires: '1d' }
const auto = (name: string, when = 'true'): ApprovalRule => ({ name, when, auto: true })
const deny = (name: string, when = 'true'): ApprovalRule => ({ name, when, deny: 'not here' })
const warn = (name: string, when = 'true'): ApprovalRule => ({ name, when, warn: 'look twice' })
const ask = (name: string, when = 'true'): ApprovalRule => ({ name, when, require: [step], remember: '30d' })

function shortly(rules: ApprovalRule[], changes = {}): string {
  const { outcome, findings } = decide(rules, facts(changes))
  return [`${outcome.kind} ${outcome.rule}`, ...findings.map(({ check }) => check)].join(' | ')
}

describe('order', () => {
  test.each([
    ['no rule: the owner', [], 'require default'],
    ['none holds: the owner', [auto('a', 'false'), deny('b', 'days > 1000')], 'require default'],
    ['the first that decides wins', [auto('a'), deny('b')], 'auto a'],
    ['a deny before an auto', [deny('b'), auto('a')], 'deny b'],
    ['what does not hold is passed over', [deny('b', 'type == "ca"'), ask('c'), auto('a')], 'require c'],
    ['a warning goes on', [warn('w'), auto('a')], 'auto a | w'],
    ['warnings add up', [warn('w'), warn('v', 'false'), warn('u'), deny('b')], 'deny b | w | u'],
    ['a warning alone decides nothing', [warn('w')], 'require default | w'],
    ['an error asks the owner, whatever follows', [auto('a', 'subject.O == "x"'), auto('b')], 'require default | a'],
    ['an error in a warning too', [warn('w', 'subject.O == "x"'), auto('b')], 'require default | w'],
    ['an error after a decision is not met', [auto('b'), auto('a', 'subject.O == "x"')], 'auto b'],
    ['a condition that is none any more', [auto('a', 'days >'), auto('b')], 'require default | a'],
  ])('%s', (_name, rules, expected) => {
    expect(shortly(rules)).toBe(expected)
  })

  test('an outcome says all that acting on it takes', () => {
    expect(decide([ask('c')], facts()).outcome).toEqual({
      kind: 'require',
      rule: 'c',
      version: ruleVersion(ask('c')),
      steps: [step],
      remember: '30d',
    })
    expect(decide([deny('b')], facts()).outcome).toMatchObject({ kind: 'deny', message: 'not here' })
    expect(decide([], facts()).outcome).toMatchObject({
      kind: 'require',
      steps: [{ users: [], roles: [], owner: true, quorum: 1 }],
    })
  })

  test('the finding about an error names rule and reason', () => {
    const { findings } = decide([auto('only ours', 'subject.O == "x"')], facts())
    expect(findings).toEqual([
      { by: 'rule', check: 'only ours', detail: expect.stringMatching(/only ours.*No such key: O/) },
    ])
  })
})

describe('keyCompromise proved by the key itself', () => {
  test.each([
    [{ action: 'revoke', grounds: 'key', reason: 'keyCompromise' }, 'auto keyCompromise'],
    [{ action: 'revoke', grounds: 'key', reason: 'superseded' }, 'deny b'],
    [{ action: 'revoke', grounds: 'account', reason: 'keyCompromise' }, 'deny b'],
    [{ action: 'issue', grounds: 'key', reason: 'keyCompromise' }, 'deny b'],
  ])('%j: %s', (changes, expected) => {
    expect(shortly([deny('b')], changes)).toBe(expected)
  })
})

describe('the version of a rule', () => {
  test('is that of its content, whatever the order of its members', () => {
    expect(ruleVersion({ name: 'a', when: 'true', auto: true })).toBe(
      ruleVersion({ auto: true, when: 'true', name: 'a' }),
    )
    expect(ruleVersion(auto('a'))).toMatch(/^[0-9a-f]{32}$/)
  })

  test.each([auto('b'), auto('a', 'validated'), deny('a'), ask('a')])('changes with any of it: %j', (other) => {
    expect(ruleVersion(other)).not.toBe(ruleVersion(auto('a')))
  })
})

describe('the rules of the profile default', () => {
  const held = { present: true, serial: '01', sameNames: true, ageDays: 60, daysLeft: 30 }
  const scep = { protocol: 'scep', requester: { kind: 'challenge', ref: '', name: '' }, validated: false }
  const user = { protocol: 'ra', requester: { kind: 'user', ref: '', name: '' }, validated: false }
  test.each<[string, Partial<Parameters<typeof facts>[0]>, string]>([
    ['ACME, all names proved', {}, 'auto'],
    ['ACME, not all proved', { validated: false }, 'require'],
    ['ACME without names', { identifiers: [], validated: true }, 'require'],
    ['ACME that renews', { action: 'renew', certificate: held }, 'auto'],
    ['SCEP without a challenge', scep, 'require'],
    ['SCEP with a challenge for these names', { ...scep, entitled: true }, 'auto'],
    ['SCEP renewal of the same names', { ...scep, action: 'renew', certificate: held }, 'auto'],
    ['SCEP rekey of the same names', { ...scep, action: 'rekey', certificate: held }, 'auto'],
    [
      'SCEP renewal of other names',
      { ...scep, action: 'renew', certificate: { ...held, sameNames: false } },
      'require',
    ],
    ['a first order that shows a certificate', { ...scep, certificate: held }, 'require'],
    ['a user', { ...user, capable: true }, 'require'],
    ['a user who claims validated names', { ...user, validated: true }, 'require'],
    ['revocation by the account', { action: 'revoke', grounds: 'account' }, 'auto'],
    ['revocation by who proved the names', { action: 'revoke', grounds: 'names' }, 'auto'],
    ['revocation by the key', { action: 'revoke', grounds: 'key' }, 'auto'],
    ['revocation by a user with revoke_cert', { action: 'revoke', grounds: 'user', capable: true }, 'auto'],
    ['revocation by another user', { action: 'revoke', grounds: 'user' }, 'require'],
    ['export', { action: 'export', capable: true }, 'require'],
  ])('%s: %s', (_name, changes, expected) => {
    const asked = facts(changes)
    const { outcome, findings } = decide(defaultRules[asked.action], asked)
    expect([outcome.kind, findings]).toEqual([expected, []])
  })

  test('pass their own check', () => {
    expect(approvalRules.parse(defaultRules)).toEqual(defaultRules)
    expect(() => checkRules(defaultRules)).not.toThrow()
  })
})

describe('checkRules', () => {
  test('names every problem and its place', () => {
    const rules = approvalRules.parse({
      issue: [auto('a'), auto('b', 'days >'), warn('a', 'colour == 1')],
      revoke: [ask('c')],
    })
    const check = () => checkRules(rules)
    expect(check).toThrow(Failure)
    try {
      check()
    } catch (error) {
      expect((error as Failure).code).toBe('malformed')
      expect((error as Failure).problems?.map(({ at }) => at)).toEqual([
        'issue[1].when',
        'issue[2].when',
        'issue[2].name',
        'revoke[0].remember',
      ])
      expect((error as Failure).detail).toMatch(/^issue\[1\]\.when: .*and 3 more/)
    }
  })
})

const anyRule = fc.record({
  name: fc.string({ minLength: 1, maxLength: 8 }),
  when: fc.oneof(
    fc.string({ maxLength: 40 }),
    fc.constantFrom('true', 'false', 'subject.O == "x"', 'validated', 'days > 1'),
  ),
  kind: fc.constantFrom(auto, deny, warn, ask),
})

test('decide never throws, decides the same each time, and never grants what no rule granted', () => {
  const some = fc.tuple(
    fc.array(anyRule, { maxLength: 6 }),
    fc.constantFrom<Action>('issue', 'renew', 'rekey', 'export'),
  )
  fc.assert(
    fc.property(some, ([drawn, action]) => {
      const rules = drawn.map(({ kind, name, when }) => kind(name, when))
      const first = decide(rules, facts({ action }))
      expect(decide(rules, facts({ action }))).toEqual(first)
      if (first.outcome.kind === 'auto') expect(rules.some((rule) => 'auto' in rule)).toBe(true)
      if (first.outcome.kind === 'require') expect(first.outcome.steps.length).toBeGreaterThan(0)
    }),
    { numRuns: 1000 },
  )
})
