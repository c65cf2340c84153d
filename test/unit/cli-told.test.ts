import { describe, expect, test } from 'vitest'
import { told } from '../../src/cli/commands/keySecret.ts'
import { renderedFailure } from '../../src/cli/output.ts'
import { Failure } from '../../src/core/failure.ts'

describe('key-secret show', () => {
  const state = { current: 'b', source: 'file', outdated: false, left: 0 } as const
  test.each([
    ['no change', state, ['no change of it is under way']],
    ['a key that is not used yet', { ...state, next: 'c' }, ['c was begun', 'rotate again']],
    ['secrets that are left', { ...state, old: 'a', left: 7 }, ['7 keys and secrets', 'rotate again']],
    ['only to forget the old one', { ...state, old: 'a' }, ['not forgotten yet', 'finish']],
    ['the old file', { ...state, old: 'a', outdated: true }, ['not forgotten yet', 'bring the new one']],
    ['the old variable', { ...state, source: 'environment', old: 'a', outdated: true }, ['not', 'restart them']],
  ] as const)('says what is next: %s', (_name, state, parts) => {
    const lines = told(state)
    expect(lines).toHaveLength(parts.length)
    for (const [n, part] of parts.entries()) expect(lines[n]).toContain(part)
  })
})

describe('a failure', () => {
  const chain = new Error('no connection', { cause: Object.assign(new Error('connect ECONNREFUSED'), { code: 'E1' }) })
  test('is told with its causes', () => {
    const failure = new Failure('unavailable', 'it is unavailable: no connection', { cause: chain })
    expect(renderedFailure('table', failure)).toBe(
      'countersign: it is unavailable: no connection\n  because: connect ECONNREFUSED\n',
    )
    expect(JSON.parse(renderedFailure('json', failure)).error.because).toEqual(['connect ECONNREFUSED'])
  })
  test('is told with what each of several addresses answered', () => {
    const cause = new AggregateError([new Error('no ::1'), new Error('no 127.0.0.1')], '')
    expect(renderedFailure('table', new Failure('internal', 'x', { cause }))).toContain(
      'because: no ::1; no 127.0.0.1\n',
    )
  })
  test('says nothing twice, and nothing more where an input is refused', () => {
    const cause = Object.assign(new Error('open'), { code: 'EIO' })
    for (const failure of [new Failure('unavailable', 'f (EIO)', { cause }), new Failure('malformed', 'f', { cause })])
      expect(renderedFailure('table', failure).split('\n')).toHaveLength(2)
  })
})
