import { realpathSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { protocols } from '../protocols/index.ts'
import { commandLine } from './cli/overHttps.ts'
import { ConfigError, readConfig } from './config.ts'
import { webConsole } from './console/index.ts'
import { Failure } from './core/failure.ts'
import { createLog } from './log.ts'
import { type Finding, type ListenerName, type ValidationConfig, VERSION } from './protocol.ts'
import { startServer } from './serve.ts'
import { checkOptions, optionWarnings } from './server/profileOptions.ts'
import { stopOnSignals } from './server/stopping.ts'
import { readTraceConfig } from './telemetry/traceConfig.ts'

/** Checks the options of protocols on a profile by the adapters' own schemas. Throws Failure('malformed'). */
export const checkProtocols = checkOptions(protocols)

/** What the adapters see of what they depend on. */
export async function examineProtocols(validation: ValidationConfig): Promise<Finding[]> {
  return (await Promise.all(protocols.map(({ examine }) => examine?.(validation) ?? []))).flat()
}

/** What an administrator should know of the options of protocols on a profile. */
export const protocolWarnings = (options: Record<string, unknown>): string[] => optionWarnings(protocols, options)

/** Which listeners the server opens: those on which a protocol is mounted. */
export const usedListeners: ReadonlySet<ListenerName> = new Set(
  protocols.flatMap(({ mounts }) => mounts.flatMap(({ listeners }) => listeners)),
)

/** The server, until a signal ends it. Trouble with the configuration is one line, not a stack. */
export async function run(argv: readonly string[]): Promise<void> {
  if (argv.length === 1 && ['--version', '-V'].includes(argv[0] ?? '')) {
    process.stdout.write(`countersign ${VERSION}\n`)
    return
  }
  try {
    const config = readConfig({
      env: process.env,
      argv,
      otherVariables: ['COUNTERSIGN_TOKEN', 'COUNTERSIGN_URL', 'COUNTERSIGN_CA', 'COUNTERSIGN_BACKUP_PASSPHRASE'],
    })
    const traceConfig = readTraceConfig(process.env)
    const log = createLog(config.logLevel)
    const running = await startServer(config, [...protocols, webConsole, commandLine], log, traceConfig)
    process.stdout.write(running.greeting)
    stopOnSignals(log, running.stop, fail)
  } catch (error) {
    fail(error)
  }
}

/** For an administrator: what is wrong and why, a line each. The stack comes with COUNTERSIGN_LOG_LEVEL=debug. */
function fail(error: unknown): never {
  const reasons: string[] = []
  for (let cause = error; cause !== undefined && reasons.length < 5; ) {
    reasons.push(
      cause instanceof Failure ? cause.detail : cause instanceof Error ? cause.message || cause.name : String(cause),
    )
    cause = cause instanceof Error ? cause.cause : undefined
  }
  process.stderr.write(`countersign: ${reasons.join('\n  because: ')}\n`)
  if (process.env.COUNTERSIGN_LOG_LEVEL === 'debug' && error instanceof Error) process.stderr.write(`${error.stack}\n`)
  process.exit(error instanceof ConfigError ? 2 : 1)
}

const entry = process.argv[1]
if (entry !== undefined && import.meta.url === pathToFileURL(realpathSync(entry)).href) await run(process.argv.slice(2))
