import type { Command } from 'commander'
import { Failure } from '../../core/failure.ts'
import { type Belonging, placed, present } from '../authorityText.ts'
import { action } from '../cli.ts'
import { readBytes, readSecret, readText } from '../inputFile.ts'
import * as operations from '../operations/authority.ts'
import { largestCrl } from '../operations/fields.ts'

interface ImportOptions extends Belonging {
  pem?: string
  pkcs12?: string
  passphraseFile?: string
  crl?: string
  crlNumber?: string
}

/** What an authority brings along from where it signed before. */
export function define(authority: Command): void {
  const command = placed(authority.command('import <name>'))
    .description('take over an existing CA with its key, and what it has revoked')
    .option('--pem <file>', 'certificate, chain and private key')
    .option('--pkcs12 <file>', 'the same as PKCS #12')
    .option('--passphrase-file <file>', 'its first line opens the key')
    .option('--crl <file>', 'the last CRL that it published, DER or PEM: ours go on behind its number')
    .option('--crl-number <number>', 'the number of the last one, where the CRL is not at hand')
  action(command, async (cli, name: string, { pem, pkcs12, passphraseFile, ...rest }: ImportOptions) => {
    if ((pem === undefined) === (pkcs12 === undefined)) throw new Failure('malformed', 'give --pem or --pkcs12')
    const { crl, crlNumber, ...place } = rest
    const { warnings, ...view } = await cli.call(operations.importOne, {
      name,
      ...place,
      ...(pem === undefined ? {} : { pem: readText(pem) }),
      ...(pkcs12 === undefined ? {} : { pkcs12: readBytes(pkcs12).toString('base64') }),
      ...(passphraseFile === undefined ? {} : { passphrase: readSecret(passphraseFile) }),
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

function lastCrl({ crl, crlNumber }: { crl: string | undefined; crlNumber: string | undefined }) {
  return {
    ...(crl === undefined ? {} : { crl: readBytes(crl, largestCrl).toString('base64') }),
    ...(crlNumber === undefined ? {} : { crlNumber }),
  }
}
