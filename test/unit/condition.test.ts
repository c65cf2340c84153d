import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { ConditionError, compileCondition, evaluate } from '../../src/core/profile/condition.ts'
import { facts } from '../helpers/facts.ts'

const holds = (source: string, changes = {}) => evaluate(compileCondition(source), facts(changes))

function refusal(source: string): string {
  try {
    compileCondition(source)
  } catch (error) {
    if (error instanceof Failure && error.code === 'malformed') return error.detail
    throw error
  }
  throw new Error(`${source} was accepted`)
}

describe('what conditions see', () => {
  test.each([
    ['true', true],
    ['action == "issue" && protocol == "acme" && profile == "default"', true],
    ['requester.kind == "acme-account" && requester.ref == "a1" && requester.name == "web team"', true],
    ['requester.kind == "user"', false],
    ['identifiers.all(i, i.type == "dns" && i.validated)', true],
    ['identifiers.exists(i, i.value == "example.org")', true],
    ['identifiers.exists_one(i, i.value.startsWith("www."))', true],
    ['identifiers.filter(i, i.validated).size() == 2', true],
    ['size(identifiers) == 2', true],
    ['validated && !entitled', true],
    ['subject.CN == "www.example.org"', true],
    ['has(subject.O)', false],
    ['"CN" in subject', true],
    ['key.algorithm == "EC" && key.size >= 256 && key.curve in ["P-256", "P-384"]', true],
    ['type == "server"', true],
    ['type in ["client", "ca"]', false],
    ['days <= 90 && days > 30', true],
    ['mustStaple || certificate.present || certificate.sameNames || capable', false],
    ['certificate.daysLeft < 30 && certificate.ageDays >= 0 && certificate.serial == ""', true],
    ['reason == "" && grounds == ""', true],
    ['days > 30 ? type == "server" : false', true],
    ['string(days) + "d" == "90d" && int("7") == 7', true],
    ['requester.name.lowerAscii().contains("web")', true],
  ])('%s is %s', (source, expected) => {
    expect(holds(source)).toBe(expected)
  })

  test('all of nothing is true, as in logic: rules that trust it must ask for names', () => {
    expect(holds('identifiers.all(i, i.validated)', { identifiers: [] })).toBe(true)
    expect(holds('size(identifiers) > 0 && identifiers.all(i, i.validated)', { identifiers: [] })).toBe(false)
  })
})

describe('glob, re and inNetwork', () => {
  test.each([
    ['glob("www.example.org", "*.example.org")', true],
    ['glob("a.b.example.org", "*.example.org")', false],
    ['glob("a.b.example.org", "**.example.org")', true],
    ['glob("a.b.example.org", ".example.org")', true],
    ['glob("example.org", ".example.org")', false],
    ['glob("example.org.evil.net", "*.example.org")', false],
    ['re("web-17.example.org", "^web-[0-9]+[.]example[.]org$")', true],
    ['re("xweb-17.example.org", "^web-[0-9]+[.]example[.]org$")', false],
    ['inNetwork(source, "10.0.0.0/8")', true],
    ['inNetwork(source, "192.168.0.0/16")', false],
    ['["192.168.0.0/16", "10.0.0.0/8"].exists(n, inNetwork(source, n))', true],
    ['inNetwork("2001:db8::1", "2001:db8::/32")', true],
    ['inNetwork("2001:db8::1", "0.0.0.0/0")', false],
    ['inNetwork("", "0.0.0.0/0")', false],
    ['inNetwork("::ffff:10.9.9.9", "10.0.0.0/8")', true],
  ])('%s is %s', (source, expected) => {
    expect(holds(source)).toBe(expected)
  })
})

