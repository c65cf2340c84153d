import type { Command } from 'commander'
import { VERSION } from '../protocol.ts'
import { examples } from './examples.ts'
import { verbsOf } from './nouns.ts'

/** A page for man(7), of what --help says of every verb. */
export function manPage(program: Command): string {
  return `${[
    `.TH COUNTERSIGN 1 "" "countersign ${VERSION}" "User Commands"`,
    '.SH NAME',
    `countersign \\- ${text('a registration authority, and its command line')}`,
    '.SH SYNOPSIS',
    '.B countersign',
    '.RI [ options ] " noun verb " [ arguments ]',
    '.SH DESCRIPTION',
    text(
      'Orders, approves and keeps certificates: on the data folder of a server beside it, or against a server elsewhere after countersign login.',
    ),
    '.SH OPTIONS',
    ...program.options.flatMap(optionLines),
    '.SH COMMANDS',
    ...program.commands.flatMap((command) => [
      `.SS ${text(command.name())}`,
      text(command.description()),
      ...verbs(command),
    ]),
    '.SH EXIT STATUS',
    ...exitStatus.flatMap(([code, means]) => ['.TP', `.B ${code}`, text(means)]),
    '.SH ENVIRONMENT',
    ...environment.flatMap(([name, means]) => ['.TP', `.B ${name}`, text(means)]),
    '.SH FILES',
    '.TP',
    '.I ~/.config/countersign/config.json',
    text('the servers of countersign login, with their tokens; mode 0600'),
  ].join('\n')}\n`
}

const exitStatus = [
  [0, 'done'],
  [1, 'failed, or denied'],
  [2, 'written wrongly, or a value that is refused'],
  [3, 'not found, or not yours to see'],
  [4, 'not allowed, or not known'],
  [5, 'conflict: too late, voted already, changed since'],
  [6, 'unavailable: try again'],
  [7, 'nothing failed, and it waits for people'],
] as const

const environment = [
  ['COUNTERSIGN_URL', 'a server, in place of a data folder'],
  ['COUNTERSIGN_TOKEN', 'who asks'],
  ['COUNTERSIGN_CA', 'PEM of the CA of that server'],
  ['COUNTERSIGN_DATA', 'the data folder'],
  ['COUNTERSIGN_BACKUP_PASSPHRASE', 'the passphrase of backups'],
  ['NO_COLOR', 'no colours, also at a terminal'],
  ['VISUAL, EDITOR', 'what csr create --edit opens'],
] as const

function verbs(noun: Command): string[] {
  return verbsOf(noun).flatMap(({ path, verb }) => {
    const shown = examples[path] ?? []
    return [
      '.PP',
      `.B ${text(`countersign ${path}`)}`,
      ...(verb.usage() === '' ? [] : [`.I ${text(verb.usage())}`]),
      '.br',
      text(verb.description()),
      ...verb.options.flatMap(optionLines),
      ...(shown.length === 0
        ? []
        : ['.PP', 'Examples:', '.PP', '.nf', ...shown.map((line) => text(`    countersign ${line}`)), '.fi']),
    ]
  })
}

function optionLines({ flags, description }: Command['options'][number]): string[] {
  return ['.TP', `.B ${text(flags)}`, text(description)]
}

/** Nothing in it is a request to roff, and a dash is a dash that can be typed. */
function text(given: string): string {
  const safe = given
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('’', '\\(cq')
    .replaceAll('…', '...')
    .replace(
      /[^\x20-\x7e]/g,
      (character) => `\\[u${character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}]`,
    )
  return /^[.']/.test(safe) ? `\\&${safe}` : safe
}
