import type { Command } from 'commander'
import { action } from '../cli.ts'
import * as operations from '../operations/alert.ts'
import { table, time } from '../table.ts'
import { positive } from './paging.ts'

/** What a person should look at. */
export function define(alert: Command): void {
  action(alert.command('ls').description('list open alerts, the newest first'), async (cli) => {
    const alerts = await cli.call(operations.list, {})
    const rows = alerts.map((view) => [view.id, view.kind, view.subject, time(view.createdAt), view.detail])
    cli.show(alerts, table(['id', 'kind', 'about', 'since', 'detail'], rows))
  })
  action(alert.command('close <id>').description('close an alert that was dealt with'), async (cli, id: string) => {
    await cli.call(operations.close, { id: positive(id) })
    cli.show({}, `alert ${id} is closed\n`)
  })
}
