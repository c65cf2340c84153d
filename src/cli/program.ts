import { Command, Option } from 'commander'
import { VERSION } from '../protocol.ts'
import { forms } from './output.ts'

/** The program with what it takes before or after any command; its nouns are named by who makes it. */
export function newProgram(): Command {
  return new Command('countersign')
    .description('A registration authority that speaks everybody’s language.')
    .version(`countersign ${VERSION}`, '-V, --version', 'which version this is')
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
}
