import type { Command } from 'commander'
import { action, type Cli } from '../cli.ts'
import type { Input } from '../operation.ts'
import * as operations from '../operations/standingApproval.ts'
import { several, table, time } from '../table.ts'
import { positive } from './paging.ts'

interface Options {
  profile: string
  action: 'issue' | 'renew' | 'rekey'
  rule?: string
  dns?: string[]
  wildcards?: true
  ip?: string[]
  email?: string[]
  uri?: string[]
  uses: string
  until: string
  days?: string
  requester?: string
  requesterUser?: string
  reason: string
}

/** Approvals given before the orders: so many, with such names, until then. */
export function define(standing: Command): void {
  action(standing.command('ls').description('list them, the newest first'), list)
  action(
    standing
      .command('create')
      .description('approve orders that will come; rules that ask for more people wait until others confirm it')
      .option('--profile <name>', 'of which profile', 'default')
      .option('--action <action>', 'issue, renew or rekey', 'issue')
      .option('--rule <name>', 'whose steps it is for, where several rules ask people; default: where no rule decides')
      .option('--dns <patterns...>', 'names like *.web.example.org')
      .option('--wildcards', 'names with * too')
      .option('--ip <networks...>', 'like 10.0.0.0/8')
      .option('--email <patterns...>', 'like *@example.org')
      .option('--uri <patterns...>', 'like https://example.org/**')
      .requiredOption('--uses <number>', 'how many certificates')
      .requiredOption('--until <time>', 'like 2027-01-31T00:00:00Z')
      .option('--days <number>', 'the longest lifetime')
      .option('--requester <kind:ref>', 'only for this one, as request show --json names it')
      .option('--requester-user <name>', 'only for orders behind which this user stands')
      .requiredOption('--reason <text>', 'why'),
    create,
  )
  action(
    standing.command('confirm <uuid>').description('second what another has approved'),
    async (cli, uuid: string) => shown(cli, await cli.call(operations.confirm, { uuid })),
  )
  action(standing.command('end <uuid>').description('such orders ask people again'), async (cli, uuid: string) =>
    shown(cli, await cli.call(operations.end, { uuid })),
  )
}

type View = Awaited<ReturnType<typeof call>>
const call = (cli: Cli, draft: Input<typeof operations.create>) => cli.call(operations.create, draft)

async function create(cli: Cli, options: Options): Promise<void> {
  const { dns, wildcards, ip, email, uri, uses, days, ...rest } = options
  const names = {
    ...(dns === undefined ? {} : { dns }),
    ...(wildcards === undefined ? {} : { wildcards }),
    ...(ip === undefined ? {} : { ip }),
    ...(email === undefined ? {} : { email }),
    ...(uri === undefined ? {} : { uri }),
  }
  const draft = { ...own(rest), names, uses: positive(uses), ...(days === undefined ? {} : { days: positive(days) }) }
  shown(cli, await call(cli, draft))
}

/** Without the options of the program, which commander hands over with a command's own. */
function own({ profile, action, rule, until, requester, requesterUser, reason }: Omit<Options, 'uses'>) {
  return {
    ...{ profile, action, until, reason },
    ...(rule === undefined ? {} : { rule }),
    ...(requester === undefined ? {} : { requester }),
    ...(requesterUser === undefined ? {} : { requesterUser }),
  }
}

function shown(cli: Cli, view: View): void {
  const lacking = view.lacking.reduce((sum, votes) => sum + votes, 0)
  const waits = view.state === 'waits' ? `, it waits for ${lacking} more to confirm it` : ''
  cli.show(view, `standing approval ${view.uuid}: ${view.state}${waits}\n`)
}

async function list(cli: Cli): Promise<void> {
  const standing = await cli.call(operations.list, {})
  const rows = standing.map(({ names, ...view }) => [
    view.uuid,
    view.state,
    view.profile,
    view.rule,
    several([...names.dns, ...names.ip, ...names.email, ...names.uri]),
    view.requester ?? view.requesterUser,
    `${view.usesLeft} of ${view.uses}`,
    time(view.until),
    view.approvers.map(({ user }) => user).join(', '),
    view.reason,
  ])
  const headings = ['uuid', 'state', 'profile', 'rule', 'names', 'for', 'left', 'until', 'approved by', 'reason']
  cli.show(standing, table(headings, rows))
}
