import { createPublicKey, X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import { Failure } from '../core/failure.ts'
import { pemDecode } from '../pki/pem.ts'
import { writePkcs12 } from '../pki/pkcs12.ts'
import type { Cli } from './cli.ts'
import { readSecret } from './inputFile.ts'
import { readKey, writeNew } from './keyFile.ts'
import * as operations from './operations/certificate.ts'

export interface DownloadForm {
  authority?: string
  chain?: true
  der?: true
  pfx?: true
  key?: string
  passphraseFile?: string
  out?: string
}

export function downloadOptions(command: Command): Command {
  return command
    .option('--chain', 'with its issuers')
    .option('--der', 'as DER; needs --out')
    .option('--pfx', 'as PKCS #12 with its chain and its key; needs --key, --passphrase-file and --out')
    .option('--key <file>', 'with --pfx: the private key, PEM')
    .option('--passphrase-file <file>', 'with --pfx: the first line of a file, - for standard input')
    .option('-o, --out <file>', 'write it there')
}

/** Writes a certificate as its reader wants it. */
export async function download(cli: Cli, ref: string, { authority, ...form }: DownloadForm): Promise<void> {
  const { chain, der, pfx, out } = form
  const shown = await cli.call(operations.show, { ref, ...(authority === undefined ? {} : { authority }) })
  const pem = chain ? shown.pem + shown.chain : shown.pem
  if (pfx) return writePfx(cli, shown, form)
  if (out === undefined) return cli.show({ pem }, pem)
  const [leaf] = pemDecode(shown.pem)
  writeFileSync(out, der && leaf ? leaf.der : pem)
  cli.show({ out }, `${out}\n`)
}

interface Shown {
  pem: string
  chain: string
  names: string[]
  subject: string
}

async function writePfx(cli: Cli, shown: Shown, { key: keyFile, passphraseFile, out }: DownloadForm): Promise<void> {
  if (keyFile === undefined || passphraseFile === undefined || out === undefined)
    throw new Failure('malformed', '--pfx needs --key, --passphrase-file and --out')
  const key = readKey(keyFile)
  const password = readSecret(passphraseFile)
  const own = new X509Certificate(shown.pem).publicKey.export({ format: 'der', type: 'spki' })
  if (!createPublicKey(key).export({ format: 'der', type: 'spki' }).equals(own))
    throw new Failure('badKey', `${keyFile} is not the key of this certificate`)
  const certificates = pemDecode(shown.pem + shown.chain).map(({ der }) => der)
  const pkcs8 = key.export({ format: 'der', type: 'pkcs8' })
  writeNew(out, await writePkcs12({ certificates, pkcs8, password, name: shown.names[0] ?? shown.subject }), 0o600)
  cli.show({ out }, `${out}\n`)
}
