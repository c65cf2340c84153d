import { rmSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { Failure } from '../../core/failure.ts'
import { writeCsr } from '../../pki/csrWriter.ts'
import { pemEncode } from '../../pki/pem.ts'
import { signerFor } from '../../pki/signer.ts'
import { action, type Cli } from '../cli.ts'
import { readText } from '../inputFile.ts'
import { keyTypes, newKey, readKey, writeKey, writeNew } from '../keyFile.ts'
import { lengthOfTime } from '../operations/fields.ts'
import * as requests from '../operations/request.ts'
import { identifiersOf, type OrderDraft, subjectOf } from '../orderDraft.ts'
import { edited, prompted, usualFile } from '../orderEditor.ts'
import { attributesOf, placeOf, requireRemote, WAITS, waitFor, waitsFor } from '../remote/ordering.ts'
import { visible } from '../visible.ts'
import { positive } from './paging.ts'

interface Options {
  profile?: string
  authority?: string
  dns?: string[]
  ip?: string[]
  email?: string[]
  uri?: string[]
  subject?: string
  validDays?: string
  keyType: string
  key?: string
  useKey?: string
  csr?: string
  request?: string
  attribute?: string[]
  edit?: true
  wait?: string | true
  out?: string
}

/** Makes a key and a request on this machine, and sends the request. */
export function define(csr: Command): void {
  action(
    csr
      .command('create')
      .description('order a certificate: by options, by questions at a terminal, or in an editor')
      .option('-d, --dns <name...>', 'DNS names')
      .option('-i, --ip <address...>', 'IP addresses')
      .option('--email <address...>', 'e-mail addresses')
      .option('--uri <uri...>', 'URIs')
      .option('--subject <name>', 'like "CN=www.example.org,O=Example" (default: the first name)')
      .option('--valid-days <number>', 'for how many days, where the profile leaves that open')
      .option('--profile <name>', 'over which profile')
      .option('--authority <name>', 'by which authority, in place of a profile')
      .addOption(new Option('--key-type <kind>', 'of the key that is made').choices(keyTypes).default('P-256'))
      .option('-k, --key <file>', 'where the new key goes, mode 0600 (default: NAME.key)')
      .option('--use-key <file>', 'a key that is there already, in place of a new one')
      .option('-o, --csr <file>', 'where the request goes too, as PEM')
      .option('--request <file>', 'send this request, in place of making one')
      .option('--attribute <name=value...>', 'what the profile asks besides')
      .option('--edit', 'in $VISUAL or $EDITOR, as YAML')
      .option('--wait [time]', 'until it is decided and signed, at most so long (default: 15m)')
      .option('--out <file>', 'where the certificate goes with its chain, as soon as it is there'),
    create,
  )
}

async function create(cli: Cli, options: Options): Promise<void> {
  const remote = requireRemote(cli)
  const draft = await draftOf(options)
  const made = options.request === undefined ? await makeRequest(options, draft) : { pem: readText(options.request) }
  const uuid = await send(cli, draft, options, made).catch((error: unknown) => {
    // Where it may have come to something the key stays.
    if (error instanceof Failure && !['unavailable', 'internal'].includes(error.code)) made.undo?.()
    throw error
  })
  if (made.keyFile !== undefined) cli.note(`the key is in ${made.keyFile}`)
  const wait = options.wait === undefined ? 0 : secondsOf(options.wait)
  const shown = wait > 0 ? await waitFor(cli, uuid, wait) : await cli.call(requests.show, { ref: uuid })
  if (shown.status === 'signed' && options.out !== undefined) await fetchTo(cli, uuid, options.out)
  const { id, status, reason, lastError } = shown
  const said = { id, uuid, status, reason: reason ?? lastError, ...(made.keyFile ? { key: made.keyFile } : {}) }
  switch (status) {
    case 'signed':
      return cli.show(said, `csr ${id} is signed: countersign csr download-crt ${id}\n`)
    case 'requested':
    case 'signing':
      cli.show(said, `${waitsFor(shown)}\n`)
      cli.note(`later: countersign csr describe ${id}, csr download-crt ${id} (server ${remote.url})`)
      return wait > 0 ? cli.fail(WAITS) : undefined
    default:
      cli.show(said, visible(`csr ${id} is ${status}${reason ? `: ${reason}` : ''}`).concat('\n'))
      return cli.fail()
  }
}

async function draftOf(options: Options): Promise<OrderDraft> {
  const { dns = [], ip = [], email = [], uri = [], validDays, edit, request } = options
  const { profile, authority, subject, keyType, key, csr } = options
  const days = validDays === undefined ? undefined : positive(validDays)
  const draft = { profile, authority, subject, dns, ip, email, uri, keyType, key, csr, validDays: days }
  if (edit) return edited(draft)
  const said = [...dns, ...ip, ...email, ...uri, subject, request].some((one) => one !== undefined)
  return said || !process.stdin.isTTY ? draft : prompted(draft)
}

interface MadeRequest {
  pem: string
  /** A new key's. */
  keyFile?: string
  /** Takes back what was made for an order that was refused: no other certificate is for that key. */
  undo?: () => void
}

async function makeRequest(options: Options, draft: OrderDraft): Promise<MadeRequest> {
  const identifiers = identifiersOf(draft)
  const subject = subjectOf(draft, identifiers)
  const key = options.useKey === undefined ? await newKey(draft.keyType) : readKey(options.useKey)
  const der = await writeCsr({ subject, identifiers }, signerFor(key))
  const pem = pemEncode('CERTIFICATE REQUEST', der)
  const files: string[] = []
  const undo = () => {
    for (const file of files) rmSync(file, { force: true })
  }
  if (options.useKey !== undefined && draft.csr === undefined) return { pem }
  const keyFile =
    draft.key ??
    usualFile(
      identifiers.map(({ value }) => value),
      'key',
    )
  if (options.useKey === undefined) {
    writeKey(keyFile, key)
    files.push(keyFile)
  }
  if (draft.csr !== undefined) {
    try {
      writeNew(draft.csr, pem)
    } catch (error) {
      undo()
      throw error
    }
    files.push(draft.csr)
  }
  return { pem, undo, ...(options.useKey === undefined ? { keyFile } : {}) }
}

async function send(cli: Cli, draft: OrderDraft, { attribute }: Options, { pem }: MadeRequest): Promise<string> {
  const { profile, authority } = await placeOf(cli, draft)
  const place = `/v2/operations/authorities/${encodeURIComponent(authority)}/raProfiles/${encodeURIComponent(profile)}`
  const attributes = attributesOf({ validDays: draft.validDays, attributes: attribute })
  const body = { request: pem, format: 'pkcs10', attributes }
  const call = { method: 'POST', path: `${place}/certificates`, body }
  return (await requireRemote(cli).call<{ uuid: string }>(call)).uuid
}

/** Seconds of 15m; --wait alone is a quarter of an hour. */
function secondsOf(wait: string | true): number {
  if (wait === true) return 900
  const read = lengthOfTime.safeParse(wait)
  if (!read.success) throw new Failure('malformed', `--wait: ${read.error.issues[0]?.message}`)
  return Math.ceil(read.data / 1000)
}

async function fetchTo(cli: Cli, uuid: string, file: string): Promise<void> {
  const { show } = await import('../operations/certificate.ts')
  const { pem, chain } = await cli.call(show, { ref: uuid })
  writeNew(file, pem + chain)
  cli.note(`the certificate is in ${file}`)
}
