import type { Command } from 'commander'
import { Failure } from '../../core/failure.ts'
import { reasonCodes, reasonName } from '../../pki/reason.ts'
import { download, downloadOptions } from '../certificateFiles.ts'
import { action, type Cli } from '../cli.ts'
import * as operations from '../operations/certificate.ts'
import { revokeOverRest } from '../remote/revoking.ts'
import { fields, several, table, time } from '../table.ts'
import { define as defineImport } from './certificateImport.ts'
import { define as defineNext } from './certificateNext.ts'
import { define as defineExportKey } from './exportKey.ts'
import { pageOptions, positive } from './paging.ts'
import { define as defineRenewal, moment } from './renewal.ts'

const what = 'id, uuid, serial number or SHA-256 fingerprint'

/** What was issued. */
export function define(certificate: Command): void {
  const ls = certificate
    .command('ls')
    .description('list certificates, the newest first')
    .option('--profile <name>', 'of one profile')
    .option('--authority <name>', 'of one authority')
    .option('--status <status>', 'issued, expired, hold or revoked')
    .option('--search <text>', 'part of a name or of the subject')
  action(pageOptions(ls), list)
  action(named(certificate.command('show <id>').description(`one certificate (${what})`)), show)
  action(
    named(certificate.command('revoke <id>').description(`ask for its revocation, as yourself (${what})`))
      .option(
        '--reason <reason>',
        'keyCompromise, affiliationChanged, superseded, cessationOfOperation, certificateHold …',
      )
      .option('--compromised-since <time>', 'since when others may know its key: 2026-05-01T12:00:00Z, or -12h')
      .option('--comment <text>', 'for the approvers')
      .option('--attribute <name=value...>', 'what the profile asks besides, on a server'),
    revoke,
  )
  action(
    named(certificate.command('hold <id>').description(`revoke it for the time being, as yourself (${what})`)).option(
      '--comment <text>',
      'for the approvers',
    ),
    (cli: Cli, ref: string, options: Named & { comment?: string }) =>
      revoke(cli, ref, { ...options, reason: 'certificateHold' }),
  )
  action(
    named(certificate.command('unhold <id>').description(`make one on hold valid again, as yourself (${what})`)),
    unhold,
  )
  action(downloadOptions(named(certificate.command('download <id>').description('the certificate as PEM'))), download)
  defineNext(certificate)
  defineImport(certificate)
  defineExportKey(certificate)
  defineRenewal(certificate)
}

function named(command: Command): Command {
  return command.option('--authority <name>', 'whose, for a serial number that two authorities gave')
}

interface ListOptions {
  profile?: string
  authority?: string
  status?: string
  search?: string
  after?: string
  limit?: string
}

async function list(cli: Cli, { after, limit, ...filter }: ListOptions): Promise<void> {
  const page = await cli.call(operations.list, {
    ...filter,
    ...(after === undefined ? {} : { after: positive(after) }),
    ...(limit === undefined ? {} : { limit: positive(limit) }),
  })
  const rows = page.rows.map((row) => [
    row.id,
    row.status,
    several(row.names) || row.subject,
    row.profile,
    row.authority,
    row.serial,
    time(row.notAfter),
    row.revocationReason,
  ])
  cli.show(page, table(['id', 'status', 'names', 'profile', 'authority', 'serial', 'ends', 'reason'], rows))
  if (page.next !== undefined) cli.note(`more: --after ${page.next}`)
}

interface Named {
  authority?: string
}

async function show(cli: Cli, id: string, { authority }: Named): Promise<void> {
  const shown = await find(cli, id, authority)
  const text = fields([
    ['Certificate', `${shown.id} (${shown.uuid})`],
    ['Status', shown.status],
    ['Subject', shown.subject],
    ['Names', shown.names],
    ['Serial', shown.serial],
    ['Key', shown.keyAlgorithm],
    ['Profile', shown.profile],
    ['Authority', shown.authority],
    ['Begins', time(shown.notBefore)],
    ['Ends', time(shown.notAfter)],
    ['Revoked', time(shown.revokedAt)],
    ['Reason', shown.revocationReason],
    ['Renews', shown.renews],
    ['SHA-256', shown.fingerprint],
  ])
  cli.show(shown, `${text}\n${shown.pem}`)
}

function find(cli: Cli, ref: string, authority: string | undefined) {
  return cli.call(operations.show, { ref, ...(authority === undefined ? {} : { authority }) })
}

/** By its name, whatever the letter case, or its number (RFC 5280 section 5.3.1). Throws Failure('badReason'). */
function reasonOf(text: string): string {
  const named = /^\d{1,2}$/.test(text)
    ? reasonName(Number(text))
    : Object.keys(reasonCodes).find((name) => name.toLowerCase() === text.toLowerCase())
  if (named !== undefined) return named
  const known = Object.entries(reasonCodes).map(([name, code]) => `${code} ${name}`)
  throw new Failure('badReason', `${text}: the reasons are ${known.join(', ')}`)
}

interface RevokeOptions extends Named {
  reason?: string
  comment?: string
  compromisedSince?: string
  attribute?: string[]
}

export async function revoke(
  cli: Cli,
  ref: string,
  { compromisedSince, reason: given, attribute = [], authority, comment }: RevokeOptions,
): Promise<void> {
  const reason = given === undefined ? {} : { reason: reasonOf(given) }
  const since = compromisedSince === undefined ? {} : { compromisedSince: moment(compromisedSince) }
  const words = { ...reason, ...since, ...(comment === undefined ? {} : { comment }) }
  const named = { ref, ...(authority === undefined ? {} : { authority }) }
  const asked = (await askOverRest(cli, named, { ...words, attributes: attribute })) ?? {
    ...(await cli.call(operations.revoke, { ...named, ...words })),
  }
  const done = ['revoked', 'hold'].includes(asked.status)
    ? `certificate ${asked.certificate} is ${reason.reason === 'certificateHold' ? 'on hold' : 'revoked'}`
    : `the revocation of certificate ${asked.certificate} is ${asked.status}`
  const request = asked.id === null ? '' : ` (request r${asked.id})`
  cli.show(asked, `${done}${request}${asked.reason ? `: ${asked.reason}` : ''}\n`)
  if (asked.status === 'denied') cli.fail()
}

/** Where the profile asks something of who revokes from afar. */
async function askOverRest(
  cli: Cli,
  named: { ref: string; authority?: string },
  words: Parameters<typeof revokeOverRest>[2],
) {
  const { remote } = cli
  if (remote) {
    // Who may have it revoked and not read it has no REST either.
    const shown = await cli.call(operations.show, named).catch(unlessUnseen)
    return shown && revokeOverRest({ ...cli, remote }, shown, words)
  }
  if (words.attributes.length === 0) return undefined
  throw new Failure('unsupported', 'attributes are what the REST of a server asks: give --server, or leave them out')
}

function unlessUnseen(error: unknown): undefined {
  if (error instanceof Failure && error.code === 'notFound') return undefined
  throw error
}

async function unhold(cli: Cli, ref: string, { authority }: Named): Promise<void> {
  const input = { ref, ...(authority === undefined ? {} : { authority }) }
  const released = await cli.call(operations.unhold, input)
  const { certificate, request } = released
  const waits = `stays on hold until its authority has lifted that (request r${request}): by its next CRL, or request confirm`
  cli.show(released, `certificate ${certificate} ${request === null ? 'is valid again' : waits}\n`)
}
