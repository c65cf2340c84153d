import { withTables } from '../../db/tables.ts'
import { type CertificateFacts, certificateFacts } from '../../pki/certificateFacts.ts'
import type { AdminContext } from '../adminActor.ts'
import { findCertificate } from '../certificate.ts'
import { groupsOf, type InventoryGroup } from '../identity/inventoryGroup.ts'
import type { Installation } from '../installation.ts'
import { isHeld } from '../key/keyPairDestroy.ts'
import { isKept } from '../key/serverKeyExport.ts'
import { readSignRequest } from '../request/records.ts'
import type { RequestRef } from '../request/request.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import {
  type AttributeDefinition,
  type AttributeDraft,
  addDefinition,
  changeDefinition,
  listDefinitions,
  removeDefinition,
} from './attributeDefinition.ts'
import { noteOpened } from './certificateAccess.ts'
import { type Compliance, complianceOf } from './compliance.ts'
import type { CustomAttribute } from './customAttribute.ts'
import { archive, refuseArchived, removeItems } from './inventoryArchive.ts'
import { setAttributes, setMetadata } from './inventoryAttributes.ts'
import { assign, type Belonging } from './inventoryBelonging.ts'
import { type ChainEntry, chainOfItem, type DownloadForm, download } from './inventoryContent.ts'
import { findItem, type InventoryItem } from './inventoryItem.ts'
import { type InventoryLine, readLines } from './inventoryLines.ts'
import { type Related, type Relation, relate, relations, unrelate } from './inventoryRelations.ts'
import { type UploadedCertificate, uploadCertificate } from './inventoryUpload.ts'
import { chainFor, type KeptValidation, keptValidation, validateNow } from './inventoryValidation.ts'
import {
  addLocation,
  changeLocation,
  type Location,
  type LocationChange,
  type LocationDraft,
  listLocations,
  removeLocation,
} from './location.ts'
import { contentOf, type LocatedCertificate, pushAgain } from './locationContent.ts'
import { associate, dissociate, entriesOf, type LocationEntry, readEntries } from './locationEntry.ts'
import { setValidation, showValidation, type ValidationSettings } from './validationSettings.ts'

/** What is known about a certificate, or kept about the request of which one may come. */
export interface InventoryEntry {
  item: InventoryItem
  /** Absent: there is no certificate yet. */
  facts?: CertificateFacts
  owner?: { uuid: string; name: string }
  groups: InventoryGroup[]
  attributes: CustomAttribute[]
  metadata: CustomAttribute[]
  /** Only of CA certificates: authorities of ours are trusted, uploaded ones where somebody said so. */
  trustedCa?: boolean
  /** Its private key was made by the server, and is kept. */
  privateKey: boolean
  /** The server made its private key for export (Admin.exportPfx), and has it still. */
  exportable: boolean
  compliance: Compliance
  /** Absent: it was never validated. */
  validation?: KeptValidation
  locations: LocationEntry[]
  /** The entry of who has issued it, where the inventory has one. */
  issuer?: number
}

/**
 * Certificates as people keep them. Reading needs what reading the request needs; every change needs `manage` on its profile or authority. Whatever is not there, or
 * belongs to another organization, is Failure('notFound').
 */
export interface Inventory {
  entry(ref: RequestRef): Promise<InventoryEntry>
  /** Its detail was opened: once an hour for each person and certificate that is audited as certificate.view.accessed. Whoever is no person with a session or password is not noted. */
  opened(ref: RequestRef): Promise<void>
  /** Those of many that are there and may be read, in the order asked, with what lists show of them. */
  lines(refs: readonly RequestRef[]): Promise<InventoryLine[]>
  /** Replaces all custom attributes. Throws malformed with a problem for each that does not fit, tooLarge. */
  setAttributes(ref: RequestRef, attributes: unknown): Promise<void>
  /** Replaces all metadata. Throws as setAttributes. */
  setMetadata(ref: RequestRef, metadata: unknown): Promise<void>
  /** Owner, groups and trust of many, all or none. */
  assign(refs: readonly RequestRef[], belonging: Belonging): Promise<void>
  /** All or none; what is archived already stays so. */
  archive(refs: readonly RequestRef[]): Promise<void>
  unarchive(refs: readonly RequestRef[]): Promise<void>
  /** Throws conflict for one that is archived: it is not renewed, rekeyed or revoked by who looks at the inventory. */
  refuseArchived(ref: RequestRef): Promise<void>
  /** Uploaded certificates of others, and requests that ended without one. Throws conflict for all else, and then removes none. */
  remove(refs: readonly RequestRef[]): Promise<void>
  relations(ref: RequestRef): Promise<Relation[]>
  /** Throws conflict where they are related already, one way or the other. */
  relate(related: Related): Promise<void>
  /** Throws conflict for a renewal, which stays. */
  unrelate(related: Related): Promise<void>
  /**
   * Takes a certificate in, whoever issued it: what an authority of the same organization has issued is imported under that, anything else is known and vouches for nobody.
   * Throws conflict for one that is there already, malformed, tooLarge.
   */
  upload(certificate: UploadedCertificate): Promise<{ id: number; uuid: string }>
  /** Audited as certificate.download.success. */
  download(ref: RequestRef, form: DownloadForm): Promise<Buffer>
  /** The issuers above, nearest first. */
  chain(ref: RequestRef): Promise<{ complete: boolean; issuers: ChainEntry[] }>
  /** Looks at it now, and keeps what was found. */
  validate(ref: RequestRef): Promise<KeptValidation>
  validation(profile: string): Promise<ValidationSettings>
  /** How the certificates of a profile are validated without being asked. */
  setValidation(profile: string, settings: unknown): Promise<ValidationSettings>
  attributes: {
    list(): Promise<AttributeDefinition[]>
    add(draft: AttributeDraft, organization?: string): Promise<AttributeDefinition>
    /** Name and type stay, and so does what certificates have of it, also where it does not fit any more. */
    change(uuid: string, draft: AttributeDraft): Promise<void>
    remove(uuid: string): Promise<void>
  }
  locations: {
    list(): Promise<Location[]>
    add(draft: LocationDraft, organization?: string): Promise<Location & { secret?: string }>
    change(uuid: string, change: LocationChange): Promise<void>
    remove(uuid: string): Promise<void>
    /** The certificates in it that may be read, the newest 1000. */
    content(uuid: string): Promise<LocatedCertificate[]>
  }
  locationsOf(ref: RequestRef): Promise<LocationEntry[]>
  /** It is put there at once, or when it is issued. Throws conflict where the place is taken. */
  associate(ref: RequestRef, place: { location: string; entry?: string }): Promise<void>
  /** It is put there once more, also after it was given up. Throws notFound, conflict where the location is switched off. */
  pushAgain(ref: RequestRef, location: string): Promise<void>
  /** What was put there stays there. */
  dissociate(ref: RequestRef, location: string): Promise<void>
}

