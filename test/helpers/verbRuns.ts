import type { Command } from 'commander'
import { defineAll, nouns } from '../../src/cli/nouns.ts'
import { newProgram } from '../../src/cli/program.ts'
import type { VerbRun } from './noteRun.ts'

/** The tree of all verbs, as the program has it. */
export async function wholeProgram(): Promise<Command> {
  const program = newProgram()
  for (const noun of Object.keys(nouns)) program.command(noun)
  return defineAll(program)
}

/** The verb that these words run, by all its words; undefined where they run none: help, or a mistake before it. */
export function verbIn(program: Command, words: readonly string[]): string | undefined {
  if (words.some((word) => word === '--help' || word === '-h')) return undefined
  const valued = new Set(program.options.filter(({ required }) => required).map(({ long }) => long))
  const path: string[] = []
  let command = program
  for (let at = 0; at < words.length && (path.length === 0 || command.commands.length > 0); at++) {
    const word = words[at] ?? ''
    if (valued.has(word)) at++
    if (word.startsWith('-')) continue
    const next = command.commands.find((sub) => sub.name() === word || sub.aliases().includes(word))
    if (!next) return undefined
    command = next
    path.push(next.name())
  }
  return path.length > 0 && command.commands.length === 0 ? path.join(' ') : undefined
}

/** Those that ask at a terminal. */
export const interactiveVerbs = [
  'apply',
  'challenge set-static',
  'csr approve',
  'csr create',
  'csr deny',
  'login',
  'request approve',
  'request deny',
  'revoke approve',
  'revoke create',
  'revoke deny',
  'token create',
  'user set-password',
]

/** What the runs leave open, a line each: every verb has ended well and has been refused, and who asks did so at a terminal. */
export function missingRuns(program: Command, verbs: readonly string[], runs: readonly VerbRun[]): string[] {
  const seen = new Map<string, Set<string>>()
  for (const { words, code, terminal } of runs) {
    const verb = verbIn(program, words)
    if (verb === undefined) continue
    const ways = seen.get(verb) ?? new Set()
    seen.set(verb, ways.add(code === 0 ? 'well' : 'refused'))
    if (terminal) ways.add('terminal')
  }
  return verbs.flatMap((verb) => {
    const ways = seen.get(verb)
    return [
      ...(ways?.has('well') ? [] : [`${verb}: never ended well`]),
      ...(ways?.has('refused') ? [] : [`${verb}: never refused`]),
      ...(!interactiveVerbs.includes(verb) || ways?.has('terminal') ? [] : [`${verb}: never run at a terminal`]),
    ]
  })
}
