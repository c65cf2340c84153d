import type { Command } from 'commander'
import { stringify } from 'yaml'
import { action } from '../cli.ts'
import * as operations from '../operations/configuration.ts'

/** An organization as a file that "countersign apply" takes. */
export function define(command: Command): void {
  action(
    command.option('--organization <name>', 'another one than your own'),
    async (cli, { organization }: { organization?: string }) => {
      const document = await cli.call(operations.show, organization === undefined ? {} : { organization })
      cli.show(document, stringify(document, { lineWidth: 120, aliasDuplicateObjects: false }))
    },
  )
}
