import type { Command } from 'commander'
import { action } from '../cli.ts'
import * as operations from '../operations/organization.ts'
import { table, time } from '../table.ts'

/** Tenants, which see nothing of one another. */
export function define(organization: Command): void {
  action(organization.command('ls').description('list the organizations'), async (cli) => {
    const views = await cli.call(operations.list, {})
    cli.show(
      views,
      table(
        ['name', 'uuid', 'made'],
        views.map((view) => [view.name, view.uuid, time(view.createdAt)]),
      ),
    )
  })
  action(
    organization.command('create <name>').description('make an organization: a superuser does'),
    async (cli, name: string) => {
      const view = await cli.call(operations.create, { name })
      const next = `countersign user create NAME --organization ${view.name} --admin`
      cli.show(view, `organization ${view.name} is made; next: ${next}\n`)
    },
  )
}
