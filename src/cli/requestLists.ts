import type { Command } from 'commander'
import { Failure } from '../core/failure.ts'
import { action } from './cli.ts'
import { positive } from './commands/paging.ts'
import type { Output } from './operation.ts'
import * as operations from './operations/request.ts'
import { shortRef } from './requestText.ts'
import { lengthText, several, table, time } from './table.ts'

type Row = Output<typeof operations.search>['rows'][number]

interface ListOptions {
  status?: string
  page?: string
  limit?: string
}

/** Lists of requests of one kind, in the columns that people look for. */
export function defineList(noun: Command, kind: 'sign' | 'revoke'): void {
  const statuses = kind === 'sign' ? 'requested, signing, signed' : 'requested, revoking, revoked'
  action(
    noun
      .command('ls')
      .description('list them, the newest first')
      .option('--status <status>', `${statuses}, denied, canceled, failed or expired`)
      .option('--page <number>', 'from 1')
      .option('--limit <number>', 'rows of a page, 1 to 200 (default: 50)'),
    async (cli, { status, page, limit }: ListOptions) => {
      const found = await cli.call(operations.search, {
        kind,
        ...(status === undefined ? {} : { status: status.toLowerCase() }),
        ...(page === undefined ? {} : { page: positive(page) }),
        ...(limit === undefined ? {} : { size: positive(limit) }),
      })
      const [headings, cells] = kind === 'sign' ? signColumns : revokeColumns
      cli.show(found, table(headings, found.rows.map(cells)))
      const shown = (found.page - 1) * found.size + found.rows.length
      if (shown < found.total || found.atLeast)
        cli.note(`${shown} of ${found.atLeast ? 'at least ' : ''}${found.total}: --page ${found.page + 1} goes on`)
    },
  )
}

type Columns = readonly [string[], (row: Row) => (string | null)[]]

const signColumns: Columns = [
  [
    'id',
    'name',
    'status',
    'authority',
    'san',
    'valid for',
    'administrator',
    'requested by',
    'requested at',
    'requested ip',
  ],
  (row) => [
    shortRef(row),
    row.commonName ?? row.names[0] ?? null,
    statusText(row.status),
    row.authority,
    several(row.names),
    row.validity === null ? null : roughly(row.validity),
    row.administrator,
    row.requester,
    time(row.createdAt),
    row.source,
  ],
]

const revokeColumns: Columns = [
  ['id', 'name', 'status', 'reason', 'requested by', 'requested at'],
  (row) => [
    shortRef(row),
    row.commonName ?? row.names[0] ?? null,
    statusText(row.status),
    row.code,
    row.requester,
    time(row.createdAt),
  ],
]

/** To the whole day where it is days: what was asked for to the second says nothing more. */
const roughly = (validity: number): string =>
  lengthText(validity >= day ? Math.round(validity / day) * day : Math.round(validity / 1000) * 1000)
const day = 86_400_000

/** Requested, Signing, Signed … */
const statusText = (status: string): string => status.charAt(0).toUpperCase() + status.slice(1)

/** The number of a request as it is typed where all are of one kind: 5 is r5 among those to revoke. Throws Failure('malformed'). */
export function refOf(kind: 'sign' | 'revoke'): (given: string) => string {
  return (given) => {
    if (given.length === 36) return given
    if (kind === 'revoke') return given.replace(/^r?/, 'r')
    if (!given.startsWith('r')) return given
    throw new Failure('malformed', `${given} is a request to revoke: countersign revoke`)
  }
}
