#!/usr/bin/env node
import { Command, CommanderError, Option } from 'commander'
import { Failure } from '../core/failure.ts'
import { defineNoun, nouns } from './nouns.ts'
import { formOf, forms, renderedFailure } from './output.ts'
import { exitCode } from './wireFailure.ts'

const program = new Command('countersign')
  .description('A registration authority that speaks everybody’s language.')
  .option('--data <folder>', 'the data folder (COUNTERSIGN_DATA, else ./data)')
  .option('--config <file>', 'the configuration file (COUNTERSIGN_CONFIG, else countersign.yaml in the data folder)')
  .option('--server <name>', 'a server that you logged in to, in place of a data folder (also COUNTERSIGN_URL)')
  .addOption(new Option('--output <form>', 'how answers and failures are written').choices(forms).default('table'))
  .option('--json', 'the same as --output json')
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

// Whoever reads may have read enough (`| head`): no stack for that.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

await runProgram(process.argv.slice(2))

async function runProgram(argv: string[]): Promise<void> {
  try {
    for (const command of program.commands) {
      if (argv.includes(command.name())) await defineNoun(command)
    }
    await program.parseAsync(argv, { from: 'user' })
  } catch (error) {
    process.exitCode = report(error)
  }
}

/** One line, or what --output says; never a stack. Answers the exit code (docs/operate/cli.md). */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  const failure = asFailure(error)
  process.stderr.write(renderedFailure(formOf(program.opts()), failure))
  return exitCode[failure.code]
}

function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error
  const { name = '', message = String(error) } = error instanceof Error ? error : {}
  return new Failure(name === 'DatabaseUnavailable' ? 'unavailable' : 'internal', message, { cause: error })
}
