import type { Command } from 'commander'
import type { ChainView } from '../../core/admin.ts'
import { action, type Cli } from '../cli.ts'
import { readText } from '../inputFile.ts'
import type { Wire } from '../operation.ts'
import * as operations from '../operations/authority.ts'
import { several, table, time } from '../table.ts'
import { positive } from './paging.ts'

/** Further chains of an authority: below `authority`. */
export function define(authority: Command): void {
  action(
    authority.command('chains <name>').description('chains beside its own, which ACME clients may choose'),
    async (cli, name: string) => show(cli, await cli.call(operations.chains, { name })),
  )
  action(
    authority
      .command('add-chain <name>')
      .description('add a chain: another certificate for its name and key, signed by another CA')
      .requiredOption('--pem <file>', 'that certificate, then its issuers, as PEM'),
    async (cli, name: string, { pem }: { pem: string }) =>
      show(cli, await cli.call(operations.addChain, { name, pem: readText(pem) })),
  )
  action(
    authority.command('remove-chain <name> <number>').description('offer a chain no longer'),
    async (cli, name: string, number: string) =>
      show(cli, await cli.call(operations.removeChain, { name, chain: positive(number) })),
  )
}

function show(cli: Cli, chains: Wire<ChainView>[]): void {
  const rows = chains.map(({ id, subjects, topIssuer, notAfter }) => [id, several(subjects), topIssuer, time(notAfter)])
  cli.show(chains, table(['id', 'certificates', 'issued by', 'ends'], rows))
}
