import type { Command } from 'commander'
import { clientVariables, type GlobalOptions } from '../cli.ts'

/** The server, as `npm start` runs it. */
export function define(command: Command): void {
  command.action(async () => {
    const { data, config } = command.optsWithGlobals<GlobalOptions>()
    // Of the command line, not of the server, which refuses settings that it does not know.
    for (const name of clientVariables) delete process.env[name]
    const { run } = await import('../../main.ts')
    await run([...(data === undefined ? [] : ['--data', data]), ...(config === undefined ? [] : ['--config', config])])
  })
}
