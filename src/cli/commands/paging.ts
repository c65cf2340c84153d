import type { Command } from 'commander'
import { Failure } from '../../core/failure.ts'

export function pageOptions(command: Command): Command {
  return command
    .option('--limit <number>', 'at most so many, 1 to 200 (default: 50)')
    .option('--after <id>', 'go on below this id')
}

/** Throws Failure('malformed'). */
export function positive(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw new Failure('malformed', `${text}: a whole number is needed`)
}