describe('refused when a rule is saved, with the place', () => {
  const refused: [string, RegExp][] = [
    ['days >', /Unexpected token.*line 1, column 7/],
    ['days', /true or false.*int/],
    ['days == "x"', /no such overload.*line 1, column 1/],
    ['nothing == 1', /unknown name nothing.*column 1/],
    ['requester.surname == "x"', /No such key: surname.*column 11/],
    ['true &&\n  colour == "red"', /unknown name colour \(line 2, column 3\)/],
    ['"a".matches("(a+)+$")', /matches; use re/],
    ['identifiers.map(i, i.value).size() > 0', /map; use exists/],
    ['cel.bind(x, 1, x == 1)', /unknown function bind/],
    ['"a.b".split(".").size() == 2', /unknown function split/],
    ['timestamp(0) < timestamp(1)', /unknown function timestamp/],
    ['type(days) == int', /unknown function type/],
    ['dyn(1) == 1', /unknown function dyn/],
    ['b"x".json() == {}', /unknown function json|maps/],
    ['{"a": 1}.size() == 1', /maps .* cannot be written/],
    ['identifiers == identifiers', /use exists or all/],
    ['identifiers.exists(i, i == identifiers[0])', /no such overload/],
    ['(identifiers + identifiers).size() > 1', /use exists or all/],
    ['identifiers.exists(type, true)', /another name/],
    ['identifiers.exists(i, identifiers.exists(i, true))', /another name/],
    ['[1].exists(a, [2].exists(b, [3].exists(c, true)))', /at most two/],
    ['re(source, "(")', /missing closing \).*column 12/],
    ['re(source, "(?=a)")', /column 12/],
    ['re(source, "[a-z]{900}")', /too large/],
    [`re(source, "${'a'.repeat(301)}")`, /at most 300/],
    ['inNetwork(source, "10.0.0.0/40")', /not a network/],
    ['inNetwork(source, "localhost")', /not a network/],
    [`[${Array(101).fill('1').join()}].exists(a, a == 1)`, /column/],
    [`${'('.repeat(40)}true${')'.repeat(40)}`, /column/],
    [Array(300).fill('validated').join(' && '), /column/],
    ['true'.padEnd(5000), /at most 4000/],
  ]
  test.each(refused.map(([source, detail]) => [source.slice(0, 60), source, detail] as const))(
    '%s',
    (_, source, detail) => {
      expect(refusal(source)).toMatch(detail)
    },
  )
})

describe('what cannot be said for these facts is a ConditionError', () => {
  test.each([
    ['subject.O == "Example"', /No such key: O/],
    ['identifiers[7].validated', /index 7/],
    ['days / (days - 90) == 1', /division by zero/],
    ['int(requester.name) == 1', /cannot convert/],
    ['re(source, requester.name)', /missing closing/],
    ['inNetwork(source, requester.name)', /not a network/],
  ])('%s', (source, detail) => {
    const condition = compileCondition(source)
    const given = facts({ requester: { kind: 'user', ref: '', name: '((' } })
    expect(() => evaluate(condition, given)).toThrow(ConditionError)
    expect(() => evaluate(condition, given)).toThrow(detail)
  })
})

describe('time', () => {
  test('an expression that makes backtracking engines explode is linear', () => {
    const value = `${'a'.repeat(1900)}!`
    const condition = compileCondition('re(requester.name, "^(a+)+$") || re(requester.name, "^(a|aa)+$")')
    const begin = performance.now()
    expect(evaluate(condition, facts({ requester: { kind: 'user', ref: '', name: value } }))).toBe(false)
    expect(performance.now() - begin).toBeLessThan(500)
  })

  test('a glob of many stars is bounded', () => {
    const condition = compileCondition(`glob(requester.name, "${'**a'.repeat(90)}")`)
    const begin = performance.now()
    expect(evaluate(condition, facts({ requester: { kind: 'user', ref: '', name: 'ab'.repeat(900) } }))).toBe(false)
    expect(performance.now() - begin).toBeLessThan(1000)
  })

  test('two macros inside each other over a thousand names are refused, not run', () => {
    const identifiers = Array.from({ length: 1000 }, (_, i) => ({ type: 'dns', value: `h${i}`, validated: true }))
    const condition = compileCondition('identifiers.exists(i, identifiers.exists(j, i.value == "x" + j.value))')
    expect(evaluate(condition, facts())).toBe(false)
    expect(() => evaluate(condition, facts({ identifiers }))).toThrow(/too much to look at/)
  })
})

const word = fc.constantFrom(
  'identifiers',
  'requester',
  '.kind',
  '.exists(',
  'i',
  ',',
  ')',
  '(',
  '==',
  '&&',
  '"a"',
  '1',
  'days',
  '!',
  '[',
  ']',
  're(',
  'glob(',
  'type',
  '?',
  ':',
  '+',
  '-',
  'in',
  'has(',
  '.value',
  'subject',
  '{',
  '}',
  '/',
  'true',
  '9223372036854775807',
) // prettier-ignore

const source = fc.oneof(
  fc.string({ maxLength: 200 }),
  fc.string({ unit: 'binary', maxLength: 100 }),
  fc.array(word, { maxLength: 25 }).map((words) => words.join(' ')),
)

test('whatever is written, the answer is true, false, malformed or a ConditionError, and always the same', () => {
  const answer = (text: string): string => {
    try {
      return String(evaluate(compileCondition(text), facts()))
    } catch (error) {
      if (error instanceof Failure && error.code === 'malformed') return error.detail
      if (error instanceof ConditionError) return error.message
      throw error
    }
  }
  fc.assert(
    fc.property(source, (text) => {
      expect(answer(text)).toBe(answer(text))
    }),
    { numRuns: 3000 },
  )
})
