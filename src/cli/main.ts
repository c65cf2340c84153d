#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { Failure } from '../core/failure.ts'
import { exitCode, toWire } from './wireFailure.ts'

interface Noun {
  about: string
  load: () => Promise<{ define(command: Command): void }>
}

/** Each is loaded when it is named: the help of all costs no more than this file. */
const nouns: Record<string, Noun> = {
  serve: { about: 'run the server', load: () => import('./commands/serve.ts') },
  migrate: { about: 'bring the database up to date', load: () => import('./commands/migrate.ts') },
  authority: { about: 'certificate authorities', load: () => import('./commands/authority.ts') },
  profile: { about: 'what clients may get, and the approval rules', load: () => import('./commands/profile.ts') },
  apply: {
    about: 'bring about what a file says, after showing what changes',
    load: () => import('./commands/apply.ts'),
  },
  export: { about: 'an organization as a file that apply takes', load: () => import('./commands/export.ts') },
  limit: { about: 'how often clients may ask', load: () => import('./commands/limit.ts') },
  request: { about: 'orders to sign and to revoke, and votes on them', load: () => import('./commands/request.ts') },
  approval: { about: 'approvals that are remembered', load: () => import('./commands/approval.ts') },
  'standing-approval': {
    about: 'approvals given before the orders',
    load: () => import('./commands/standingApproval.ts'),
  },
  delegation: { about: 'votes given for somebody else', load: () => import('./commands/delegation.ts') },
  discover: { about: 'look for certificates, once', load: () => import('./commands/discover.ts') },
  discovery: {
    about: 'where certificates are looked for again and again',
    load: () => import('./commands/discovery.ts'),
  },
  certificate: { about: 'what was issued', load: () => import('./commands/certificate.ts') },
  user: { about: 'people, roles and capabilities', load: () => import('./commands/user.ts') },
  group: { about: 'people whom rules name together', load: () => import('./commands/group.ts') },
  organization: { about: 'tenants', load: () => import('./commands/organization.ts') },
  key: { about: 'keys for which nothing is issued', load: () => import('./commands/key.ts') },
  challenge: { about: 'passwords with which devices enrol', load: () => import('./commands/challenge.ts') },
  eab: { about: 'keys with which ACME clients get accounts', load: () => import('./commands/eab.ts') },
  kek: { about: 'secret keys to which private keys are encrypted', load: () => import('./commands/kek.ts') },
  cmc: { about: 'shared secrets of CMC clients', load: () => import('./commands/cmc.ts') },
  token: { about: 'what lets a program speak for a user', load: () => import('./commands/token.ts') },
  audit: { about: 'the audit trail', load: () => import('./commands/audit.ts') },
  alert: { about: 'what a person should look at', load: () => import('./commands/alert.ts') },
  doctor: { about: 'look at everything that the installation stands on', load: () => import('./commands/doctor.ts') },
}

const program = new Command('countersign')
  .description('A registration authority that speaks everybody’s language.')
  .option('--data <folder>', 'the data folder (COUNTERSIGN_DATA, else ./data)')
  .option('--config <file>', 'the configuration file (COUNTERSIGN_CONFIG, else countersign.yaml in the data folder)')
  .option('--json', 'answers and failures as JSON')
  .option('--token <text>', 'who asks: a token (better: --token-file, or COUNTERSIGN_TOKEN)')
  .option('--token-file <file>', 'who asks: a token in the first line of a file')
  .option('--user <name>', 'who asks: a user with his password')
  .option(
    '--password-file <file>',
    'his password in the first line of a file, - for standard input; else it is asked for',
  )
  .showHelpAfterError('(--help says how it is written)')
  .exitOverride()

for (const [name, { about }] of Object.entries(nouns)) program.command(name).description(about)

await runProgram(process.argv.slice(2))

async function runProgram(argv: string[]): Promise<void> {
  try {
    for (const command of program.commands) {
      if (argv.includes(command.name())) (await nouns[command.name()]?.load())?.define(command)
    }
    await program.parseAsync(argv, { from: 'user' })
  } catch (error) {
    process.exitCode = report(error)
  }
}

/** One line, or JSON; never a stack. Answers the exit code (docs/operate/cli.md). */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  const failure = asFailure(error)
  if (program.opts().json) process.stderr.write(`${JSON.stringify(toWire(failure))}\n`)
  else process.stderr.write(`countersign: ${line(failure)}\n`)
  return exitCode[failure.code]
}

function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error
  const { name = '', message = String(error) } = error instanceof Error ? error : {}
  return new Failure(name === 'DatabaseUnavailable' ? 'unavailable' : 'internal', message, { cause: error })
}

function line({ detail, problems = [] }: Failure): string {
  const all = problems.map(({ at, detail }) => (at === '' || detail.startsWith(at) ? detail : `${at}: ${detail}`))
  const text = problems.length > 1 ? all.join('; ') : detail
  return text.replace(/\s*[\r\n]+\s*/g, '; ')
}
