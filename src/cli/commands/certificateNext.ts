import { rmSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { Failure } from '../../core/failure.ts'
import { readCertificate } from '../../pki/certificateReader.ts'
import { writeCsr } from '../../pki/csrWriter.ts'
import { pemDecode, pemEncode } from '../../pki/pem.ts'
import { signerFor } from '../../pki/signer.ts'
import { action, type Cli } from '../cli.ts'
import { readText } from '../inputFile.ts'
import { keyTypes, newKey, writeKey } from '../keyFile.ts'
import type { Output } from '../operation.ts'
import * as operations from '../operations/certificate.ts'
import * as requests from '../operations/request.ts'
import { attributesOf, requireRemote, waitsFor } from '../remote/ordering.ts'
import { visible } from '../visible.ts'
import { positive } from './paging.ts'

interface NextOptions {
  request?: string
  key?: string
  keyType: string
  validDays?: string
  authority?: string
}

/** The next certificate for the same names, over a server: `certificate renew` and `certificate rekey`. */
export function define(certificate: Command): void {
  const what = 'id, uuid, serial number or SHA-256 fingerprint'
  const next = (verb: string) =>
    certificate
      .command(`${verb} <id>`)
      .option('--authority <name>', 'whose, for a serial number that two authorities gave')
      .option('--valid-days <number>', 'for how many days, where the profile leaves that open')
      .option('--request <file>', 'a request for it, PEM')
  action(
    next('renew').description(`order the next certificate for the same key (${what})`),
    (cli: Cli, id: string, options: NextOptions) => order(cli, 'renew', id, options),
  )
  action(
    next('rekey')
      .description(`order the next certificate for a new key, made here (${what})`)
      .option('-k, --key <file>', 'where the new key goes, mode 0600')
      .addOption(new Option('--key-type <kind>', 'of the key that is made').choices(keyTypes).default('P-256')),
    (cli: Cli, id: string, options: NextOptions) => order(cli, 'rekey', id, options),
  )
}

async function order(cli: Cli, how: 'renew' | 'rekey', id: string, options: NextOptions): Promise<void> {
  const remote = requireRemote(cli)
  const { authority, validDays } = options
  const old = await cli.call(operations.show, { ref: id, ...(authority === undefined ? {} : { authority }) })
  if (old.profile === null) throw new Failure('unsupported', 'this certificate was not ordered here: csr create')
  const request = await requestFor(how, old, options)
  const place = [old.authority, 'raProfiles', old.profile, 'certificates', old.uuid, how].map(encodeURIComponent)
  const attributes = attributesOf({ validDays: validDays === undefined ? undefined : positive(validDays) })
  const body = { attributes, ...(request === undefined ? {} : { request, format: 'pkcs10' }) }
  const call = { method: 'POST', path: `/v2/operations/authorities/${place.join('/')}`, body }
  const { uuid } = await remote.call<{ uuid: string }>(call).catch((error: unknown) => {
    if (how === 'rekey' && options.key !== undefined && options.request === undefined && isRefusal(error))
      rmSync(options.key, { force: true })
    throw error
  })
  present(cli, await cli.call(requests.show, { ref: uuid }))
}

const isRefusal = (error: unknown): boolean =>
  error instanceof Failure && !['unavailable', 'internal'].includes(error.code)

/** Of the names and the subject that the certificate has, for a new key; to renew none is needed. */
async function requestFor(
  how: 'renew' | 'rekey',
  { pem }: Output<typeof operations.show>,
  { request, key: file, keyType }: NextOptions,
): Promise<string | undefined> {
  if (request !== undefined) return readText(request)
  if (how === 'renew') return undefined
  if (file === undefined) throw new Failure('malformed', 'say where the new key goes: --key FILE')
  const [leaf] = pemDecode(pem)
  const { subject, identifiers } = readCertificate(leaf?.der ?? Buffer.alloc(0))
  const key = await newKey(keyType)
  const der = await writeCsr({ subject, identifiers }, signerFor(key))
  writeKey(file, key)
  return pemEncode('CERTIFICATE REQUEST', der)
}

function present(cli: Cli, shown: Output<typeof requests.show>): void {
  const { id, uuid, status, reason } = shown
  const open = status === 'requested' || status === 'signing'
  const words = open ? waitsFor(shown) : visible(`csr ${id} is ${status}${reason ? `: ${reason}` : ''}`)
  cli.show({ id, uuid, status, reason }, `${words}\n`)
  if (!open && status !== 'signed') cli.fail()
}
