import type { Command } from 'commander'
import { action, type Cli } from '../cli.ts'
import * as operations from '../operations/group.ts'
import { table } from '../table.ts'

interface Options {
  organization?: string
  description?: string
  email?: string
}

/** People whom rules name together. */
export function define(group: Command): void {
  action(group.command('ls').description('list the groups'), list)
  action(
    described(group.command('create <name>').description('make a group; rules name it as groups: [NAME]')),
    async (cli, name: string, options: Options) => {
      const view = await cli.call(operations.create, { name, ...options })
      cli.show(view, `group ${view.name} is made\n`)
    },
  )
  action(
    described(
      group.command('change <name>').description('say something else of it; an empty text takes it away'),
    ).option('--name <name>', 'its new name; rules that name it must be changed too'),
    change,
  )
  action(
    organized(group.command('rm <name>').description('delete a group; rules that name it find nobody there')),
    async (cli, name: string, options: Options) => {
      await cli.call(operations.remove, { name, ...options })
      cli.show({}, `group ${name} is deleted\n`)
    },
  )
  for (const verb of ['add', 'remove'] as const) {
    action(
      organized(group.command(`${verb} <name> <user>`).description(`${verb} a member`)),
      async (cli, name: string, user: string, options: Options) => {
        await cli.call(operations.member, { name, user, ...options, remove: verb === 'remove' })
        cli.show({}, `${user} is ${verb === 'add' ? 'in' : 'not in'} the group ${name}\n`)
      },
    )
  }
}

function organized(command: Command): Command {
  return command.option('--organization <name>', 'of which organization (default: yours)')
}

function described(command: Command): Command {
  return organized(command)
    .option('--description <text>', 'what it is for')
    .option('--email <address>', 'where it is reached')
}

async function list(cli: Cli): Promise<void> {
  const groups = await cli.call(operations.list, {})
  const rows = groups.map((view) => [
    view.name,
    view.organization,
    view.description,
    view.email,
    view.members?.join(', ') ?? null,
  ])
  cli.show(groups, table(['name', 'organization', 'description', 'email', 'members'], rows))
}

const emptied = (text: string | undefined) => (text === '' ? null : text)

async function change(cli: Cli, name: string, options: Options & { name?: string }): Promise<void> {
  const { organization, name: newName } = options
  const description = emptied(options.description)
  const email = emptied(options.email)
  const view = await cli.call(operations.change, {
    name,
    ...(organization === undefined ? {} : { organization }),
    ...(newName === undefined ? {} : { newName }),
    ...(description === undefined ? {} : { description }),
    ...(email === undefined ? {} : { email }),
  })
  cli.show(view, `group ${view.name} is changed\n`)
}
