import type { Command } from 'commander'
import { Failure } from '../../core/failure.ts'
import { PkiError } from '../../pki/error.ts'
import { pemDecode } from '../../pki/pem.ts'
import { action, type Cli } from '../cli.ts'
import { readBytes } from '../inputFile.ts'
import type { Output } from '../operation.ts'
import * as operations from '../operations/certificate.ts'
import { table, time } from '../table.ts'

/** Certificates that an authority signed before it came here, or where it signs. */
export function define(certificate: Command): void {
  const command = certificate
    .command('import <file>')
    .description(
      'make known what an authority has signed elsewhere, so that it can be revoked (PEM, also many; or DER)',
    )
    .requiredOption('--authority <name>', 'whose key signed them')
  action(command, importAll)
}

type Imported = Output<typeof operations.importOne>
interface Refused {
  /** Its place in the file, from 1. */
  number: number
  code: string
  detail: string
}

async function importAll(cli: Cli, file: string, { authority }: { authority: string }): Promise<void> {
  const imported: Imported[] = []
  const refused: Refused[] = []
  const ders = certificatesIn(readBytes(file), file)
  for (const [index, der] of ders.entries()) {
    try {
      imported.push(await cli.call(operations.importOne, { authority, certificate: der.toString('base64') }))
    } catch (error) {
      if (ders.length === 1 || !(error instanceof Failure) || !perCertificate.has(error.code)) throw error
      refused.push({ number: index + 1, code: error.code, detail: error.detail })
    }
  }
  const rows = imported.map(({ id, status, subject, serial, notAfter }) => [
    id,
    status,
    subject,
    serial,
    time(notAfter),
  ])
  cli.show({ imported, refused }, table(['id', 'status', 'subject', 'serial', 'ends'], rows))
  for (const { number, detail } of refused) cli.note(`number ${number} of ${file}: ${detail}`)
  // To bring in the same file again is no failure.
  if (refused.some(({ code }) => code !== 'conflict')) cli.fail()
}

/** What is about one certificate; all else would come again with each. */
const perCertificate: ReadonlySet<string> = new Set(['malformed', 'conflict'])

function certificatesIn(bytes: Buffer, file: string): Buffer[] {
  if (bytes[0] === 0x30) return [bytes]
  const ders = pemIn(bytes).flatMap(({ label, der }) => (label === 'CERTIFICATE' ? [der] : []))
  if (ders.length === 0) throw new Failure('malformed', `${file}: it holds no certificate, neither as PEM nor as DER`)
  return ders
}

function pemIn(bytes: Buffer) {
  try {
    return pemDecode(bytes.toString('latin1'))
  } catch (cause) {
    if (cause instanceof PkiError) throw new Failure('malformed', cause.message, { cause })
    throw cause
  }
}
