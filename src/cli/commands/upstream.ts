import type { Command } from 'commander'
import { type Belonging, placed, present } from '../authorityText.ts'
import { action } from '../cli.ts'
import { readText } from '../inputFile.ts'
import * as operations from '../operations/authority.ts'

interface Options extends Belonging {
  directory: string
  contact?: string[]
  agreeTerms?: true
  eabKid?: string
  eabKeyFile?: string
  caFile?: string
  proof?: 'none' | 'http-01' | 'dns-01'
}

/** An authority whose certificates another CA signs, over ACME. */
export function define(authority: Command): void {
  const command = placed(authority.command('add-acme <name>'))
    .description('add an authority whose certificates another CA signs over ACME, once they are approved here')
    .requiredOption('--directory <url>', 'the directory of the CA')
    .option('--contact <address...>', 'where the CA writes to: pki@example.org')
    .option('--agree-terms', 'you have read the terms of the CA and agree')
    .option('--eab-kid <id>', 'the external account that the CA has given you')
    .option('--eab-key-file <file>', 'its MAC key, in base64url')
    .option(
      '--ca-file <file>',
      'PEM of who signed the certificate of the CA’s web server, where the system does not know it',
    )
    .option('--proof <way>', 'how names are proved to the CA: none, http-01 or dns-01 (default: none)')
  action(command, async (cli, name: string, options: Options) => {
    const { contact, eabKid, eabKeyFile, caFile, proof, agreeTerms, directory, ...place } = options
    const key = eabKeyFile === undefined ? undefined : readText(eabKeyFile).trim()
    const view = await cli.call(operations.addAcme, {
      name,
      directory,
      ...(contact ? { contact } : {}),
      ...(agreeTerms ? { agreeTerms } : {}),
      ...(eabKid === undefined && key === undefined ? {} : { externalAccount: { kid: eabKid ?? '', key: key ?? '' } }),
      ...(caFile === undefined ? {} : { caPem: readText(caFile) }),
      ...(proof === undefined ? {} : { proof }),
      ...place,
    })
    present(cli, view)
  })
  registering(authority)
}

function registering(authority: Command): void {
  const command = authority
    .command('register <name>')
    .description(
      'give an authority that was added by add-acme a new account at its CA, where that has lost the old one',
    )
    .option('--agree-terms', 'you have read the terms of the CA and agree')
    .option('--eab-kid <id>', 'the external account that the CA has given you')
    .option('--eab-key-file <file>', 'its MAC key, in base64url')
  action(command, async (cli, name: string, { eabKid, eabKeyFile, agreeTerms }: Partial<Options>) => {
    const key = eabKeyFile === undefined ? undefined : readText(eabKeyFile).trim()
    const view = await cli.call(operations.register, {
      name,
      ...(agreeTerms ? { agreeTerms } : {}),
      ...(eabKid === undefined && key === undefined ? {} : { externalAccount: { kid: eabKid ?? '', key: key ?? '' } }),
    })
    present(cli, view)
  })
}
