import type { Command } from 'commander'
import type { UserView } from '../../core/admin.ts'
import { Failure } from '../../core/failure.ts'
import type { Capability } from '../../core/identity/capability.ts'
import { action, type Cli } from '../cli.ts'
import type { Wire } from '../operation.ts'
import * as operations from '../operations/user.ts'
import { newPassword, password, setupSecret } from '../prompt.ts'
import { table, time } from '../table.ts'

/** People: who they are, what they may. */
export function define(user: Command): void {
  action(user.command('ls').description('list the users'), list)
  action(
    user
      .command('create <name>')
      .description('make a user; setup-link lets him set a password')
      .option('--organization <name>', 'where he belongs (default: yours)')
      .option('--superuser', 'over all organizations')
      .option('--admin', 'of his organization'),
    async (cli, name: string, options: { organization?: string; superuser?: true; admin?: true }) => {
      const view = await cli.call(operations.create, { name, ...options })
      cli.show(view, `user ${view.name} is made; next: countersign user setup-link ${view.name}\n`)
    },
  )
  for (const verb of ['enable', 'disable'] as const) {
    action(
      user
        .command(`${verb} <name>`)
        .description(verb === 'enable' ? 'let a user in again' : 'let a user in no more, his tokens neither')
        .option('--admin <yes|no>', 'whether he administers his organization')
        .option('--superuser <yes|no>', 'whether he is above all organizations'),
      async (cli, name: string, { admin, superuser }: { admin?: string; superuser?: string }) => {
        const flags = { ...flag('admin', admin), ...flag('superuser', superuser) }
        changed(cli, await cli.call(operations.change, { name, enabled: verb === 'enable', ...flags }))
      },
    )
  }
  action(
    user.command('setup-link <name>').description('a one-time secret with which a user sets his password'),
    setupLink,
  )
  action(
    user
      .command('set-password')
      .description('set your password, with a setup link or (--user NAME) with the one that you have')
      .option(
        '--setup-link-file <file>',
        'its first line is what user setup-link printed; - for standard input, or to be asked',
      )
      .option('--setup-link <secret>', 'the same on the command line, where others on this machine may see it')
      .option('--new-password-file <file>', 'its first line is the new password; - for standard input'),
    setPassword,
  )
  rights(user)
}

function flag(name: string, value: string | undefined): Record<string, boolean> {
  if (value === undefined) return {}
  if (value !== 'yes' && value !== 'no') throw new Failure('malformed', `--${name} is yes or no`)
  return { [name]: value === 'yes' }
}

async function list(cli: Cli): Promise<void> {
  const users = await cli.call(operations.list, {})
  const rows = users.map((view) => [
    view.name,
    view.enabled,
    powers(view),
    view.roles.join(', '),
    grants(view),
    view.hasPassword,
    view.organization,
    time(view.createdAt),
  ])
  cli.show(
    users,
    table(['name', 'enabled', 'powers', 'roles', 'capabilities', 'password', 'organization', 'made'], rows),
  )
}

function powers({ superuser, admin }: Wire<UserView>): string {
  return [superuser ? 'superuser' : '', admin ? 'admin' : ''].filter(Boolean).join(', ')
}

function grants(view: Wire<UserView>): string {
  const texts = view.grants.map(({ capability, authority, profile }) => {
    const on = [authority, profile].filter(Boolean).join('/')
    return on === '' ? capability : `${capability} on ${on}`
  })
  return [...new Set(texts)].join(', ')
}

function changed(cli: Cli, view: Wire<UserView>): void {
  cli.show(
    view,
    `user ${view.name} is ${view.enabled ? 'enabled' : 'disabled'}${powers(view) === '' ? '' : ` (${powers(view)})`}\n`,
  )
}

async function setupLink(cli: Cli, name: string): Promise<void> {
  const link = await cli.call(operations.setupLink, { name })
  cli.show(link, `${link.secret}\n`)
  cli.note(
    `good once, until ${time(link.expiresAt)}; ${name} runs: countersign user set-password --setup-link-file -, and gives it there`,
  )
}

interface SetPasswordOptions {
  setupLink?: string
  setupLinkFile?: string
  newPasswordFile?: string
}

async function setPassword(
  cli: Cli,
  { setupLink: given, setupLinkFile, newPasswordFile }: SetPasswordOptions,
): Promise<void> {
  const { user, passwordFile } = cli.options
  if (given !== undefined && setupLinkFile !== undefined)
    throw new Failure('malformed', 'give one of --setup-link and --setup-link-file')
  const setupLink = setupLinkFile === undefined ? given : await setupSecret(setupLinkFile)
  if (setupLink !== undefined) {
    const next = await newPassword(newPasswordFile ?? passwordFile)
    return told(cli, await cli.call(operations.setPassword, { setupLink, next }, 'nobody'))
  }
  if (user === undefined)
    throw new Failure('malformed', 'give --setup-link-file FILE, or --user NAME to change a password that you know')
  const present = await password(`Password of ${user}: `, passwordFile)
  const next = await newPassword(newPasswordFile)
  told(cli, await cli.call(operations.setPassword, { user, password: present, next }, 'nobody'))
}

function told(cli: Cli, { user }: { user: string }): void {
  cli.show({ user }, `the password of ${user} is set; next: countersign token create --user ${user}\n`)
}

interface GrantOptions {
  user?: string
  role?: string
  organization?: string
  authority?: string
  profile?: string
  remove?: true
}

function rights(user: Command): void {
  action(
    user
      .command('role <name> <role>')
      .description('put a user into a role, which rules can name')
      .option('--remove', 'take him out of it'),
    async (cli, name: string, role: string, { remove }: { remove?: true }) => {
      await cli.call(operations.role, { user: name, role, ...(remove ? { remove } : {}) })
      cli.show({}, `${name} is ${remove ? 'no longer' : 'now'} in the role ${role}\n`)
    },
  )
  const grant = user
    .command('grant <capability> [name]')
    .description(
      'give a capability: read, create_cert, revoke_cert, export_private_key, approve, create_ca, delete_ca or manage',
    )
    .option('--role <role>', 'to a role instead of a user')
    .option('--organization <name>', 'whose role')
    .option('--authority <name>', 'for one authority only')
    .option('--profile <name>', 'for one profile only')
    .option('--remove', 'take it back')
  action(grant, async (cli, capability: string, name: string | undefined, options: GrantOptions) => {
    const { role, organization, authority, profile, remove } = options
    const given = { role, organization, authority, profile, remove, ...(name === undefined ? {} : { user: name }) }
    const answer = await cli.call(operations.grant, { ...given, capability: capability as Capability })
    cli.show(answer, `${capability} is ${remove ? 'taken from' : 'given to'} ${name ?? `the role ${role}`}\n`)
  })
}
