import { type Command, InvalidArgumentError } from 'commander'
import type { RenewalWindowView } from '../../core/admin.ts'
import { action, type Cli } from '../cli.ts'
import type { Wire } from '../operation.ts'
import { lengthOfTime } from '../operations/fields.ts'
import * as operations from '../operations/renewal.ts'
import { table, time } from '../table.ts'
import { positive } from './paging.ts'

interface SetOptions {
  profile?: string
  authority?: string
  serial?: string[]
  all?: true
  organization?: string
  issuedBefore?: string
  start: string
  end: string
  explanation?: string
}

/** When clients are told to renew (RFC 9773), moved by hand: below `certificate`. */
export function define(certificate: Command): void {
  const set = certificate
    .command('renew-window')
    .description('tell clients when to renew certificates, because of an incident or to spread the load')
    .option('--profile <name>', 'those of a profile')
    .option('--authority <name>', 'those of an authority')
    .option('--serial <serial...>', 'these; also by id, uuid or SHA-256 fingerprint')
    .option('--all', 'all that you administer')
    .option('--organization <name>', 'with --all: only those of one organization')
    .option('--issued-before <time>', 'only those issued before then (default: now)', moment)
    .requiredOption('--start <time>', 'like 2026-01-31T12:00:00Z, now, +2h or -1h', moment)
    .requiredOption('--end <time>', 'alike, after the start', moment)
    .option('--explanation <url>', 'a page that says why; clients show it')
  action(set, setWindow)
  action(
    certificate.command('renew-windows').description('windows that were set by hand, the newest first'),
    async (cli) => show(cli, await cli.call(operations.list, {})),
  )
  action(
    certificate.command('remove-renew-window <number>').description('let what stood before count again'),
    async (cli, number: string) => {
      const { window } = await cli.call(operations.remove, { window: positive(number) })
      cli.show({ window }, `renewal window ${window} is removed\n`)
    },
  )
}

/** ISO 8601 of a time, of now, or of a length of time from now. */
export function moment(text: string): string {
  const length = lengthOfTime.safeParse(text.slice(1))
  if (text === 'now') return new Date().toISOString()
  if (/^[+-]/.test(text) && length.success)
    return new Date(Date.now() + (text.startsWith('-') ? -length.data : length.data)).toISOString()
  const time = new Date(text)
  if (Number.isNaN(time.getTime()) || !/^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(text))
    throw new InvalidArgumentError('a time is written like 2026-01-31T12:00:00Z, now, +2h or -1h')
  return time.toISOString()
}

async function setWindow(cli: Cli, { serial, explanation, ...options }: SetOptions): Promise<void> {
  const made = await cli.call(operations.set, {
    ...options,
    ...(serial === undefined ? {} : { certificates: serial }),
    ...(explanation === undefined ? {} : { explanationUrl: explanation }),
  })
  show(cli, made)
}

function show(cli: Cli, windows: Wire<RenewalWindowView>[]): void {
  const rows = windows.map((view) => [
    view.id,
    view.serial ?? 'any',
    view.profile ?? 'any',
    view.authority ?? 'any',
    view.organization ?? 'any',
    time(view.issuedBefore),
    time(view.start),
    time(view.end),
    view.explanationUrl,
  ])
  const heads = ['id', 'serial', 'profile', 'authority', 'organization', 'issued before', 'start', 'end', 'explanation']
  cli.show(windows, table(heads, rows))
}
