import type { Command } from 'commander'
import type { Config } from '../config.ts'
import { Failure } from '../core/failure.ts'
import { readSecret } from './inputFile.ts'
import { password } from './prompt.ts'
import type { Credentials } from './requester.ts'
import { openSession, type Session } from './session.ts'
import { visibleJson } from './visible.ts'

/** What the program itself takes, before or after the command. */
export interface GlobalOptions {
  data?: string
  config?: string
  json?: boolean
  token?: string
  tokenFile?: string
  user?: string
  passwordFile?: string
}

/** What a command works with. */
export interface Cli extends Session {
  options: GlobalOptions
  /** The answer: as text for people, or with --json as it is. */
  show(output: unknown, text: string): void
  /** Beside the answer: on standard error, and not with --json. */
  note(text: string): void
  /** The command fails although nothing was thrown. */
  fail(): void
}

/** Makes a command's action: opens the session, closes it, and leaves what is thrown to main.ts. */
export function action<Args extends unknown[]>(
  command: Command,
  run: (cli: Cli, ...args: Args) => Promise<void>,
): Command {
  return command.action(async (...given: unknown[]) => {
    const options = command.optsWithGlobals<GlobalOptions>()
    const session = openSession(await readOptions(options), () => credentialsOf(options))
    const cli: Cli = {
      ...session,
      options,
      show: (output, text) => process.stdout.write(options.json ? `${visibleJson(output)}\n` : text),
      note: (text) => options.json || process.stderr.write(`${text}\n`),
      fail: () => {
        process.exitCode = 1
      },
    }
    try {
      // The last one is the command itself.
      await run(cli, ...(given.slice(0, -1) as Args))
    } finally {
      await session.close()
    }
  })
}

/** The configuration of the server, as far as it says where things are. */
async function readOptions({ data, config }: GlobalOptions): Promise<Config> {
  const { readConfig, ConfigError } = await import('../config.ts')
  const argv = [...(data === undefined ? [] : ['--data', data]), ...(config === undefined ? [] : ['--config', config])]
  try {
    return readConfig({ env: process.env, argv, otherVariables: ['COUNTERSIGN_TOKEN'] })
  } catch (error) {
    if (error instanceof ConfigError)
      throw new Failure('malformed', error.message.replaceAll('\n', '; '), { cause: error })
    throw error
  }
}

async function credentialsOf({ token, tokenFile, user, passwordFile }: GlobalOptions): Promise<Credentials> {
  const ways = [token, tokenFile, user].filter((way) => way !== undefined)
  if (ways.length > 1) throw new Failure('malformed', 'give one of --token, --token-file and --user')
  if (user !== undefined) return { user, password: await password(`Password of ${user}: `, passwordFile) }
  const text = token ?? (tokenFile === undefined ? process.env.COUNTERSIGN_TOKEN : readSecret(tokenFile))
  return text ? { token: text.trim() } : undefined
}
