import type { Command } from 'commander'
import type { KeySpec } from '../../core/key.ts'
import { action, type Cli } from '../cli.ts'
import { readText } from '../inputFile.ts'
import type { Output } from '../operation.ts'
import * as operations from '../operations/rollover.ts'
import { fields, time } from '../table.ts'

type View = Output<typeof operations.show>

interface Start {
  start?: string
  lead?: string
}

/** The next key of an authority: below `authority`. */
export function define(authority: Command): void {
  const rollover = authority.command('rollover').description('the next key of an authority, before it takes over')
  const prepare = starting(rollover.command('prepare <name>'))
    .description('make the next key and certificate of an authority; clients that ask are told of it')
    .option('--key <kind>', 'P-256, P-384, P-521, RSA-2048, RSA-3072, RSA-4096 or Ed25519 (default: as now)')
    .option('--validity <time>', 'like 10y; never beyond the parent’s end (default: as now)')
    .option('--pem <file>', 'of an authority that signs elsewhere: its next certificate, then its issuers')
  action(prepare, async (cli, name: string, options: Start & { key?: KeySpec; validity?: string; pem?: string }) => {
    const { pem, ...draft } = options
    show(
      cli,
      await cli.call(operations.prepare, { name, ...draft, ...(pem === undefined ? {} : { pem: readText(pem) }) }),
    )
  })
  const upload = starting(rollover.command('upload <name>'))
    .description('the next certificate, signed elsewhere from the request that show prints')
    .requiredOption('--pem <file>', 'that certificate, then its issuers')
  action(upload, async (cli, name: string, { pem, ...start }: Start & { pem: string }) =>
    show(cli, await cli.call(operations.upload, { name, pem: readText(pem), ...start })),
  )
  action(
    rollover.command('show <name>').description('the last rollover: its state, what it waits for, its certificates'),
    async (cli, name: string) => show(cli, await cli.call(operations.show, { name })),
  )
  action(rollover.command('activate <name>').description('let the next key take over now'), async (cli, name: string) =>
    show(cli, await cli.call(operations.activate, { name })),
  )
  action(rollover.command('cancel <name>').description('let it never take over'), async (cli, name: string) =>
    show(cli, await cli.call(operations.cancel, { name })),
  )
}

function starting(command: Command): Command {
  return command
    .option('--start <time>', 'when it takes over by itself, like 2027-01-31T12:00:00Z')
    .option('--lead <time>', 'the same, as a length of time from now, like 14d (default: 30d)')
}

function show(cli: Cli, view: View): void {
  const { notes, csr, pem, newWithOld, oldWithNew } = view
  const texts = [
    csr !== null && view.status === 'requested' ? csr : '',
    pem ?? '',
    newWithOld === null ? '' : `New with old:\n${newWithOld}`,
    oldWithNew === null ? '' : `Old with new:\n${oldWithNew}`,
  ]
  cli.show(view, `${describe(view)}${texts.map((text) => (text === '' ? '' : `\n${text}`)).join('')}`)
  for (const note of notes) cli.note(`note: ${note}`)
}

function describe({ authority, status, startsAt, endedAt, previous, next, issued }: View): string {
  return fields([
    ['Authority', authority],
    ['Rollover', status],
    [status === 'active' || status === 'canceled' ? 'Since' : 'Starts', time(endedAt ?? startsAt)],
    ['Now', status === 'active' ? null : certificateText(previous)],
    ['Before', status === 'active' ? certificateText(previous) : null],
    ['Next', next && status !== 'active' ? certificateText(next) : null],
    ['Now', next && status === 'active' ? certificateText(next) : null],
    ['SHA-256', next?.fingerprint],
    ['Issued under it', next ? issued : null],
  ])
}

function certificateText({ serial, keyAlgorithm, notAfter }: View['previous']): string {
  return `${serial}, ${keyAlgorithm}, until ${time(notAfter)}`
}
