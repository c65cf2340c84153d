import { type Kysely, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { statement } from '../../db/statement.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { pemEncode } from '../../pki/pem.ts'
import { raiseAlert } from '../audit/alert.ts'
import { audit } from '../audit/audit.ts'
import { type Certificate, findCertificate } from '../certificate.ts'
import type { Installation } from '../installation.ts'
import { enqueueJob } from '../jobs.ts'
import { system } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { storable } from '../text.ts'
import { uuidv7 } from '../uuid.ts'
import { signWebhook } from '../webhook/webhookSignature.ts'
import { chainFor } from './inventoryValidation.ts'
import { entryName, type FolderSettings, LOCATION_SEAL, type WebhookSettings } from './location.ts'
import type { Delivered } from './locationEntry.ts'

/** The kind of the jobs that put a certificate where it belongs; their ref is the id of its entry. */
export const LOCATION_JOB = 'location.push'

/** How things leave the process; composed outside the core. Each rejects when it is not there for sure, and may be asked again. */
export interface LocationDelivery {
  /** Writes files, each as a whole, into a folder below the one that the configuration allows; `path`: its parts. */
  folder(path: readonly string[], files: readonly { name: string; content: string }[]): Promise<void>
  /** A POST that is answered with a status of 200 to 299. */
  webhook(settings: WebhookSettings, message: { headers: Record<string, string>; body: string }): Promise<void>
}

const BATCH = 50
/** How long a location is tried. */
const PATIENCE = 3 * 86_400_000

/** Makes jobs for what is issued by now. Answers how many entries have moved on. */
export async function queueLocations(it: Installation): Promise<number> {
  const at = it.clock()
  const { rows } = await settledWaiting(it.db)
  if (rows.length === 0) return 0
  await transaction(it.db, async (db) => {
    for (const { id, status } of rows) await queue(db, id, { signed: status === 'signed', at })
  })
  return rows.length
}

const settledWaiting = statement((tables: Kysely<CoreTables>) =>
  tables
    .selectFrom('certificate_locations')
    .innerJoin('sign_requests', 'sign_requests.id', 'certificate_locations.certificate_id')
    .select(['certificate_locations.id', 'sign_requests.status'])
    .where(sql<boolean>`certificate_locations.status = 'waiting'`)
    .where('sign_requests.status', 'not in', ['draft', 'requested', 'signing'])
    .orderBy('certificate_id')
    .limit(sql.lit(BATCH)),
)

async function queue(db: Database, id: number, { signed, at }: { signed: boolean; at: Date }): Promise<void> {
  const moved = await withTables<CoreTables>(db)
    .updateTable('certificate_locations')
    .set(signed ? { status: 'queued' } : { status: 'failed', last_error: 'no certificate was issued' })
    .where('id', '=', id)
    .where('status', '=', 'waiting')
    .returning('id')
    .executeTakeFirst()
  if (moved && signed) await enqueueJob(db, { kind: LOCATION_JOB, ref: String(id), runAt: at, at })
}

async function readEntry(db: Database, id: number) {
  return withTables<CoreTables>(db)
    .selectFrom('certificate_locations')
    .innerJoin('locations', 'locations.id', 'certificate_locations.location_id')
    .innerJoin('organizations', 'organizations.id', 'locations.organization_id')
    .select(['certificate_locations.id', 'certificate_id', 'location_id', 'entry', 'replaces_id', 'status'])
    .select(['locations.uuid', 'locations.name', 'kind', 'settings', 'secret', 'enabled'])
    .select(['organization_id', 'organizations.name as organization', 'organizations.uuid as organization_uuid'])
    .where('certificate_locations.id', '=', id)
    .executeTakeFirst()
}

type Entry = NonNullable<Awaited<ReturnType<typeof readEntry>>>

/** One job: puts a certificate where it belongs. Rejects when it has to be tried again. */
export async function pushLocation(it: Installation, delivery: LocationDelivery, ref: string): Promise<void> {
  const entry = await readEntry(it.db, Number(ref))
  if (entry?.status !== 'queued') return
  const certificate = await findCertificate(it.db, { id: entry.certificate_id })
  if (!certificate) return
  let delivered: Delivered
  try {
    if (entry.enabled !== 1) throw new Error('the location is switched off')
    delivered = await deliver(it, delivery, entry, certificate)
  } catch (error) {
    if (await notePushTrouble(it, entry, certificate, error)) throw error
    return
  }
  await transaction(it.db, (db) => arrived(db, entry, { certificate, delivered, at: it.clock() }))
}

async function deliver(
  it: Installation,
  delivery: LocationDelivery,
  entry: Entry,
  certificate: Certificate,
): Promise<Delivered> {
  const { fingerprint } = certificate
  const { issuers } = await chainFor(it, certificate)
  const [leaf, ...above] = [certificate.der, ...issuers.map(({ fields }) => fields.der)].map((der) =>
    pemEncode('CERTIFICATE', der),
  )
  if (entry.kind === 'folder') {
    const { path }: FolderSettings = JSON.parse(entry.settings)
    // Each organization has a folder of its own: none writes into that of another.
    const home = entryName.safeParse(entry.organization).success ? entry.organization : entry.organization_uuid
    const parts = [home, ...path.split('/')]
    const files = [
      { name: `${entry.entry}-chain.pem`, content: above.join('') },
      { name: `${entry.entry}.pem`, content: leaf ?? '' },
    ]
    await delivery.folder(parts, files)
    return { fingerprint, files: files.map(({ name }) => [...parts, name].join('/')).reverse() }
  }
  const settings: WebhookSettings = JSON.parse(entry.settings)
  const secret = it.vault.open(entry.secret ?? Buffer.alloc(0), entry.uuid, LOCATION_SEAL)
  const id = uuidv7(it.clock())
  const body = JSON.stringify({
    version: 1,
    event: 'certificate.located',
    delivery: id,
    location: entry.name,
    entry: entry.entry,
    uuid: certificate.uuid,
    serial: certificate.serial,
    fingerprint,
    notAfter: certificate.notAfter.toISOString(),
    certificate: leaf,
    chain: above,
  })
  await delivery.webhook(settings, { headers: signWebhook(secret, body, it.clock()), body })
  return { fingerprint, server: new URL(settings.url).origin, delivery: id }
}

interface Arrival {
  certificate: Certificate
  delivered: Delivered
  at: Date
}

async function arrived(db: Database, entry: Entry, { certificate, delivered, at }: Arrival): Promise<void> {
  const tables = withTables<CoreTables>(db)
  const moved = await tables
    .updateTable('certificate_locations')
    .set({ status: 'pushed', pushed_at: at.getTime(), last_error: null, replaces_id: null })
    .set({ delivered: JSON.stringify(delivered) })
    .where('id', '=', entry.id)
    .where('status', '=', 'queued')
    .returning('id')
    .executeTakeFirst()
  if (!moved) return
  await tables
    .updateTable('locations')
    .set({ delivered_at: at.getTime() })
    .where('id', '=', entry.location_id)
    .execute()
  if (entry.replaces_id !== null)
    await tables
      .deleteFrom('certificate_locations')
      .where('certificate_id', '=', entry.replaces_id)
      .where('location_id', '=', entry.location_id)
      .execute()
  await audit(db, system('locations'), at, {
    action: 'certificate.pushed',
    organizationId: entry.organization_id,
    subject: { kind: 'certificate', id: certificate.id },
    details: { location: entry.uuid, entry: entry.entry, replaced: entry.replaces_id },
  })
}

/** For whoever reads the location: a trouble of files names paths of this server, which are for its log alone. */
function troubleOf(error: unknown): string {
  if (!(error instanceof Error)) return storable(String(error)).slice(0, 500)
  if ('syscall' in error && 'path' in error && 'code' in error)
    return `the folder cannot be written (${String(error.code)}); the log of the server says more`
  return storable(error.message).slice(0, 500)
}

/** Whether to try again. */
async function notePushTrouble(
  it: Installation,
  entry: Entry,
  certificate: Certificate,
  error: unknown,
): Promise<boolean> {
  const at = it.clock()
  const detail = troubleOf(error)
  it.log.warn({ err: error, location: entry.uuid }, 'a certificate could not be put into its location')
  const issued = await withTables<CoreTables>(it.db)
    .selectFrom('certificates')
    .select('created_at')
    .where('id', '=', certificate.id)
    .executeTakeFirstOrThrow()
  const begun = await withTables<CoreTables>(it.db)
    .selectFrom('certificate_locations')
    .select('created_at')
    .where('id', '=', entry.id)
    .executeTakeFirst()
  if (!begun) return false
  const again = at.getTime() < Math.max(issued.created_at, begun.created_at) + PATIENCE
  await transaction(it.db, async (db) => {
    await withTables<CoreTables>(db)
      .updateTable('certificate_locations')
      .set({ last_error: detail, status: again ? 'queued' : 'failed' })
      .where('id', '=', entry.id)
      .where('status', '=', 'queued')
      .execute()
    if (again) return
    await raiseAlert(db, at, {
      kind: 'location_failed',
      organizationId: entry.organization_id,
      subject: { kind: 'certificate', id: certificate.id },
      detail: `the certificate ${certificate.uuid} could not be put into the location ${entry.name}: ${detail}`,
    })
  })
  return again
}
