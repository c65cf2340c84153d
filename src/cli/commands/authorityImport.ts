import type { Command } from 'commander'
import { Failure } from '../../core/failure.ts'
import { type Belonging, placed, present } from '../authorityText.ts'
import { action } from '../cli.ts'
import { readBytes, readSecret, readText } from '../inputFile.ts'
import * as operations from '../operations/authority.ts'
import { largestCrl } from '../operations/fields.ts'
import { time } from '../table.ts'

interface ImportOptions extends Belonging {
  pem?: string
  pkcs12?: string
  passphraseFile?: string
  crl?: string
  crlNumber?: string
}

/** What an authority brings along from where it signed before. */
export function define(authority: Command): void {
  uploads(authority)
  const command = placed(authority.command('import <name>'))
    .description('take over an existing CA with its key, and what it has revoked')
    .option('--pem <file>', 'certificate, chain and private key')
    .option('--pkcs12 <file>', 'the same as PKCS #12')
    .option('--passphrase-file <file>', 'its first line opens the key')
    .option('--crl <file>', 'the last CRL that it published, DER or PEM: ours go on behind its number')
    .option('--crl-number <number>', 'the number of the last one, where the CRL is not at hand')
  action(command, async (cli, name: string, { pem, pkcs12, passphraseFile, ...rest }: ImportOptions) => {
    const { crl, crlNumber, ...place } = rest
    const { warnings, ...view } = await cli.call(operations.importOne, {
      name,
      ...place,
      ...bundle({ pem, pkcs12, passphraseFile }),
      ...lastCrl({ crl, crlNumber }),
    })
    present(cli, view, { warnings })
  })
  const later = authority
    .command('import-crl <name> [file]')
    .description('the last CRL of an imported CA, where it came without one, or a later one')
    .option('--crl-number <number>', 'the number of the last one, where that is another, or all that is known')
  action(later, async (cli, name: string, file: string | undefined, { crlNumber }: { crlNumber?: string }) => {
    const answer = await cli.call(operations.importCrl, { name, ...lastCrl({ crl: file, crlNumber }) })
    const told = answer.number === null ? '' : `; its next CRL has a number above ${answer.number}`
    cli.show(answer, `${name}: ${answer.entries} revocations taken over${told}\n`)
    for (const warning of answer.warnings) cli.note(`warning: ${warning}`)
  })
}

interface ResponderOptions {
  pem?: string
  pkcs12?: string
  passphraseFile?: string
}

/** What an authority that signs elsewhere publishes through this server. */
function uploads(authority: Command): void {
  const crl = authority
    .command('upload-crl <name> <file>')
    .description('a CRL of an authority that signs elsewhere, DER or PEM: it is served here, and confirms revocations')
  action(crl, async (cli, name: string, file: string) => {
    const input = { name, crl: readBytes(file, largestCrl).toString('base64') }
    const { warnings, ...answer } = await cli.call(operations.uploadCrl, input)
    const done =
      answer.confirmed.length === 0 ? '' : `; done by it: ${answer.confirmed.map((id) => `r${id}`).join(', ')}`
    const text = `CRL ${answer.number} of ${name}, ${answer.entries} entries, good until ${time(answer.nextUpdate)}${done}\n`
    cli.show({ ...answer, warnings }, text)
    for (const warning of warnings) cli.note(`warning: ${warning}`)
  })
  const responder = authority
    .command('upload-responder <name>')
    .description(
      'the OCSP responder of an authority that signs elsewhere: its certificate, by that authority, and its key',
    )
    .option('--pem <file>', 'certificate and private key')
    .option('--pkcs12 <file>', 'the same as PKCS #12')
    .option('--passphrase-file <file>', 'its first line opens the key')
  action(responder, async (cli, name: string, { pem, pkcs12, passphraseFile }: ResponderOptions) => {
    const input = { name, ...bundle({ pem, pkcs12, passphraseFile }) }
    const { warnings, ...answer } = await cli.call(operations.uploadResponder, input)
    cli.show({ ...answer, warnings }, `OCSP responder of ${name}, good until ${time(answer.notAfter)}\n`)
    for (const warning of warnings) cli.note(`warning: ${warning}`)
  })
}

type BundleFiles = { [K in keyof Required<ResponderOptions>]: string | undefined }

function bundle({ pem, pkcs12, passphraseFile }: BundleFiles) {
  if ((pem === undefined) === (pkcs12 === undefined)) throw new Failure('malformed', 'give --pem or --pkcs12')
  return {
    ...(pem === undefined ? {} : { pem: readText(pem) }),
    ...(pkcs12 === undefined ? {} : { pkcs12: readBytes(pkcs12).toString('base64') }),
    ...(passphraseFile === undefined ? {} : { passphrase: readSecret(passphraseFile) }),
  }
}

function lastCrl({ crl, crlNumber }: { crl: string | undefined; crlNumber: string | undefined }) {
  return {
    ...(crl === undefined ? {} : { crl: readBytes(crl, largestCrl).toString('base64') }),
    ...(crlNumber === undefined ? {} : { crlNumber }),
  }
}
