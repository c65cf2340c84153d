import type { Command } from 'commander'
import { action, type Cli } from '../cli.ts'
import * as operations from '../operations/audit.ts'
import { table, time } from '../table.ts'
import { visible } from '../visible.ts'
import { pageOptions, positive } from './paging.ts'
import { moment } from './renewal.ts'

/** Whether the records are what happened. */
export function define(audit: Command): void {
  const ls = audit
    .command('ls')
    .description('what happened, the newest first: for administrators')
    .option('--action <action>', 'like request.approved, or vote. for all of a noun')
    .option('--actor <name>', 'by whom')
    .option('--since <time>', 'like 2026-01-31T12:00:00Z, or -12h', moment)
    .option('--until <time>', 'alike', moment)
  action(pageOptions(ls), list)
  action(
    audit
      .command('verify')
      .description('prove the chain of audit events, and that nothing changed without one')
      .option('--head <position:hash>', 'also that this head, printed or logged before, is still in the chain'),
    async (cli, { head }: { head?: string }) => {
      const report = await cli.call(operations.verify, head === undefined ? {} : { head })
      const { sealed, unsealed, problems } = report
      const lines = [
        `${sealed} events are sealed in the chain, ${unsealed} wait to be sealed`,
        `head ${report.head.position}:${report.head.hash}`,
        ...problems.map((problem) => `WRONG  ${visible(problem)}`),
      ]
      if (problems.length === 0) lines.push('the chain and the records agree')
      cli.show(report, `${lines.join('\n')}\n`)
      if (problems.length > 0) cli.fail()
    },
  )
}

interface ListOptions {
  action?: string
  actor?: string
  since?: string
  until?: string
  after?: string
  limit?: string
}

async function list(cli: Cli, { after, limit, ...filter }: ListOptions): Promise<void> {
  const page = await cli.call(operations.list, {
    ...filter,
    ...(after === undefined ? {} : { after: positive(after) }),
    ...(limit === undefined ? {} : { limit: positive(limit) }),
  })
  const rows = page.rows.map(({ id, at, action, subject, status, actor, source }) => [
    id,
    time(at),
    action,
    `${subject.kind} ${subject.id ?? ''}`.trim(),
    status,
    actor.name,
    source,
  ])
  cli.show(page, table(['id', 'at', 'action', 'subject', 'status', 'by', 'from'], rows))
  if (page.next !== undefined) cli.note(`more: --after ${page.next}`)
}
