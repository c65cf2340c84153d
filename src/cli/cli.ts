import type { Command } from 'commander'
import type { Config } from '../config.ts'
import { Failure } from '../core/failure.ts'
import { hasDatabase } from '../disk/place.ts'
import { asPlaceFailure, requirePlaces } from '../disk/refusals.ts'
import { readSecret } from './inputFile.ts'
import { type Form, formOf, rendered } from './output.ts'
import { password } from './prompt.ts'
import { chosenServer, currentServer } from './remote/choice.ts'
import { openRemoteSession } from './remote/remoteSession.ts'
import type { Credentials } from './requester.ts'
import { openSession, type Session } from './session.ts'

/** What the program itself takes, before or after the command. */
export interface GlobalOptions {
  data?: string
  config?: string
  server?: string
  output?: Form
  json?: boolean
  token?: string
  tokenFile?: string
  user?: string
  passwordFile?: string
}

/** How a command answers. */
export interface Speaking {
  options: GlobalOptions
  /** The answer: as text for people, or as --output says. */
  show(output: unknown, text: string): void
  /** Beside the answer: on standard error, and not beside JSON or YAML. */
  note(text: string): void
  /** The command fails although nothing was thrown; with 1 where nothing else is said. */
  fail(code?: number): void
}

/** What a command works with. */
export interface Cli extends Session, Speaking {}

function speaking(command: Command): Speaking {
  const given = command.optsWithGlobals<GlobalOptions>()
  const form = formOf(given)
  const options = { ...given, json: form !== 'table' }
  return {
    options,
    show: (output, text) => process.stdout.write(rendered(form, output, text)),
    note: (text) => options.json || process.stderr.write(`${text}\n`),
    fail: (code = 1) => {
      process.exitCode = code
    },
  }
}

/** As action, for what works on no installation. */
export function plainAction<Args extends unknown[]>(
  command: Command,
  run: (speaking: Speaking, ...args: Args) => Promise<void>,
): Command {
  return command.action((...words: unknown[]) => run(speaking(command), ...(words.slice(0, -1) as Args)))
}

/** Makes a command's action: opens the session, closes it, and leaves what is thrown to main.ts. */
export function action<Args extends unknown[]>(
  command: Command,
  run: (cli: Cli, ...args: Args) => Promise<void>,
): Command {
  return command.action(async (...given: unknown[]) => {
    const words = speaking(command)
    const session = await sessionFor(words.options)
    const cli: Cli = { ...session, ...words }
    try {
      // The last one is the command itself.
      if (!session.remote) requirePlaces(session.settings())
      await run(cli, ...(given.slice(0, -1) as Args))
    } catch (error) {
      throw session.remote ? error : asPlaceFailure(error, session.settings())
    } finally {
      await session.close()
    }
  })
}

/** On the server that is chosen, else on the data folder; where there is none and nobody named one, on the server of the last login. */
async function sessionFor(options: GlobalOptions): Promise<Session> {
  const server = chosenServer(options)
  if (server) return openRemoteSession(server)
  const config = await readOptions(options)
  const named = [options.data, options.config, ...folderVariables.map((name) => process.env[name])].some(Boolean)
  const current = named || hasDatabase(config) ? undefined : currentServer(options)
  return current ? openRemoteSession(current) : openSession(config, () => credentialsOf(options))
}

const folderVariables = ['COUNTERSIGN_DATA', 'COUNTERSIGN_CONFIG', 'DATABASE_URL']

/** Of the command line, not of the server, which refuses settings that it does not know. */
export const clientVariables = [
  'COUNTERSIGN_TOKEN',
  'COUNTERSIGN_URL',
  'COUNTERSIGN_CA',
  'COUNTERSIGN_BACKUP_PASSPHRASE',
]

/** The configuration of the server, as far as it says where things are. */
async function readOptions({ data, config }: GlobalOptions): Promise<Config> {
  const { readConfig, ConfigError } = await import('../config.ts')
  const argv = [...(data === undefined ? [] : ['--data', data]), ...(config === undefined ? [] : ['--config', config])]
  try {
    return readConfig({ env: process.env, argv, otherVariables: clientVariables })
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
