import type { Command } from 'commander'
import { action, type Cli } from '../cli.ts'
import * as operations from '../operations/limit.ts'
import { table, time } from '../table.ts'

interface Where {
  profile?: string
}

/** How often clients may ask, and for whom that is otherwise. */
export function define(limit: Command): void {
  action(
    profiled(limit.command('ls').description('what is used or overridden, the most used first'))
      .option('--limit <name>', 'of one limit, like acme.ordersByAccount')
      .option('--key <part>', 'of keys with this in them: an account, an address, a name'),
    list,
  )
  const override = limit.command('override').description('another rate for one key')
  action(
    profiled(override.command('set <limit> <key>').description('set or replace it; nothing is used then'))
      .requiredOption('--rate <rate>', 'like 3000/3h, or unlimited, or blocked')
      .option('--for <time>', 'like 30d; without it, until it is removed')
      .option('--note <text>', 'why; the client reads it where it is blocked'),
    setOverride,
  )
  action(
    profiled(override.command('rm <limit> <key>').description('the rate of the profile counts again')),
    removeOverride,
  )
  action(
    profiled(
      limit.command('reset <key>').description('nothing is used of its limits, and what was paused goes on'),
    ).option('--limit <name>', 'of one limit alone'),
    reset,
  )
}

function profiled(command: Command): Command {
  return command.option(
    '--profile <name>',
    command.name() === 'ls' ? 'of one profile' : 'of which profile: else default',
  )
}

const where = ({ profile }: Where) => (profile === undefined ? {} : { profile })

async function list(cli: Cli, options: Where & { limit?: string; key?: string }): Promise<void> {
  const { limit, key } = options
  const limits = await cli.call(operations.list, {
    ...where(options),
    ...(limit === undefined ? {} : { limit }),
    ...(key === undefined ? {} : { key }),
  })
  const rows = limits.map((view) => [
    view.profile,
    view.limit,
    view.key,
    view.used,
    view.overridden ? `${view.rate} (override)` : view.rate,
    time(view.freeAt),
    view.overridden ? (time(view.until) ?? 'no end') : null,
    view.note,
  ])
  cli.show(limits, table(['profile', 'limit', 'key', 'used', 'of', 'free again', 'override until', 'note'], rows))
}

async function setOverride(
  cli: Cli,
  limit: string,
  key: string,
  options: Where & { rate: string; for?: string; note?: string },
): Promise<void> {
  const { rate, note } = options
  const view = await cli.call(operations.override, {
    ...where(options),
    limit,
    key,
    rate,
    ...(options.for === undefined ? {} : { for: options.for }),
    ...(note === undefined ? {} : { note }),
  })
  const end = view.until === null ? 'until it is removed' : `until ${time(view.until)}`
  cli.show(view, `${view.limit} of ${view.key} is ${view.rate} ${end}\n`)
}

async function removeOverride(cli: Cli, limit: string, key: string, options: Where): Promise<void> {
  await cli.call(operations.removeOverride, { ...where(options), limit, key })
  cli.show({}, `the rate of the profile counts again for ${key}\n`)
}

async function reset(cli: Cli, key: string, options: Where & { limit?: string }): Promise<void> {
  const { limit } = options
  const done = await cli.call(operations.reset, { ...where(options), key, ...(limit === undefined ? {} : { limit }) })
  cli.show(done, `nothing is used of ${done.count === 1 ? '1 limit' : `${done.count} limits`} of ${key}\n`)
}
