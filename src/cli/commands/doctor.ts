import type { Command } from 'commander'
import { baseUrlsOf } from '../../config/baseUrls.ts'
import type { Config } from '../../config.ts'
import { Failure } from '../../core/failure.ts'
import { hasDatabase } from '../../disk/place.ts'
import { asPlaceFailure } from '../../disk/refusals.ts'
import { action, type Cli } from '../cli.ts'
import { type Check, check, detailOf, fail, ok, warn } from '../doctor/check.ts'
import { folderChecks, tellMended } from '../doctor/folder.ts'
import { portChecks, resolverCheck } from '../doctor/network.ts'
import { httpChecks } from '../doctor/overHttp.ts'
import { tlsCheck } from '../doctor/tls.ts'
import type { Output } from '../operation.ts'
import * as operations from '../operations/doctor.ts'
import * as profileOperations from '../operations/profile.ts'
import { callSocket } from '../socketClient.ts'
import { socketPath } from '../socketPath.ts'
import { visible } from '../visible.ts'

/** Looks at everything that an installation stands on. */
export function define(doctor: Command): void {
  doctor.option('--full', 'every key and the whole audit chain, not the newest alone: may take minutes')
  action(doctor, async (cli, { full = false }: { full?: boolean }) => {
    const checks = await examine(cli, full)
    cli.show(
      checks,
      checks.map(({ state, name, detail }) => `${state.padEnd(4)}  ${visible(name)}: ${visible(detail)}\n`).join(''),
    )
    if (checks.some(({ state }) => state === 'fail')) cli.fail()
  })
}

async function examine(cli: Cli, full: boolean): Promise<Check[]> {
  const server = await runningServer(cli)
  const running = server !== undefined
  const config = { ...cli.settings(), ...server }
  const checks = [
    await check('server', () =>
      running ? ok(`runs as process ${server?.pid}, and answers on its socket`) : warn('does not run'),
    ),
    ...(await folderChecks(config)),
    await databaseCheck(cli, running),
  ]
  const { examineProtocols, protocolWarnings } = await import('../../main.ts')
  checks.push(await resolverCheck(config), ...(await examineProtocols(config.validation)))
  checks.push(...(await portChecks(config, running)))
  if (running && config.listen.httpsPort > 0) checks.push(await tlsCheck(config, baseUrlsOf(config).baseUrl))
  // A database that cannot be used fails here once, instead of at every question.
  if (checks.some(({ name, state }) => name === 'database' && state === 'fail')) return checks
  checks.push(...(await coreChecks(cli, full)))
  tellMended(checks, config)
  if (checks.some(({ name, state }) => name === 'keys' && state === 'fail')) return checks
  for (const { name, protocols } of await cli.call(profileOperations.list, {}))
    for (const detail of protocolWarnings(protocols)) checks.push({ name: `profile ${name}`, ...warn(detail) })
  if (running) checks.push(...(await httpChecks(cli)))
  return checks
}

/** A missing or wrong key is what doctor is asked about: it is said like the rest. */
async function coreChecks(cli: Cli, full: boolean): Promise<Check[]> {
  try {
    return await cli.call(operations.core, { full })
  } catch (error) {
    if (error instanceof Failure || !(error instanceof Error)) throw error
    return [{ name: 'keys', ...fail(detailOf(asPlaceFailure(error, cli.settings()))) }]
  }
}

async function runningServer(cli: Cli): Promise<Output<typeof operations.server> | undefined> {
  const path = socketPath(cli.settings().dataFolder)
  const answer = await callSocket({ path, operation: operations.server.name, input: {}, credentials: undefined })
  return answer?.output as Output<typeof operations.server> | undefined
}

/** A server that runs has migrated. Without one nothing is changed here: only the schema's bookkeeping is read. */
function databaseCheck(cli: Cli, running: boolean): Promise<Check> {
  const config = cli.settings()
  return check('database', async () => {
    if (running) return ok('open in the server')
    const { refuseLost } = await import('../session.ts')
    refuseLost(config)
    if (!hasDatabase(config)) return fail('there is none yet: start the server once (countersign serve)')
    const pending = await pendingNames(config).catch((error: unknown) => {
      throw asPlaceFailure(error, config)
    })
    return pending.length === 0
      ? ok('reachable, and up to date')
      : fail(`lacks ${pending.join(', ')}: countersign migrate`)
  })
}

async function pendingNames(config: Config): Promise<string[]> {
  const [{ openConfigured }, { pendingMigrations }, { closeDatabase }] = await Promise.all([
    import('../database.ts'),
    import('../../db/migrate.ts'),
    import('../../db/open.ts'),
  ])
  const db = openConfigured(config)
  try {
    return await pendingMigrations(db)
  } finally {
    await closeDatabase(db)
  }
}
