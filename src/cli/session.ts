import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Composition } from '../compose.ts'
import type { Config } from '../config.ts'
import { Failure } from '../core/failure.ts'
import { asWire, type Operation, type Wire } from './operation.ts'
import { progress } from './progress.ts'
import type { HttpsCall } from './remote/httpsCall.ts'
import { type Credentials, requesterOf } from './requester.ts'
import { callSocket } from './socketClient.ts'
import { socketPath } from './socketPath.ts'

/** One run of the command line: who asks, and of which installation. */
export interface Session {
  /** Throws Failure('unsupported') where a server elsewhere is asked. */
  settings(): Config
  /** The REST of a server elsewhere; absent on a data folder. */
  remote?: Remote
  /** In the running server, or in this process where none runs. */
  call<I, O>(operation: Operation<I, O>, input: I, as?: 'nobody'): Promise<Wire<O>>
  close(): Promise<void>
}

export interface Remote {
  url: string
  /** Below /api. Answers the JSON of the body. Throws what the server refuses as Failure. */
  call<T>(call: HttpsCall): Promise<T>
}

/** `credentials` is asked when first needed, since it may prompt for a password. */
export function openSession(config: Config, credentials: () => Promise<Credentials>): Session {
  let own: Promise<Composition> | undefined
  let who: Promise<Credentials> | undefined
  return {
    settings: () => config,
    async call<I, O>(operation: Operation<I, O>, input: I, as?: 'nobody'): Promise<Wire<O>> {
      if (as !== 'nobody') who ??= credentials()
      const asking = as === 'nobody' ? undefined : await who
      const path = socketPath(config.dataFolder)
      const answer = own
        ? undefined
        : await progress(callSocket({ path, operation: operation.name, input, credentials: asking }))
      if (answer) return answer.output as Wire<O>
      own ??= composeHere(config, /^(profile|configuration)\./.test(operation.name))
      const { core } = await own
      const requester = await requesterOf(core, asking)
      const context = { requester, door: core.as(requester), over: 'cli', beside: { core, config } } as const
      const output = await progress(operation.execute(context, asWire(input)))
      return asWire<O>(output)
    },
    async close() {
      const composition = await own?.catch(() => undefined)
      await composition?.close()
    },
  }
}

/** The core in this process, on an installation that is there: only the server makes one. */
async function composeHere(config: Config, withProtocols: boolean): Promise<Composition> {
  if (!hasDatabase(config)) {
    throw new Failure(
      'notFound',
      `there is no installation in ${config.dataFolder}: start the server once (countersign serve), or name another folder with --data`,
    )
  }
  const [{ compose }, { baseUrlsOf }, { createLog }] = await Promise.all([
    import('../compose.ts'),
    import('../config/baseUrls.ts'),
    import('../log.ts'),
  ])
  const { httpBaseUrl } = baseUrlsOf(config)
  // The adapters are most of the program, and only their options on a profile need them.
  const checkProtocols = withProtocols ? (await import('../main.ts')).checkProtocols : refuseProtocols
  return compose({ ...config, httpBaseUrl }, createLog('silent'), checkProtocols)
}

function refuseProtocols(): never {
  throw new Failure('internal', 'this operation was not expected to save a profile')
}

export function hasDatabase({ databaseUrl, dataFolder }: Pick<Config, 'databaseUrl' | 'dataFolder'>): boolean {
  if (databaseUrl === undefined) return existsSync(join(dataFolder, 'countersign.sqlite'))
  return /^postgres(ql)?:/.test(databaseUrl) || existsSync(databaseUrl)
}