export function createInventory(it: Installation, requester: Requester): Inventory {
  const context: AdminContext = { it, requester }
  return {
    entry: (ref) => readEntry(context, ref),
    opened: (ref) => noteOpened(context, ref),
    lines: (refs) => readLines(context, refs),
    setAttributes: (ref, attributes) => setAttributes(context, ref, attributes),
    setMetadata: (ref, metadata) => setMetadata(context, ref, metadata),
    assign: (refs, belonging) => assign(context, refs, belonging),
    archive: (refs) => archive(context, refs, true),
    unarchive: (refs) => archive(context, refs, false),
    refuseArchived: (ref) => refuseArchived(context, ref),
    remove: (refs) => removeItems(context, refs),
    relations: (ref) => relations(context, ref),
    relate: (related) => relate(context, related),
    unrelate: (related) => unrelate(context, related),
    upload: (certificate) => uploadCertificate(context, certificate),
    download: (ref, form) => download(context, ref, form),
    chain: (ref) => chainOfItem(context, ref),
    validate: (ref) => validateNow(context, ref),
    validation: (profile) => showValidation(context, profile),
    setValidation: (profile, settings) => setValidation(context, profile, settings),
    attributes: {
      list: () => listDefinitions(context),
      add: (draft, organization) => addDefinition(context, draft, organization),
      change: (uuid, draft) => changeDefinition(context, draft, uuid),
      remove: (uuid) => removeDefinition(context, uuid),
    },
    locations: {
      list: () => listLocations(context),
      add: (draft, organization) => addLocation(context, draft, organization),
      change: (uuid, change) => changeLocation(context, uuid, change),
      remove: (uuid) => removeLocation(context, uuid),
      content: (uuid) => contentOf(context, uuid),
    },
    locationsOf: (ref) => entriesOf(context, ref),
    associate: (ref, place) => associate(context, ref, place),
    pushAgain: (ref, location) => pushAgain(context, ref, location),
    dissociate: (ref, location) => dissociate(context, ref, location),
  }
}

async function readEntry({ it, requester }: AdminContext, ref: RequestRef): Promise<InventoryEntry> {
  const item = await findItem(it.db, requester, ref)
  const request = await readSignRequest(it.db, item.id)
  const certificate = await findCertificate(it.db, { id: item.id })
  const chain = certificate && (await chainFor(it, certificate))
  const facts = certificate && certificateFacts(certificate.der)
  const [kept, groups, locations] = await Promise.all([
    keptOf(it, item.id),
    groupsOf(it.db, [item.id]),
    readEntries(it.db, item.id),
  ])
  const validation = keptValidation(kept)
  const issuer = chain?.issuers[0]?.item
  const isCa = facts?.subjectType === 'rootCa' || facts?.subjectType === 'intermediateCa'
  return {
    item,
    ...(facts ? { facts } : {}),
    ...(kept?.owner && kept.owner_uuid ? { owner: { uuid: kept.owner_uuid, name: kept.owner } } : {}),
    groups: groups.get(item.id) ?? [],
    attributes: kept ? JSON.parse(kept.attributes) : [],
    metadata: kept ? JSON.parse(kept.metadata) : [],
    ...(isCa ? { trustedCa: item.foreign ? kept?.trusted_ca === 1 : true } : {}),
    privateKey: certificate !== undefined && (await isHeld(it.db, certificate)),
    exportable: certificate !== undefined && (await isKept(it.db, certificate)),
    compliance: complianceOf(request, certificate, chain),
    ...(validation ? { validation } : {}),
    locations,
    ...(issuer === undefined ? {} : { issuer }),
  }
}

function keptOf({ db }: Installation, id: number) {
  return withTables<CoreTables>(db)
    .selectFrom('inventory_records')
    .leftJoin('users', 'users.id', 'inventory_records.owner_id')
    .selectAll('inventory_records')
    .select(['users.uuid as owner_uuid', 'users.name as owner'])
    .where('inventory_records.id', '=', id)
    .executeTakeFirst()
}
