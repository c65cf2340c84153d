import { createPrivateKey } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import { Failure } from '../../core/failure.ts'
import { action, type Cli } from '../cli.ts'
import { readSecret } from '../inputFile.ts'
import * as operations from '../operations/exportKey.ts'

/** The private key of a certificate, where the server made it and keeps it. */
export function define(certificate: Command): void {
  action(
    certificate
      .command('export-key <id>')
      .description(
        'write the private key that the server made and kept, as yourself (id, uuid, serial number or SHA-256 fingerprint)',
      )
      .requiredOption('--out <file>', 'a new file, PEM, for you alone to read')
      .option('--passphrase-file <file>', 'encrypt it with the first line of a file, - for standard input')
      .option('--authority <name>', 'whose, for a serial number that two authorities gave'),
    exportKey,
  )
}

interface ExportOptions {
  out: string
  passphraseFile?: string
  authority?: string
}

async function exportKey(cli: Cli, ref: string, { out, passphraseFile, authority }: ExportOptions): Promise<void> {
  const passphrase = passphraseFile === undefined ? undefined : readSecret(passphraseFile)
  const { pkcs8 } = await cli.call(operations.exportKey, { ref, ...(authority === undefined ? {} : { authority }) })
  const key = createPrivateKey({ key: Buffer.from(pkcs8, 'base64'), format: 'der', type: 'pkcs8' })
  const sealed = passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase }
  try {
    writeFileSync(out, key.export({ format: 'pem', type: 'pkcs8', ...sealed }), { mode: 0o600, flag: 'wx' })
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    throw new Failure(
      'malformed',
      `${out}: ${code === 'EEXIST' ? 'is there already' : `cannot be written (${code})`}`,
      { cause },
    )
  }
  cli.show({ out }, `${out}\n`)
}
