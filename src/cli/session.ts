import { setTimeout as delay } from 'node:timers/promises'
import type { Composition } from '../compose.ts'
import type { Config } from '../config.ts'
import { Failure } from '../core/failure.ts'
import { DatabaseHeld } from '../db/hold.ts'
import { refuseLostDatabase } from '../disk/lostDatabase.ts'
import { hasDatabase } from '../disk/place.ts'
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
  /** Whoever has begun to work here goes on here: no server starts meanwhile. */
  async function serverOr<T>(ask: () => Promise<T | undefined>, work: () => Promise<Composition>) {
    for (const until = performance.now() + PATIENCE; ; await delay(AGAIN)) {
      const answer = own ? undefined : await ask()
      if (answer) return answer
      try {
        return await work()
      } catch (error) {
        if (!(error instanceof DatabaseHeld)) throw error
        if (performance.now() > until) throw busy(config)
      }
    }
  }
  function here(withProtocols: boolean): Promise<Composition> {
    if (own) return own
    own = composeHere(config, withProtocols)
    own.catch(() => {
      own = undefined
    })
    return own
  }
  return {
    settings: () => config,
    async call<I, O>(operation: Operation<I, O>, input: I, as?: 'nobody'): Promise<Wire<O>> {
      if (as !== 'nobody') who ??= credentials()
      const asking = as === 'nobody' ? undefined : await who
      const path = socketPath(config.dataFolder)
      const calling = { path, operation: operation.name, input, credentials: asking }
      const there = await serverOr(
        () => progress(callSocket(calling)),
        () => here(/^(profile|configuration)\./.test(operation.name)),
      )
      if ('output' in there) return there.output as Wire<O>
      const { core } = there
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

/** Milliseconds for which a server that starts, or another command, is waited for, and between two looks at it. */
const PATIENCE = 15_000
const AGAIN = 50

function busy(config: Config): Failure {
  return new Failure(
    'unavailable',
    `another process works on the database of ${config.dataFolder} and takes no commands: a server that starts or ends, or another command; try again when it is done`,
  )
}

/** The core in this process, on an installation that is there: only the server makes one. */
async function composeHere(config: Config, withProtocols: boolean): Promise<Composition> {
  if (!hasDatabase(config)) {
    throw new Failure(
      'notFound',
      `there is no installation in ${config.dataFolder}: start the server once (countersign serve), or name another folder with --data`,
    )
  }
  refuseLost(config)
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

/** Throws Failure('notFound'). */
export function refuseLost(config: Config): void {
  try {
    refuseLostDatabase(config)
  } catch (cause) {
    throw new Failure('notFound', cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

function refuseProtocols(): never {
  throw new Failure('internal', 'this operation was not expected to save a profile')
}
