import type { Command } from 'commander'
import type { AuthorityView } from '../core/admin.ts'
import type { Cli } from './cli.ts'
import type { Wire } from './operation.ts'
import { fields, time } from './table.ts'

/** Where a new authority belongs. */
export interface Belonging {
  organization?: string
  owner?: string
}

export function placed(command: Command): Command {
  return command
    .option('--organization <name>', 'where it belongs (default: yours)')
    .option('--owner <user>', 'who decides what no rule decides (default: you)')
}

/** Shows an authority; `more` is beside it in JSON. */
export function present(cli: Cli, view: Wire<AuthorityView>, more: { warnings?: string[] } = {}): void {
  cli.show({ ...view, ...more }, describe(view))
  for (const warning of more.warnings ?? []) cli.note(`warning: ${warning}`)
  if (view.owner === null)
    cli.note(
      `nobody owns ${view.name} yet, so nobody can approve what no rule decides: countersign authority enable ${view.name} --owner USER`,
    )
}

function upstreamRows({ directory, account, contact, externalAccount }: NonNullable<Wire<AuthorityView>['upstream']>) {
  return [
    ['Directory', directory],
    ['Account', account],
    ['Contact', contact.join(', ')],
    ['External account', externalAccount],
  ] as [string, string | null][]
}

export function describe(view: Wire<AuthorityView>): string {
  return fields([
    ['Name', view.name],
    ['UUID', view.uuid],
    ['Kind', view.kind],
    ['Enabled', view.enabled],
    ['Organization', view.organization],
    ['Owner', view.owner],
    ['Subject', view.subject],
    ['Serial', view.serial],
    ['Ends', time(view.notAfter)],
    ['SHA-256', view.fingerprint],
    ['Key', view.keyAlgorithm],
    ['CRL', view.crlUrl],
    ['OCSP', view.ocspUrl],
    ...(view.upstream ? upstreamRows(view.upstream) : []),
    ['Settings', JSON.stringify(view.settings)],
  ])
}
