#!/usr/bin/env node
import { CommanderError } from 'commander'
import { Failure } from '../core/failure.ts'
import { asUnavailable, DatabaseUnavailable } from '../db/errors.ts'
import { defineNoun, nouns } from './nouns.ts'
import { formOf, renderedFailure } from './output.ts'
import { newProgram } from './program.ts'
import { exitCode } from './wireFailure.ts'

const program = newProgram()
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
  const known = asUnavailable(error)
  const message = known instanceof Error ? known.message : String(known)
  return new Failure(known instanceof DatabaseUnavailable ? 'unavailable' : 'internal', message, { cause: known })
}
