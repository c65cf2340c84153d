import type { Command } from 'commander'
import { Failure } from '../../core/failure.ts'
import { action } from '../cli.ts'
import { readYaml } from '../inputFile.ts'
import type { Input } from '../operation.ts'
import * as operations from '../operations/webhook.ts'
import { fields, table, time } from '../table.ts'
import { pageOptions, positive } from './paging.ts'

/** Who is told elsewhere of what happens. */
export function define(webhook: Command): void {
  const organization = ['--organization <name>', 'another one than your own'] as const
  action(
    webhook
      .command('ls')
      .description('list the webhooks')
      .option(...organization),
    async (cli, options) => {
      const all = await cli.call(operations.list, options as { organization?: string })
      const rows = all.map((one) => [
        one.name,
        one.url,
        one.enabled,
        one.events.join(' '),
        one.failures,
        one.pending,
        one.uuid,
      ])
      cli.show(all, table(['name', 'url', 'enabled', 'events', 'failures', 'pending', 'uuid'], rows))
    },
  )
  action(webhook.command('show <uuid>').description('one webhook, without its secret'), async (cli, uuid: string) => {
    const one = await cli.call(operations.show, { uuid })
    const shown = Object.entries(one).map(([name, value]): [string, string] => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ])
    cli.show(one, fields(shown))
  })
  action(
    webhook
      .command('add')
      .description('make one; its secret is shown once')
      .requiredOption('-f, --file <file>', 'YAML or JSON: name, url, events, profiles, ca, csr, decidesAs')
      .option(...organization),
    async (cli, { file, ...options }: { file: string; organization?: string }) => {
      const draft = readYaml(file)
      if (typeof draft !== 'object' || draft === null) throw new Failure('malformed', `${file}: a webhook is a map`)
      const made = await cli.call(operations.add, { draft, ...options } as Input<typeof operations.add>)
      cli.show(made, `webhook ${made.name} (${made.uuid})\nsecret ${made.secret}\n`)
      cli.note('keep the secret: it is not shown again')
    },
  )
  action(webhook.command('rm <uuid>').description('end it, with its deliveries'), async (cli, uuid: string) => {
    await cli.call(operations.remove, { uuid })
    cli.show({}, `webhook ${uuid} is gone\n`)
  })
  action(
    webhook.command('ping <uuid>').description('send a message that tells of nothing'),
    async (cli, uuid: string) => {
      const sent = await cli.call(operations.ping, { uuid })
      cli.show(sent, `delivery ${sent.delivery}\n`)
    },
  )
  deliveries(webhook)
}

function deliveries(webhook: Command): void {
  const ls = webhook.command('deliveries <uuid>').description('what was sent, the newest first')
  action(pageOptions(ls), async (cli, uuid: string, { after, limit }: { after?: string; limit?: string }) => {
    const page = await cli.call(operations.deliveries, {
      uuid,
      ...(after === undefined ? {} : { after: positive(after) }),
      ...(limit === undefined ? {} : { limit: positive(limit) }),
    })
    const rows = page.deliveries.map((one) => [
      one.uuid,
      one.type,
      one.status,
      one.attempts,
      time(one.createdAt),
      one.lastError,
    ])
    cli.show(page, table(['uuid', 'type', 'status', 'attempts', 'made', 'last error'], rows))
    if (page.next !== undefined) cli.note(`more: --after ${page.next}`)
  })
  action(
    webhook.command('redeliver <uuid> <delivery>').description('send a message again, with its old id'),
    async (cli, uuid: string, delivery: string) => {
      await cli.call(operations.redeliver, { uuid, delivery })
      cli.show({}, `delivery ${delivery} is sent again\n`)
    },
  )
}
