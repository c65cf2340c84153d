import { setImmediate } from 'node:timers/promises'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { certificateFacts } from '../../pki/certificateFacts.ts'
import { type CertificateFields, fingerprint, readCertificate } from '../../pki/certificateReader.ts'
import { nameText } from '../../pki/name.ts'
import { raiseAlert } from '../audit/alert.ts'
import { findCertificate } from '../certificate.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { knownIn, storeForeign } from '../inventory/foreignCertificate.ts'
import { authorityCertificates } from '../inventory/inventoryIssuers.ts'
import { wasIssuedBy } from '../inventory/inventoryUpload.ts'
import { keep, upkeepActor, look as validateOne } from '../inventory/inventoryValidation.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { storable } from '../text.ts'
import type { LookedPlace } from './discoveryLook.ts'
import { type LookFailure, largestCertificate } from './discoveryReach.ts'

/** A certificate that was found, with its entry in the inventory. */
export interface FoundCertificate {
  id: number
  uuid: string
  subject: string
  notAfter: Date
  source: string
  /** It was not in the inventory before. */
  isNew: boolean
}

/** A place after what was found there has been read. */
export interface ReadPlace {
  place: string
  ofNetwork: boolean
  outcome: 'found' | LookFailure
  detail?: string
  /** As they stand there. Certificates of authorities of ours are left out: they have no entry. */
  certificates: FoundCertificate[]
}

interface Taking {
  organizationId: number
  requester: Requester
}

/**
 * Reads what was found, and takes in what the inventory of the organization does not have yet. Of what cannot be read the place says so; nothing that a stranger
 * has put there makes this reject.
 */
export async function takeIn(it: Installation, taking: Taking, looked: readonly LookedPlace[]): Promise<ReadPlace[]> {
  const seen = new Map<string, FoundCertificate | 'own' | Unreadable>()
  const places: ReadPlace[] = []
  for (const { place, ofNetwork, look } of looked) {
    if (look.outcome !== 'found') {
      const detail = storable(look.detail).slice(0, 500)
      places.push({ place, ofNetwork, outcome: look.outcome, detail, certificates: [] })
      continue
    }
    const results: (FoundCertificate | 'own' | Unreadable)[] = []
    for (const der of look.certificates) {
      const print = fingerprint(der)
      const result = seen.get(print) ?? (await takeOne(it, { ...taking, place }, der))
      seen.set(print, result)
      results.push(result)
      await setImmediate()
    }
    places.push(readPlace({ place, ofNetwork, note: look.note }, results))
  }
  return places
}

interface Unreadable {
  unreadable: string
}

function readPlace(
  { place, ofNetwork, note }: { place: string; ofNetwork: boolean; note: string | undefined },
  results: readonly (FoundCertificate | 'own' | Unreadable)[],
): ReadPlace {
  const troubles = results.flatMap((one) => (one !== 'own' && 'unreadable' in one ? [one.unreadable] : []))
  const entries = results.flatMap((one): [number, FoundCertificate][] =>
    one !== 'own' && 'id' in one ? [[one.id, one]] : [],
  )
  const certificates = [...new Map(entries).values()]
  const [trouble] = troubles
  if (troubles.length === results.length)
    return { place, ofNetwork, outcome: 'unreadable', detail: trouble ?? 'there is no certificate', certificates }
  const said = [note, trouble && `${troubles.length} of ${results.length} cannot be read: ${trouble}`].filter(Boolean)
  return { place, ofNetwork, outcome: 'found', certificates, ...(said.length > 0 ? { detail: said.join('; ') } : {}) }
}

async function takeOne(
  it: Installation,
  { organizationId, requester, place }: Taking & { place: string },
  der: Buffer,
): Promise<FoundCertificate | 'own' | Unreadable> {
  try {
    if (der.length > largestCertificate) return { unreadable: `it is longer than ${largestCertificate / 1024} KiB` }
    const fields = readCertificate(der)
    const shown = { subject: nameText(fields.subject), notAfter: fields.notAfter }
    const known = await knownIn(it.db, organizationId, fingerprint(der))
    if (known) {
      const isNew = await isUnseen(it.db, known)
      if (isNew) await afterwards(it, { id: known.id, organizationId }, fields)
      return { ...known, ...shown, isNew }
    }
    const facts = certificateFacts(fields)
    const authorities = await authorityCertificates(it.db, organizationId)
    if (authorities.some(({ certificate }) => certificate.der.equals(der))) return 'own'
    const storing = { organizationId, fields, facts, requester, source: 'discovered', now: it.clock() } as const
    const { id, uuid } = await storeForeign(it, { ...storing, details: { place } })
    await afterwards(it, { id, organizationId }, fields)
    return { id, uuid, ...shown, source: 'discovered', isNew: true }
  } catch (error) {
    if (error instanceof Failure && error.code === 'conflict')
      return takeOne(it, { organizationId, requester, place }, der)
    if (error instanceof Failure || (error instanceof Error && error.name === 'DatabaseUnavailable')) throw error
    // Whatever a stranger's bytes lead to is about them alone.
    if (!(error instanceof Error) || error.name !== 'PkiError')
      it.log.warn({ err: error, place }, 'a certificate that was found cannot be taken in')
    return { unreadable: storable(error instanceof Error ? error.message : String(error)).slice(0, 300) }
  }
}

/** It was taken in by a run that was cut off before it could say so. */
async function isUnseen(db: Database, { id, source }: { id: number; source: string }): Promise<boolean> {
  if (source !== 'discovered') return false
  const sighting = await withTables<CoreTables>(db)
    .selectFrom('certificate_sightings')
    .select('id')
    .where('certificate_id', '=', id)
    .limit(1)
    .executeTakeFirst()
  return sighting === undefined
}

/** It is validated at once, which warns of one that will end; and one that a key of ours has signed should be on record. */
async function afterwards(
  it: Installation,
  { id, organizationId }: { id: number; organizationId: number },
  fields: CertificateFields,
): Promise<void> {
  const certificate = await findCertificate(it.db, { id })
  if (!certificate) return
  const validated = await validateOne(it, certificate)
  await transaction(it.db, (db) => keep(db, validated, { actor: upkeepActor, at: it.clock(), alerts: true }))
  const signer = (await authorityCertificates(it.db, organizationId)).find((authority) =>
    wasIssuedBy(fields, authority.certificate),
  )
  if (signer) await transaction(it.db, (db) => tellUnrecorded(db, it.clock(), { name: signer.name, organizationId }))
}

async function tellUnrecorded(
  db: Database,
  at: Date,
  { name, organizationId }: { name: string; organizationId: number },
): Promise<void> {
  const authority = await withTables<CoreTables>(db)
    .selectFrom('authorities')
    .select(['id', 'kind'])
    .where('name', '=', name)
    .executeTakeFirst()
  // One that signs elsewhere has others to sign for.
  if (authority?.kind !== 'local') return
  await raiseAlert(db, at, {
    kind: 'certificate.unrecorded',
    organizationId,
    subject: { kind: 'authority', id: authority.id },
    detail: `certificates were found that the key of ${name} has signed and that are not on record: those from before it came here can be made known (countersign certificate import); any other means that somebody else has its key`,
  })
}
