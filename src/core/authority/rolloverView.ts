import { withTables } from '../../db/tables.ts'
import { type CertificateFields, fingerprint } from '../../pki/certificateReader.ts'
import type { Installation } from '../installation.ts'
import type { CoreTables } from '../tables.ts'
import { loadIssuer } from './authority.ts'
import { keyText } from './authorityView.ts'
import type { Rollover, RolloverStatus } from './rollover.ts'

/** A certificate of an authority, as people compare it. */
interface CaView {
  serial: string
  notBefore: Date
  notAfter: Date
  /** SHA-256, lower-case hex. */
  fingerprint: string
  keyAlgorithm: string
}

export interface RolloverView {
  authority: string
  status: RolloverStatus
  /** When it takes over by itself. */
  startsAt: Date
  createdAt: Date
  endedAt: Date | null
  previous: CaView
  /** Null until it is signed. */
  next: CaView | null
  /** How many certificates were issued under the next one. */
  issued: number
  /** DER of the request that is to be signed elsewhere. */
  csr: Buffer | null
  /** DER: the next certificate and those above it. */
  chain: Buffer[]
  /** DER: link certificates of a root, RFC 9810 section 4.4.1. */
  newWithOld: Buffer | null
  oldWithNew: Buffer | null
  /** What has to happen, or what is worth knowing. */
  notes: string[]
}

/** A rollover of the authority of that name, for people. */
export async function viewRollover(it: Installation, name: string, rollover: Rollover): Promise<RolloverView> {
  const { certificate: before } = await loadIssuer(it, rollover.previous)
  const next = rollover.next === undefined ? undefined : await loadIssuer(it, rollover.next)
  const issued = next ? await countUnder(it, next.id) : 0
  return {
    authority: name,
    status: rollover.status,
    startsAt: rollover.startsAt,
    createdAt: rollover.createdAt,
    endedAt: rollover.endedAt ?? null,
    previous: viewOf(before),
    next: next ? viewOf(next.certificate) : null,
    issued,
    csr: rollover.csr ?? null,
    chain: next ? [next.certificate.der, ...next.chain] : [],
    newWithOld: rollover.newWithOld ?? null,
    oldWithNew: rollover.oldWithNew ?? null,
    notes: notesOn(rollover, { before, next: next?.certificate, issued, now: it.clock() }),
  }
}

function viewOf(certificate: CertificateFields): CaView {
  const { serial, notBefore, notAfter, der, publicKey } = certificate
  return { serial, notBefore, notAfter, fingerprint: fingerprint(der), keyAlgorithm: keyText(publicKey) }
}

/** People's and devices': not what the installation has for itself. */
async function countUnder(it: Installation, issuerId: number): Promise<number> {
  const { issued } = await withTables<CoreTables>(it.db)
    .selectFrom('certificates')
    .innerJoin('sign_requests', 'sign_requests.id', 'certificates.id')
    .select(({ fn }) => fn.countAll<number>().as('issued'))
    .where('certificates.authority_certificate_id', '=', issuerId)
    .where('sign_requests.protocol', '<>', 'internal')
    .executeTakeFirstOrThrow()
  return Number(issued)
}

interface Knowing {
  before: CertificateFields
  next: CertificateFields | undefined
  issued: number
  now: Date
}

function notesOn({ status, csr, lastError, newWithOld }: Rollover, { before, next, issued, now }: Knowing): string[] {
  const notes: string[] = []
  if (status === 'requested' && csr) notes.push('have the request signed by the CA above, and upload the certificate')
  if (status === 'requested' && !csr)
    notes.push(`the parent has not signed yet${lastError ? ` (${lastError})` : ''}; it is asked again by itself`)
  if (status === 'prepared' && next && next.notAfter <= before.notAfter)
    notes.push('the next certificate ends no later than the one before: roll over the authority above it first')
  if (status === 'prepared' && newWithOld)
    notes.push('this is a root: whoever trusts it must come to trust the next one before certificates need it')
  if (status === 'canceled' && next && next.notAfter > now)
    notes.push(
      `its certificate ${next.serial} is good until it ends${issued > 0 ? `, and ${issued} certificates were issued under it` : ''}: where that matters, revoke it`,
    )
  return notes
}
