import { readdirSync, readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import type { VerbRun } from '../helpers/noteRun.ts'
import { interactiveVerbs, missingRuns, verbIn, wholeProgram } from '../helpers/verbRuns.ts'

let program: Awaited<ReturnType<typeof wholeProgram>>
beforeAll(async () => {
  program = await wholeProgram()
})

const run = (line: string, code: number | null, terminal = false): VerbRun => ({
  words: line.split(' '),
  code,
  terminal,
})

describe('what is written down of runs of the command line', () => {
  test.each([
    ['csr ls', 'csr ls'],
    ['--server csr revoke ls --status signed', 'revoke ls'],
    ['--json --user user user ls', 'user ls'],
    ['--output=yaml delegation list', 'delegation ls'],
    ['request confirm-revoked r1', 'request confirm'],
    ['limit override set acme.ordersByAccount x', 'limit override set'],
    ['doctor --json', 'doctor'],
    ['csr create --help', undefined],
    ['--help', undefined],
    ['help csr', undefined],
    ['limit override', undefined],
    ['fly', undefined],
    ['--data', undefined],
  ])('%s runs %s', (line, verb) => {
    expect(verbIn(program, line.split(' '))).toBe(verb)
  })
  test('a verb is missing until it has ended well, was refused and, where it asks, was at a terminal', () => {
    const missing = (...runs: VerbRun[]) => missingRuns(program, ['csr ls', 'csr approve'], runs)
    expect(missing()).toEqual([
      'csr ls: never ended well',
      'csr ls: never refused',
      'csr approve: never ended well',
      'csr approve: never refused',
      'csr approve: never run at a terminal',
    ])
    const half = [run('csr ls', 0), run('csr ls --help', 2), run('csr approve 1', 4), run('csr approve 1 --yes', 0)]
    expect(missing(...half)).toEqual(['csr ls: never refused', 'csr approve: never run at a terminal'])
    expect(missing(...half, run('csr approve 1', 2, true), run('csr ls', 3))).toEqual([])
  })
  test('every file that asks at a terminal has its verbs among those that ask', () => {
    const folder = new URL('../../src/cli/commands/', import.meta.url)
    const asking = readdirSync(folder).filter((file) =>
      /from '\.\.\/(prompt|orderEditor)\.ts'/.test(readFileSync(new URL(file, folder), 'utf8')),
    )
    expect(asking).toEqual([
      'apply.ts',
      'challenge.ts',
      'csrCreate.ts',
      'login.ts',
      'request.ts',
      'revoke.ts',
      'user.ts',
    ])
    const nouns = asking.map((file) => file.replace(/(Create)?\.ts$/, ''))
    for (const noun of nouns) expect(interactiveVerbs.some((verb) => verb.split(' ')[0] === noun)).toBe(true)
  })
})
