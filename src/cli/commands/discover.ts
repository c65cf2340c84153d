import { existsSync, readdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { Failure } from '../../core/failure.ts'
import { certificatesInFile } from '../../pki/certificateFile.ts'
import { PkiError } from '../../pki/error.ts'
import { action, type Cli } from '../cli.ts'
import { readBytes } from '../inputFile.ts'
import type { Output } from '../operation.ts'
import * as operations from '../operations/discovery.ts'
import { type Cell, table, time } from '../table.ts'

/** Looks once, and takes what it finds into the inventory. */
export function define(discover: Command): void {
  action(
    discover
      .argument('<where...>', 'HOST:PORT, CIDR:PORT, or a file or folder of certificates (PEM, DER, PKCS #7)')
      .option('--organization <name>', 'into the inventory of another organization than your own'),
    look,
  )
}

type Place = Output<typeof operations.take>
interface Options {
  organization?: string
}

const KINDS = /\.(?:pem|crt|cer|cert|der|p7b|p7c)$/i
/** As many as are taken in together. */
const TOGETHER = 16
const MOST_OCTETS = 1024 * 1024
const NEWS = 1024

async function look(cli: Cli, where: string[], options: Options): Promise<void> {
  const files = where.filter(isPath)
  const targets = where.filter((one) => !isPath(one))
  const places: Place[] = []
  for (const file of files.flatMap(filesAt)) places.push(...(await takeFile(cli, file, options)))
  if (targets.length > 0) places.push(...(await lookAt(cli, targets, options)))
  // Of a network most addresses are nobody's.
  const shown = places.filter(
    ({ ofNetwork, outcome }) => !ofNetwork || (outcome !== 'unreachable' && outcome !== 'refused'),
  )
  const left = places.length - shown.length
  const counts = countOf(places)
  cli.show({ places: shown, ...counts }, table(headings, shown.flatMap(rowsOf)))
  if (left > 0)
    cli.note(`${left} more places of networks: ${counts.unreachable} unreachable, ${counts.refused} refused`)
  if (counts.found === 0) cli.fail()
}

/** A target is never written with a dot and a slash first; what is there as a file is one. */
const isPath = (where: string): boolean => /^\.{0,2}\//.test(where) || KINDS.test(where) || existsSync(where)

function filesAt(path: string): string[] {
  if (!existsSync(path)) throw new Failure('malformed', `${path}: there is no such file`)
  if (!statSync(path).isDirectory()) return [path]
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isFile() && KINDS.test(entry.name))
    .map(({ name }) => join(path, name))
    .sort()
}

async function takeFile(cli: Cli, path: string, options: Options): Promise<Place[]> {
  const name = `file:${resolve(path)}`
  try {
    const ders = certificatesInFile(readBytes(path, MOST_OCTETS)).map((der) => der.toString('base64'))
    const places: Place[] = []
    for (let at = 0; at < ders.length; at += TOGETHER) {
      // A bundle is several places: none of its parts takes the place of another.
      const place = at === 0 ? name : `${name}#${at + 1}`
      places.push(await cli.call(operations.take, { place, certificates: ders.slice(at, at + TOGETHER), ...options }))
    }
    return places
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    return [{ place: name, ofNetwork: false, outcome: 'unreadable', detail: error.message, certificates: [] }]
  }
}

async function lookAt(cli: Cli, targets: string[], options: Options): Promise<Place[]> {
  const places: Place[] = []
  let told = 0
  for (let from: number | undefined = 0; from !== undefined; ) {
    const answer: Output<typeof operations.look> = await cli.call(operations.look, { targets, from, ...options })
    places.push(...answer.places)
    from = answer.next
    if (from === undefined || from < told + NEWS) continue
    told = from
    cli.note(`${from} of ${answer.total} places`)
  }
  return places
}

function countOf(places: readonly Place[]) {
  const count = (outcome: Place['outcome']) => places.filter((place) => place.outcome === outcome).length
  const fresh = new Set(
    places.flatMap(({ certificates }) => certificates.flatMap(({ id, isNew }) => (isNew ? [id] : []))),
  )
  return {
    found: count('found'),
    newCertificates: fresh.size,
    unreachable: count('unreachable'),
    refused: count('refused'),
    unreadable: count('unreadable'),
  }
}

const headings = ['place', 'outcome', 'id', 'subject', 'ends', 'source', 'new', 'detail']

function rowsOf({ place, outcome, certificates, detail }: Place): Cell[][] {
  if (certificates.length === 0) return [[place, outcome, null, null, null, null, null, detail]]
  return certificates.map(({ id, subject, notAfter, source, isNew }, at) => [
    place,
    outcome,
    id,
    subject,
    time(notAfter),
    source,
    isNew,
    at === 0 ? detail : '',
  ])
}
