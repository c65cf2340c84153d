import type { Certificate } from '../../core/certificate.ts'
import type { InventoryEntry } from '../../core/inventory/inventory.ts'
import type { InventoryLine } from '../../core/inventory/inventoryLines.ts'
import type { Relation } from '../../core/inventory/inventoryRelations.ts'
import type { KeyPair } from '../../core/key/keyPairView.ts'
import type { CertificateRecord } from '../../core/listing/certificateRecord.ts'
import type { HistoryEvent } from '../../core/listing/history.ts'
import type { RequestDetail } from '../../core/listing/listing.ts'
import { type CertificateFacts, certificateFacts } from '../../pki/certificateFacts.ts'
import { calledBy } from '../certificateName.ts'
import { subjectTypeWord } from '../certificateWords.ts'
import { may } from '../may.ts'
import type { Visit } from '../page.ts'
import type { ChainLink } from '../parts/chain.tsx'

/** A certificate with all that its page shows. */
export interface CertificateView {
  record: CertificateRecord
  certificate: Certificate
  facts: CertificateFacts
  entry: InventoryEntry
  name: string
  /** issued, expired, hold, revoked. */
  status: string
  /** Of the keystore. */
  keyPair: KeyPair | undefined
  /** The server made its key, and keeps it to be downloaded. */
  exportable: boolean
}

/** Throws Failure('notFound'); undefined while there is only its request. */
export async function readCertificateView(visit: Visit, uuid: string): Promise<CertificateView | undefined> {
  const { door, host } = visit
  const record = await door.list.record(uuid)
  const { certificate } = record
  // What was removed from the inventory is not there, whatever is left of its request.
  const entry = await door.inventory.entry(uuid)
  if (!certificate) return undefined
  const keyPair = await door.keyPairs.ofCertificate(certificate)
  const names = certificate.identifiers.map(({ value }) => value)
  const ended = certificate.status === 'issued' && certificate.notAfter <= host.clock()
  return {
    record,
    certificate,
    facts: entry.facts ?? certificateFacts(certificate.der),
    entry,
    name: calledBy({ ...certificate, names }),
    status: ended ? 'expired' : certificate.status,
    keyPair,
    exportable: entry.exportable,
  }
}

/** The chain from its top down, with what there is a page for; `missing`: the issuer above, where that is not known. */
export async function readChain(
  { door }: Visit,
  { record, certificate, facts, name }: CertificateView,
): Promise<{ links: ChainLink[]; missing: string | undefined }> {
  const { issuers, complete } = await door.inventory.chain(certificate.uuid)
  const items = issuers.flatMap(({ item }) => (item === undefined ? [] : [item]))
  const lines = await door.inventory.lines(items)
  const uuids = new Map(lines.map(({ record: { request } }) => [request.id, request.uuid]))
  const above = issuers.map(({ der, item }, index): ChainLink => {
    const read = certificateFacts(der)
    const uuid = item === undefined ? undefined : uuids.get(item)
    const own = index === 0 && certificate.authorityCertificateId !== undefined
    const to = own
      ? `/console/authorities/${record.authority.uuid}`
      : uuid === undefined
        ? undefined
        : `/console/certificates/${uuid}`
    return { ...linkOf(read, read.commonName || read.subject), ...(to === undefined ? {} : { to }) }
  })
  const top = issuers.at(-1)
  const selfSigned = facts.subjectType === 'rootCa' || facts.subjectType === 'selfSignedEndEntity'
  const missing = complete || selfSigned ? undefined : top ? certificateFacts(top.der).issuer : facts.issuer
  return { links: [...above.reverse(), linkOf(facts, name)], missing }
}

function linkOf({ subjectType, serial, notAfter }: CertificateFacts, name: string): ChainLink {
  return { name, kind: subjectTypeWord[subjectType], serial, notAfter }
}

/** What came before and after, each with what a list shows of it. */
export async function readRelations({ door }: Visit, uuid: string): Promise<(Relation & { line: InventoryLine })[]> {
  const relations = await door.inventory.relations(uuid)
  const lines = await door.inventory.lines(relations.map(({ id }) => id))
  const byId = new Map(lines.map((line) => [line.record.request.id, line]))
  return relations.flatMap((relation) => {
    const line = byId.get(relation.id)
    return line ? [{ ...relation, line }] : []
  })
}

/** The newest few requests to revoke it, by what its history tells. */
export async function readRevocations({ door }: Visit, history: readonly HistoryEvent[]): Promise<RequestDetail[]> {
  const ids = history.flatMap(({ subject, subjectId }) => (subject === 'revoke_request' ? [subjectId] : []))
  const newest = [...new Set(ids)].sort((a, b) => b - a).slice(0, 5)
  return Promise.all(newest.map((id) => door.list.request(id, 'revoke')))
}

/** What may be offered to the reader, as far as his grants tell. */
export function offers(visit: Visit, { record, certificate, status, exportable, entry }: CertificateView) {
  const at = { authority: record.authority.name, ...(record.profile ? { profile: record.profile.name } : {}) }
  const ours = certificate.profileId !== undefined
  const open = record.revocation !== undefined
  const archived = entry.item.archivedAt !== undefined
  const orders = may(visit, 'create_cert', at) && certificate.source === 'managed' && record.profile?.enabled === true
  return {
    renew: orders && !open && !archived && (status === 'issued' || status === 'expired'),
    // Anybody of the organization may ask; the rules say what becomes of it.
    revoke: ours && !open && (status === 'issued' || status === 'hold'),
    hold: ours && !open && status === 'issued',
    unhold: ours && status === 'hold' && may(visit, 'revoke_cert', at),
    pfx: exportable && may(visit, 'export_private_key', at),
    manage: may(visit, 'manage', at),
  }
}
