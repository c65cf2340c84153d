import type { Command } from 'commander'
import { Failure } from '../../core/failure.ts'
import { action, type Cli } from '../cli.ts'
import { readText } from '../inputFile.ts'
import * as operations from '../operations/request.ts'
import { ask, confirm } from '../prompt.ts'
import { describeRequest, type ShownRequest, shortRef } from '../requestText.ts'
import { several, table, time } from '../table.ts'
import { pageOptions, positive } from './paging.ts'

const ref = '12, r12 for one to revoke, or a uuid'

/** Orders to sign and to revoke, and what people do with them. */
export function define(request: Command): void {
  const ls = request
    .command('ls')
    .description('list requests, the newest first')
    .option('--sign', 'only those to sign')
    .option('--revoke', 'only those to revoke, whose numbers begin with r')
    .option('--status <status>', 'requested, signing, signed, denied, expired, canceled, failed; revoking, revoked')
    .option('--profile <name>', 'of one profile')
  action(pageOptions(ls), list)
  action(request.command('show <id>').description(`all that an approver needs (${ref})`), show)
  voting(request)
  moving(request)
  action(
    request.command('comment <id> <text>').description('leave a word for the other approvers'),
    async (cli, id: string, text: string) => {
      await cli.call(operations.comment, { ref: id, text })
      cli.show({}, `noted on request ${id}\n`)
    },
  )
  action(
    request
      .command('upload <id>')
      .description('hand in a certificate that was signed elsewhere, for an authority of the kind manual')
      .requiredOption('--chain <file>', 'PEM, the certificate first'),
    async (cli, id: string, { chain }: { chain: string }) =>
      moved(cli, id, await cli.call(operations.upload, { ref: id, chain: readText(chain) })),
  )
}

interface ListOptions {
  sign?: true
  revoke?: true
  status?: string
  profile?: string
  after?: string
  limit?: string
}

async function list(cli: Cli, { sign, revoke, after, limit, ...filter }: ListOptions): Promise<void> {
  const both = (sign ?? false) === (revoke ?? false)
  const page = await cli.call(operations.list, {
    ...(both ? {} : { kind: revoke ? 'revoke' : 'sign' }),
    ...filter,
    ...(after === undefined ? {} : { after: revoke ? after.replace(/^r?/, 'r') : after }),
    ...(limit === undefined ? {} : { limit: positive(limit) }),
  })
  const rows = page.rows.map((row) => [
    shortRef(row),
    row.kind === 'revoke' ? 'revoke' : 'sign',
    row.status,
    several(row.names),
    row.profile,
    row.protocol,
    row.requester,
    row.source,
    time(row.createdAt),
    time(row.expiresAt),
    row.reason ?? row.lastError,
  ])
  cli.show(
    page,
    table(
      ['id', 'to', 'status', 'names', 'profile', 'protocol', 'requester', 'source', 'asked', 'expires', 'reason'],
      rows,
    ),
  )
  if (page.next !== undefined) cli.note(`more: --after ${page.next}`)
}

export async function show(cli: Cli, id: string): Promise<void> {
  const shown = await cli.call(operations.show, { ref: id })
  cli.show(shown, describeRequest(shown))
}

interface VoteOptions {
  hash?: string
  yes?: true
  reason?: string
  override?: true
  remember?: string
}

/** `read`: what stands for a request where all are of one kind. */
export function voting(request: Command, read: (id: string) => string = (id) => id): void {
  const approve = request
    .command('approve <id>')
    .description(`vote for a request, as yourself (${ref})`)
    .option('--hash <hash>', 'vote on what this hash stands for, as request show printed it')
    .option('--yes', 'vote on what this command shows, without being asked')
    .option('--remember <time>', 'let the same order pass without asking for so long, like 30d, where the rule allows')
    .option('--override', 'decide at once, against the steps: administrators only, with a reason')
    .option('--reason <text>', 'why')
  action(approve, async (cli, given: string, { hash, yes, ...input }: VoteOptions) => {
    const id = read(given)
    const seen = await seenHash(cli, id, { hash, yes, verdict: 'approve' })
    voted(cli, id, { verdict: 'approved', ...(await cli.call(operations.approve, { ref: id, hash: seen, ...input })) })
  })
  const deny = request
    .command('deny <id>')
    .description('vote against a request, as yourself: one denial ends it')
    .option('--reason <text>', 'why; the requester reads it. On a terminal it is asked for')
    .option('--hash <hash>', 'as for approve')
    .option('--yes', 'as for approve')
    .option('--override', 'as for approve')
  action(deny, async (cli, given: string, { hash, yes, reason: said, override }: VoteOptions) => {
    const id = read(given)
    if (said === undefined && !process.stdin.isTTY) throw new Failure('malformed', 'a denial says why: --reason TEXT')
    const seen = await seenHash(cli, id, { hash, yes, verdict: 'deny' })
    const reason = said ?? (await ask('Why'))
    const input = { ref: id, hash: seen, reason, ...(override ? { override } : {}) }
    voted(cli, id, { verdict: 'denied', ...(await cli.call(operations.deny, input)) })
  })
}

interface Seeing {
  hash: string | undefined
  yes: true | undefined
  verdict: 'approve' | 'deny'
}

/** The hash that the voter gives, or that of what he is shown here and says yes to. Throws Failure('malformed'). */
async function seenHash(cli: Cli, id: string, { hash, yes, verdict }: Seeing): Promise<string> {
  if (hash !== undefined) return hash
  if (!yes && !process.stdin.isTTY) {
    const detail = 'without a terminal a vote names what it is on: --hash HASH (request show prints it), or --yes'
    throw new Failure('malformed', `${detail} for whatever this command shows`)
  }
  const shown: ShownRequest = await cli.call(operations.show, { ref: id })
  cli.note(describeRequest(shown))
  if (!yes && !(await confirm(`${verdict === 'approve' ? 'Approve' : 'Deny'} request ${id} as it is shown here?`)))
    throw new Failure('malformed', 'not voted')
  return shown.review.hash
}

function voted(cli: Cli, id: string, { verdict, status }: { verdict: string; status: string }): void {
  const waits = status === 'requested' ? ' and waits for more approvals' : ''
  cli.show({ request: id, verdict, status }, `request ${id}: you ${verdict} it; it is ${status} now${waits}\n`)
}

function moving(request: Command): void {
  action(
    request.command('cancel <id>').description('withdraw a request').option('--reason <text>', 'why'),
    async (cli, id: string, { reason }: { reason?: string }) =>
      moved(cli, id, await cli.call(operations.cancel, { ref: id, ...(reason === undefined ? {} : { reason }) })),
  )
  action(
    request.command('retry <id>').description('try a failed request again, or one in signing at once'),
    async (cli, id: string) => moved(cli, id, await cli.call(operations.retry, { ref: id })),
  )
  action(
    request
      .command('confirm <id>')
      .alias('confirm-revoked')
      .description(
        'say that an authority of the kind manual has revoked it, or lifted its hold; its own CRL says so too',
      ),
    async (cli, id: string) => moved(cli, id, await cli.call(operations.confirmRevoked, { ref: id })),
  )
  action(
    request
      .command('mark-failed <id>')
      .description('give up on a request')
      .requiredOption('--reason <text>', 'why; the requester reads it'),
    async (cli, id: string, { reason }: { reason: string }) =>
      moved(cli, id, await cli.call(operations.markFailed, { ref: id, reason })),
  )
}

export function moved(cli: Cli, id: string, { status }: { status: string }): void {
  cli.show({ request: id, status }, `request ${id} is ${status} now\n`)
}
