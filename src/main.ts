import { realpathSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { protocols } from '../protocols/index.ts'
import { ConfigError, readConfig } from './config.ts'
import { createLog } from './log.ts'
import { checkOptions, startServer } from './serve.ts'

/** Checks the options of protocols on a profile by the adapters' own schemas. Throws Failure('malformed'). */
export const checkProtocols = checkOptions(protocols)

/** The server, until a signal ends it. Trouble with the configuration is one line, not a stack. */
export async function run(argv: readonly string[]): Promise<void> {
  try {
    const config = readConfig({ env: process.env, argv, otherVariables: ['COUNTERSIGN_TOKEN'] })
    const log = createLog(config.logLevel)
    const running = await startServer(config, protocols, log)
    process.stdout.write(running.greeting)
    const stop = (signal: NodeJS.Signals) => {
      log.info({ signal }, 'stopping')
      running.stop().then(
        () => process.exit(0),
        (error: unknown) => fail(error),
      )
    }
    process.once('SIGTERM', stop)
    process.once('SIGINT', stop)
  } catch (error) {
    fail(error)
  }
}

function fail(error: unknown): never {
  const known =
    error instanceof ConfigError || (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')
  const text = error instanceof Error ? (known ? error.message : (error.stack ?? error.message)) : String(error)
  process.stderr.write(`countersign: ${text}\n`)
  process.exit(known ? 2 : 1)
}

const entry = process.argv[1]
if (entry !== undefined && import.meta.url === pathToFileURL(realpathSync(entry)).href) await run(process.argv.slice(2))
