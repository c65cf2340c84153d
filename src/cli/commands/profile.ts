import type { Command } from 'commander'
import { stringify } from 'yaml'
import type { ProfileView } from '../../core/admin.ts'
import { Failure } from '../../core/failure.ts'
import { action, type Cli } from '../cli.ts'
import { readYaml } from '../inputFile.ts'
import type { Input, Wire } from '../operation.ts'
import * as operations from '../operations/profile.ts'
import { fields, table } from '../table.ts'
import { visible } from '../visible.ts'
import { define as defineSimulate } from './simulate.ts'

/** What clients may get, over which protocols, under which rules. */
export function define(profile: Command): void {
  action(profile.command('ls').description('list the profiles'), list)
  action(profile.command('show <name>').description('one profile with its settings and rules'), show)
  action(
    profile
      .command('set')
      .description('make a profile, or replace all of it')
      .requiredOption(
        '-f, --file <file>',
        'YAML or JSON: name, authority, enabled, settings, protocols, rules; - for standard input',
      ),
    set,
  )
  action(
    profile
      .command('rules <name>')
      .description('the approval rules of a profile; with -f, replace them')
      .option('-f, --file <file>', 'YAML or JSON: issue, renew, rekey, revoke, export, each a list of rules'),
    rules,
  )
  defineSimulate(profile)
  action(profile.command('export <name>').description('a profile as YAML that "profile set" takes'), exported)
}

async function list(cli: Cli): Promise<void> {
  const profiles = await cli.call(operations.list, {})
  const rows = profiles.map((view) => [
    view.name,
    view.authority,
    view.enabled,
    Object.keys(view.protocols).join(' '),
    ruleCount(view),
    view.version,
    view.organization,
  ])
  cli.show(profiles, table(['name', 'authority', 'enabled', 'protocols', 'rules', 'version', 'organization'], rows))
}

function ruleCount({ rules }: Wire<ProfileView>): number {
  return Object.values(rules).reduce((sum, list) => sum + list.length, 0)
}

async function show(cli: Cli, name: string): Promise<void> {
  const view = await cli.call(operations.show, { name })
  cli.show(view, `${describe(view)}\n${asYaml(view)}`)
}

function describe(view: Wire<ProfileView>): string {
  return fields([
    ['Name', view.name],
    ['UUID', view.uuid],
    ['Organization', view.organization],
    ['Version', view.version],
  ])
}

async function set(cli: Cli, { file }: { file: string }): Promise<void> {
  const given = readYaml(file)
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new Failure('malformed', `${file}: a profile is a map`)
  saved(cli, await cli.call(operations.set, given as Input<typeof operations.set>))
}

async function rules(cli: Cli, name: string, { file }: { file?: string }): Promise<void> {
  if (file !== undefined) return saved(cli, await cli.call(operations.setRules, { name, rules: readYaml(file) }))
  const view = await cli.call(operations.show, { name })
  cli.show(view.rules, stringify(view.rules))
}

function saved(cli: Cli, view: Wire<ProfileView & { warnings: string[] }>): void {
  for (const warning of view.warnings) cli.note(`warning: ${visible(warning)}`)
  cli.show(view, `profile ${view.name} is saved, version ${view.version}\n`)
}

async function exported(cli: Cli, name: string): Promise<void> {
  const view = await cli.call(operations.show, { name })
  cli.show(asDraft(view), asYaml(view))
}

function asDraft({ name, authority, organization, enabled, settings, protocols, rules }: Wire<ProfileView>) {
  return { name, authority, organization, enabled, settings, protocols, rules }
}

function asYaml(view: Wire<ProfileView>): string {
  return stringify(asDraft(view), { lineWidth: 120 })
}
