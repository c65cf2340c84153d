import { type Command, InvalidArgumentError } from 'commander'
import type { KeySpec } from '../../core/key.ts'
import { type Belonging, describe, placed, present } from '../authorityText.ts'
import { action, type Cli } from '../cli.ts'
import { readText, readYaml } from '../inputFile.ts'
import * as operations from '../operations/authority.ts'
import { table, time } from '../table.ts'
import { define as defineImports } from './authorityImport.ts'
import { define as defineChains } from './chain.ts'
import { define as defineRollover } from './rollover.ts'
import { define as defineUpstream } from './upstream.ts'

/** Which of the certificate authorities there are, and new ones. */
export function define(authority: Command): void {
  action(authority.command('ls').description('list the authorities'), list)
  action(authority.command('show <name>').description('one authority, with its certificate and chain'), show)
  create(authority)
  defineImports(authority)
  action(
    placed(authority.command('add-manual <name>'))
      .description('add an authority that signs elsewhere; its certificates are uploaded (request upload)')
      .requiredOption('--pem <file>', 'its certificate, then its issuers, as PEM'),
    async (cli, name: string, { pem, ...place }: Belonging & { pem: string }) =>
      present(cli, await cli.call(operations.addManual, { name, pem: readText(pem), ...place })),
  )
  defineUpstream(authority)
  changing(authority)
  defineChains(authority)
  defineRollover(authority)
  action(
    authority
      .command('crl <name>')
      .description('the CRL as it reads now, as PEM')
      .option('--indirect', 'the one for the authorities that hand over to it')
      .option('--out <file>', 'write it there'),
    crl,
  )
}

async function list(cli: Cli): Promise<void> {
  const authorities = await cli.call(operations.list, {})
  const rows = authorities.map((view) => [
    view.name,
    view.kind,
    view.enabled,
    view.subject,
    view.keyAlgorithm,
    time(view.notAfter),
    view.owner,
    view.organization,
  ])
  cli.show(authorities, table(['name', 'kind', 'enabled', 'subject', 'key', 'ends', 'owner', 'organization'], rows))
}

async function show(cli: Cli, name: string): Promise<void> {
  const { pem, ...view } = await cli.call(operations.show, { name })
  cli.show({ ...view, pem }, `${describe(view)}\n${pem}`)
}

interface CreateOptions extends Belonging {
  subject: string
  key: KeySpec
  parent?: string
  validity: string
  pathLength?: number
  permit?: string[]
  exclude?: string[]
}

function create(authority: Command): void {
  const command = placed(authority.command('create <name>'))
    .description('make an authority whose key is kept here: a root, or one below a parent')
    .requiredOption('--subject <name>', 'as in RFC 4514: "CN=Example Issuing CA,O=Example"')
    .option('--key <kind>', 'P-256, P-384, P-521, RSA-2048, RSA-3072, RSA-4096 or Ed25519', 'P-256')
    .option('--parent <authority>', 'who signs it; without one it signs itself')
    .option('--validity <time>', 'like 10y; never beyond the parent’s end', '10y')
    .option('--path-length <number>', 'how many authorities may stand below', wholeNumber)
    .option('--permit <space...>', 'name spaces that it may certify: dns:example.org ip:10.0.0.0/8')
    .option('--exclude <space...>', 'name spaces that it may not')
  action(command, async (cli, name: string, options: CreateOptions) =>
    present(cli, await cli.call(operations.create, { name, ...options })),
  )
}

function wholeNumber(text: string): number {
  if (/^\d{1,3}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('a whole number is needed')
}

function changing(authority: Command): void {
  for (const verb of ['enable', 'disable'] as const) {
    const command = authority
      .command(`${verb} <name>`)
      .description(verb === 'enable' ? 'let it sign; --owner and --settings change these' : 'let it sign nothing new')
      .option('--owner <user>', 'a new owner')
      .option(
        '--settings <file>',
        'YAML or JSON of all its settings: crlValidity, ocspValidity, responderValidity, upstream',
      )
    action(command, async (cli, name: string, { owner, settings }: { owner?: string; settings?: string }) => {
      const input = {
        name,
        enabled: verb === 'enable',
        ...(owner === undefined ? {} : { owner }),
        ...(settings === undefined ? {} : { settings: readYaml(settings) }),
      }
      present(cli, await cli.call(operations.change, input))
    })
  }
}

async function crl(cli: Cli, name: string, { out, indirect }: { out?: string; indirect?: true }): Promise<void> {
  const answer = await cli.call(operations.crl, { name, ...(indirect ? { indirect } : {}) })
  if (out === undefined) return cli.show(answer, answer.pem)
  const { writeFileSync } = await import('node:fs')
  writeFileSync(out, answer.pem)
  cli.show({ ...answer, out }, `CRL ${answer.number} of ${name}, good until ${time(answer.nextUpdate)}: ${out}\n`)
}
