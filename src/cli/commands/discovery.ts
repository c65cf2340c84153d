import type { Command } from 'commander'
import { Failure } from '../../core/failure.ts'
import { action, type Cli } from '../cli.ts'
import type { Output } from '../operation.ts'
import * as operations from '../operations/discovery.ts'
import { several, table, time } from '../table.ts'
import { positive } from './paging.ts'

type Discovery = Output<typeof operations.list>[number]

interface Organization {
  organization?: string
}

/** Where certificates are looked for again and again. */
export function define(discovery: Command): void {
  const inOrganization = (command: Command) =>
    command.option('--organization <name>', 'of another organization than your own')
  action(
    inOrganization(
      discovery
        .command('add <name> <targets...>')
        .description('look for certificates at HOST:PORT, CIDR:PORT or in folder:PATH, now and again and again')
        .option('--every <time>', 'like 24h or 7d; without it, it runs when it is asked to')
        .option('--owner <user>', 'who answers for it; else you'),
    ),
    add,
  )
  action(inOrganization(discovery.command('ls').description('list discoveries and their last runs')), list)
  action(
    inOrganization(
      discovery
        .command('places <name>')
        .description('what the last look at each place came to')
        .option('--after <number>', 'go on behind that')
        .option('--limit <count>', 'at most 200'),
    ),
    places,
  )
  action(
    inOrganization(discovery.command('run <name>').description('run it now')),
    async (cli, name: string, given: Organization) => {
      const started = await cli.call(operations.run, { discovery: name, ...given })
      cli.show(started, `discovery ${name} runs: ${started.run?.places ?? 0} places\n`)
    },
  )
  action(
    inOrganization(discovery.command('rm <name>').description('look there no more; what was found stays')),
    async (cli, name: string, given: Organization) => {
      await cli.call(operations.remove, { discovery: name, ...given })
      cli.show({}, `discovery ${name} is gone\n`)
    },
  )
}

interface Add extends Organization {
  every?: string
  owner?: string
}

async function add(cli: Cli, name: string, targets: string[], { every, ...given }: Add): Promise<void> {
  const interval = every === undefined ? {} : { intervalHours: hoursOf(every) }
  const made = await cli.call(operations.add, { name, targets, ...interval, ...given })
  cli.show(made, `discovery ${made.name}: ${every === undefined ? 'run it with discovery run' : `every ${every}`}\n`)
}

function hoursOf(text: string): number {
  const [, count, unit] = /^([1-9]\d{0,4})(h|d)$/.exec(text) ?? []
  if (count === undefined) throw new Failure('malformed', '--every: a length of time is written like 24h or 7d')
  return Number(count) * (unit === 'd' ? 24 : 1)
}

async function list(cli: Cli, given: Organization): Promise<void> {
  const all = await cli.call(operations.list, given)
  const headings = ['name', 'targets', 'every', 'next', 'owner', 'last run', 'looked at', 'found', 'new', 'not']
  cli.show(all, table(headings, all.map(rowOf)))
}

function rowOf({ name, targets, intervalHours, nextAt, enabled, owner, run }: Discovery) {
  const every = intervalHours === undefined ? null : `${intervalHours}h`
  const about = [name, several(targets), enabled ? every : 'off', time(nextAt ?? null), owner?.name]
  if (!run) return [...about, null, null, null, null, null]
  const state = run.running ? 'running' : (time(run.endedAt ?? null) ?? 'stopped')
  const not = run.unreachable + run.refused + run.unreadable
  return [...about, state, `${run.looked} of ${run.places}`, run.found, run.newCertificates, not]
}

interface Page extends Organization {
  after?: string
  limit?: string
}

async function places(cli: Cli, name: string, { after, limit, organization }: Page): Promise<void> {
  const answer = await cli.call(operations.places, {
    discovery: name,
    ...(organization === undefined ? {} : { organization }),
    ...(after === undefined ? {} : { after: positive(after) }),
    ...(limit === undefined ? {} : { limit: positive(limit) }),
  })
  const rows = answer.places.map((one) => [
    one.place,
    one.outcome,
    one.certificates,
    one.newCertificates,
    time(one.lookedAt),
    one.detail,
  ])
  cli.show(answer, table(['place', 'outcome', 'certificates', 'new', 'looked at', 'detail'], rows))
  if (answer.next !== undefined) cli.note(`more: --after ${answer.next}`)
}
