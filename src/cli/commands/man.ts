import type { Command } from 'commander'
import { manPage } from '../manPage.ts'
import { defineAll } from '../nouns.ts'

/** Prints the manual page, of what --help says. */
export function define(command: Command): void {
  command.action(async () => {
    if (command.parent) process.stdout.write(manPage(await defineAll(command.parent)))
  })
}
