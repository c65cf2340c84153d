import type { Command } from 'commander'
import { action, type Cli } from '../cli.ts'
import * as operations from '../operations/delegation.ts'
import { table, time } from '../table.ts'

/** Votes that one user gives for another, for a time. */
export function define(delegation: Command): void {
  action(delegation.command('ls').alias('list').description('list delegations, the newest first'), list)
  action(
    delegation
      .command('create <user>')
      .description('let another user give your votes')
      .requiredOption('--until <time>', 'like 2027-01-31T00:00:00Z')
      .option('--from <time>', 'when it begins (default: now)')
      .option('--profile <name>', 'only for requests of this profile')
      .option('--authority <name>', 'only for requests under this authority')
      .option('--reason <text>', 'for others to read'),
    async (cli, to: string, options: Omit<Parameters<typeof draftOf>[1], 'to'>) => {
      const view = await cli.call(operations.create, draftOf(to, options))
      cli.show(view, `${view.delegate} votes for ${view.delegator} until ${time(view.until)}\n${view.uuid}\n`)
    },
  )
  action(
    delegation.command('end <uuid>').description('he votes for you no more; votes that wait with others count no more'),
    async (cli, uuid: string) => {
      const view = await cli.call(operations.end, { uuid })
      cli.show(view, `${view.delegate} votes for ${view.delegator} no more\n`)
    },
  )
}

interface Options {
  until: string
  from?: string
  profile?: string
  authority?: string
  reason?: string
}

function draftOf(to: string, { until, from, profile, authority, reason }: Options) {
  return {
    to,
    until,
    ...(from === undefined ? {} : { from }),
    ...(profile === undefined ? {} : { profile }),
    ...(authority === undefined ? {} : { authority }),
    ...(reason === undefined ? {} : { reason }),
  }
}

async function list(cli: Cli): Promise<void> {
  const delegations = await cli.call(operations.list, {})
  const rows = delegations.map((view) => [
    view.uuid,
    view.delegator,
    view.delegate,
    time(view.from),
    time(view.until),
    view.profile,
    view.authority,
    time(view.endedAt),
    view.reason,
  ])
  const headings = ['uuid', 'votes of', 'given by', 'from', 'until', 'profile', 'authority', 'ended', 'reason']
  cli.show(delegations, table(headings, rows))
}
