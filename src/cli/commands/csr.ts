import type { Command } from 'commander'
import { Failure } from '../../core/failure.ts'
import { type DownloadForm, download, downloadOptions } from '../certificateFiles.ts'
import { action, type Cli } from '../cli.ts'
import * as operations from '../operations/request.ts'
import { WAITS, waitsFor } from '../remote/ordering.ts'
import { defineList, refOf } from '../requestLists.ts'
import { define as defineCreate } from './csrCreate.ts'
import { moved, show, voting } from './request.ts'

/** Orders for certificates, and what people do with them. */
export function define(csr: Command): void {
  const read = refOf('sign')
  defineCreate(csr)
  defineList(csr, 'sign')
  action(csr.command('describe <id>').description('all that an approver needs (12 or a uuid)'), (cli, id: string) =>
    show(cli, read(id)),
  )
  voting(csr, read)
  action(
    csr.command('retry <id>').description('try one that failed again, or one in signing at once'),
    async (cli, given: string) => {
      const id = read(given)
      moved(cli, id, await cli.call(operations.retry, { ref: id }))
    },
  )
  action(
    csr
      .command('delete <id>')
      .description('withdraw one that waits; the record of it stays')
      .option('--reason <text>', 'why'),
    async (cli, given: string, options: { reason?: string }) => {
      const id = read(given)
      moved(cli, id, await cli.call(operations.cancel, { ref: id, ...options }))
    },
  )
  action(
    downloadOptions(csr.command('download-crt <id>').description('the certificate that was issued')),
    (cli, id: string, options: DownloadForm) => fetchIssued(cli, read(id), options),
  )
}

async function fetchIssued(cli: Cli, ref: string, options: DownloadForm): Promise<void> {
  const shown = await cli.call(operations.show, { ref })
  const { id, uuid, status, reason, lastError } = shown
  if (status === 'signed') return download(cli, uuid, options)
  if (!['requested', 'signing', 'draft'].includes(status)) {
    const why = reason ?? lastError
    throw new Failure('conflict', `csr ${id} is ${status}${why ? `: ${why}` : ''}`)
  }
  cli.show({ id, uuid, status }, '')
  cli.note(waitsFor(shown))
  cli.fail(WAITS)
}
