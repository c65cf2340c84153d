import type { Kysely } from 'kysely'
import { z } from 'zod'
import type { Database } from '../../db/open.ts'
import { keptStatement, withTables } from '../../db/tables.ts'
import { nameProblems as subjectProblems } from '../../pki/name.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import { createCache } from '../installation.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { uuidv7 } from '../uuid.ts'
import { checkRules } from './decide.ts'
import { type CertificateProfile, type ProfileSettings, profileSettings, type RaProfile } from './profile.ts'
import { type ApprovalRules, approvalRules } from './rule.ts'
import { explained } from './ruleTrouble.ts'
import { subjectOf } from './subject.ts'

const caches = new WeakMap<Database, ReturnType<typeof createCache<string, RaProfile>>>()

const versionByName = keptStatement((tables: Kysely<CoreTables>, name: string) =>
  tables.selectFrom('ra_profiles').select(['id', 'version']).where('name', '=', name),
)
const versionById = keptStatement((tables: Kysely<CoreTables>, id: number) =>
  tables.selectFrom('ra_profiles').select(['id', 'version']).where('id', '=', id),
)

/** Reads a profile by name or id; what has not changed since comes from memory. Throws Failure('notFound'). */
export async function loadProfile(db: Database, ref: string | number): Promise<RaProfile> {
  const { rows } = await (typeof ref === 'number' ? versionById(db, ref) : versionByName(db, ref))
  const [row] = rows
  if (!row) throw new Failure('notFound', 'there is no such profile')
  let cache = caches.get(db)
  if (!cache) {
    cache = createCache(500)
    caches.set(db, cache)
  }
  const key = `${row.id}:${row.version}`
  const known = cache.get(key)
  if (known) return known
  const profile = await readProfile(db, row.id)
  cache.set(key, profile)
  return profile
}

async function readProfile(db: Database, id: number): Promise<RaProfile> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('ra_profiles')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  return {
    id: row.id,
    uuid: row.uuid,
    organizationId: row.organization_id,
    name: row.name,
    authorityId: row.authority_id,
    enabled: row.enabled === 1,
    builtin: row.builtin === 1,
    version: row.version,
    settings: profileSettings.parse(JSON.parse(row.settings)),
    protocols: JSON.parse(row.protocols),
    rules: approvalRules.parse(JSON.parse(row.rules)),
  }
}

/** How a profile is written down: what `countersign profile set` reads. */
export interface ProfileDraft {
  name: string
  organizationId: number
  authorityId: number
  enabled: boolean
  builtin: boolean
  /** As people write it; validated by profileSettings. */
  settings: unknown
  /** By protocol: options as people write them; validated by the adapters' schemas before they come here. */
  protocols: Record<string, unknown>
  rules: unknown
}

/** Letters, digits and dashes: profile and authority names stand in URLs. Built-in ones begin with @, which no client can name. */
export const slug = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'a name is made of lower-case letters, digits and dashes')

/** Creates a profile or replaces all of it, in the caller's transaction. Throws Failure('malformed') naming what is wrong. */
export async function saveProfile(
  db: Database,
  draft: ProfileDraft,
  { actor, at }: { actor: Requester; at: Date },
): Promise<{ id: number }> {
  const { settings, rules } = checkProfile(draft)
  const now = at.getTime()
  const columns = {
    authority_id: draft.authorityId,
    enabled: draft.enabled ? 1 : 0,
    settings: JSON.stringify(settings),
    protocols: JSON.stringify(draft.protocols),
    rules: JSON.stringify(rules),
    updated_at: now,
  }
  const saved = await withTables<CoreTables>(db)
    .insertInto('ra_profiles')
    .values({
      ...columns,
      uuid: uuidv7(at),
      organization_id: draft.organizationId,
      name: draft.name,
      builtin: draft.builtin ? 1 : 0,
      created_at: now,
    })
    .onConflict((conflict) =>
      conflict
        .column('name')
        .doUpdateSet((eb) => ({ ...columns, version: eb('ra_profiles.version', '+', 1) }))
        .where('ra_profiles.organization_id', '=', draft.organizationId),
    )
    .returning(['id', 'version'])
    .executeTakeFirst()
  if (!saved) throw new Failure('conflict', 'a profile of that name exists in another organization')
  await audit(db, actor, at, {
    action: saved.version === 1 ? 'profile.created' : 'profile.changed',
    organizationId: draft.organizationId,
    subject: { kind: 'profile', id: saved.id },
    details: {
      name: draft.name,
      authorityId: draft.authorityId,
      enabled: draft.enabled,
      settings: columns.settings,
      protocols: columns.protocols,
      rules: columns.rules,
    },
  })
  return { id: saved.id }
}

function checkProfile(draft: ProfileDraft): { settings: unknown; rules: ApprovalRules } {
  if (!draft.builtin) read(slug, draft.name, 'name')
  const settings: ProfileSettings = read(profileSettings, draft.settings, 'settings')
  checkCertificate(settings.certificate, 'settings', draft.builtin)
  for (const [name, { certificate }] of Object.entries(settings.variants))
    checkCertificate(certificate, `settings.variants.${name}`, draft.builtin)
  const rules = read(approvalRules, draft.rules, 'rules')
  checkRules(rules)
  // Stored as written: lengths of time and defaults are read again at each load.
  return { settings: draft.settings, rules }
}

function checkCertificate(certificate: CertificateProfile, at: string, builtin: boolean): void {
  const { validity, type } = certificate
  if (validity.default > validity.max)
    throw new Failure('malformed', `${at}: the default validity is longer than the longest`)
  if (!builtin && (type === 'ocsp' || type === 'message'))
    throw new Failure('malformed', `${at}: the type ${type} is the installation’s own`)
  // What the template makes of a name, and of a CSR that says something harmless for every attribute.
  const said = Object.keys(certificate.subject).map((type) => [{ type, value: type === 'C' ? 'AQ' : 'x' }])
  const rendered = subjectOf(certificate, { subject: said }, [{ type: 'dns', value: 'www.example.org' }])
  const [problem] = [...subjectProblems(said), ...subjectProblems(rendered)]
  if (problem) throw new Failure('malformed', `${at}.subject: ${problem}`)
}

function read<T extends z.ZodType>(schema: T, value: unknown, at: string): z.output<T> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issues = parsed.error.issues.flatMap((issue) => explained(issue, value))
  const problems = issues.map(({ path, message }) => ({
    at: [at, ...path].join('.'),
    code: 'malformed' as const,
    detail: message,
  }))
  const [first] = problems
  throw new Failure('malformed', `${first?.at}: ${first?.detail}`, { problems })
}
