import type { Command } from 'commander'
import { action } from '../cli.ts'
import * as operations from '../operations/approval.ts'
import { several, table, time } from '../table.ts'
import { positive } from './paging.ts'

/** Approvals that are remembered: what passes today because people said yes earlier. */
export function define(approval: Command): void {
  action(
    approval.command('ls').description('list the approvals that are remembered, the newest first'),
    async (cli) => {
      const kept = await cli.call(operations.list, {})
      const rows = kept.map((view) => [
        view.id,
        view.profile,
        view.action,
        view.requester,
        several(view.names),
        view.approvers.join(', '),
        view.request,
        time(view.expiresAt),
        view.once,
      ])
      const headings = ['id', 'profile', 'action', 'requester', 'names', 'approved by', 'request', 'expires', 'once']
      cli.show(kept, table(headings, rows))
    },
  )
  action(
    approval.command('forget <id>').description('such an order asks people again from now on'),
    async (cli, id: string) => {
      await cli.call(operations.forget, { id: positive(id) })
      cli.show({}, `approval ${id} is forgotten\n`)
    },
  )
}
