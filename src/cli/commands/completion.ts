import { Argument, type Command } from 'commander'
import { completionScript, type Shell, shells } from '../completion.ts'
import { defineAll } from '../nouns.ts'

/** Prints what completes the words of this program in a shell. */
export function define(command: Command): void {
  command.addArgument(new Argument('<shell>').choices(shells)).action(async (shell: Shell) => {
    if (command.parent) process.stdout.write(completionScript(shell, await defineAll(command.parent)))
  })
}
