import { fieldsOf } from '../../src/core/search/searchFields.ts'
import { type ConditionName, conditions, type Filter } from '../../src/core/search/searchFilter.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { parseNameText } from '../../src/pki/name.ts'
import type { Shown } from './searchModel.ts'
import { oddText, sequence } from './searchSamples.ts'
import type { World } from './world.ts'

const day = 86_400_000

/** All that there is, by what its rows in the tables say. */
export async function shownRows({ it }: World, kind: 'certificate' | 'sign'): Promise<(Shown & { id: number })[]> {
  const tables = withTables<CoreTables>(it.db)
  const names = new Map(
    (await tables.selectFrom('authorities').select(['id', 'name']).execute()).map((row) => [row.id, row.name]),
  )
  const profiles = new Map(
    (await tables.selectFrom('ra_profiles').select(['id', 'name']).execute()).map((row) => [row.id, row.name]),
  )
  const belonging = await belongings(it.db)
  const requests = await tables.selectFrom('sign_requests').selectAll().orderBy('id', 'desc').execute()
  const now = it.clock().getTime()
  if (kind === 'sign') {
    return requests.map((row) => {
      const wanted = JSON.parse(row.wanted)
      const commonName: string[] = wanted.subject
        .flat()
        .flatMap(({ type, value }: { type: string; value: string }) => (type === 'CN' ? [value] : []))
      return {
        id: row.id,
        ...belonging(row.id),
        names: wanted.identifiers.map(({ value }: { value: string }) => value),
        commonName,
        status: row.status,
        issuer: names.get(row.authority_id) ?? null,
        profile: profiles.get(row.profile_id) ?? null,
        protocol: row.protocol,
        action: row.action,
        requester: JSON.parse(row.requester).name,
        createdAt: row.created_at,
        endedAt: row.ended_at,
        expiresAt: row.expires_at,
        duration: row.ended_at === null ? null : row.ended_at - row.created_at,
      }
    })
  }
  const certificates = await tables.selectFrom('certificates').selectAll().orderBy('id', 'desc').execute()
  return certificates.map((row) => {
    const request = requests.find(({ id }) => id === row.id)
    return {
      id: row.id,
      ...belonging(row.id),
      subject: row.subject,
      commonName: parseNameText(row.subject)
        .flat()
        .flatMap(({ type, value }) => (type === 'CN' ? [value] : [])),
      names: JSON.parse(row.identifiers).map(({ value }: { value: string }) => value),
      serial: row.serial,
      fingerprint: row.fingerprint,
      status: row.status === 'issued' && row.not_after <= now ? 'expired' : row.status,
      issuer: names.get(row.authority_id) ?? null,
      profile: row.profile_id === null ? null : (profiles.get(row.profile_id) ?? null),
      protocol: request?.protocol ?? null,
      reason: row.revocation_reason,
      requester: JSON.parse(request?.requester ?? '{}').name,
      source: row.source,
      keyAlgorithm: row.key_algorithm,
      createdAt: row.created_at,
      notBefore: row.not_before,
      notAfter: row.not_after,
      revokedAt: row.revoked_at,
    }
  })
}

async function belongings(db: Database): Promise<(id: number) => { owner: string | null; groups: string[] }> {
  const tables = withTables<CoreTables>(db)
  const owners = await tables
    .selectFrom('inventory_records')
    .innerJoin('users', 'users.id', 'owner_id')
    .select(['inventory_records.id', 'name'])
    .execute()
  const groups = await tables
    .selectFrom('certificate_groups')
    .innerJoin('groups', 'groups.id', 'group_id')
    .select(['certificate_id', 'name'])
    .execute()
  return (id) => ({
    owner: owners.find((row) => row.id === id)?.name ?? null,
    groups: groups.filter((row) => row.certificate_id === id).map(({ name }) => name),
  })
}

/** Filters of which some hold: values are parts of what is there. */
export function randomFilter(kind: 'certificate' | 'sign', rows: Shown[], seed: number): Filter {
  const next = sequence(seed)
  const row = rows[next(rows.length)] ?? {}
  const fields = Object.keys(rows[0] ?? {}).filter((field) => field !== 'id')
  const field = fields[next(fields.length)] ?? 'names'
  const numeric = fieldsOf(kind).get(field)?.type !== 'text'
  const usable = conditions.filter((one) => {
    if (numeric) return !/contains|With|matches/i.test(one) && !(field === 'duration' && /^in/.test(one))
    return !/greater|lesser|^in/.test(one)
  })
  const condition = usable[next(usable.length)] ?? 'empty'
  if (/empty/i.test(condition)) return { field, condition }
  if (numeric) return { field, condition, value: /^in/.test(condition) ? next(60) * day : Number(row[field] ?? 0) }
  return { field, condition, value: textValue(next, row[field] ?? null, condition) }
}

function textValue(next: (below: number) => number, shown: Shown[string], condition: ConditionName): string | string[] {
  const whole = [shown].flat()[0]
  const text = typeof whole === 'string' && next(4) > 0 ? whole : oddText(next, 2)
  const letters = [...text]
  const from = next(letters.length)
  const part = letters.slice(from, from + 1 + next(5)).join('') || 'x'
  if (/atches/.test(condition)) return `^.*${part.replace(/[^a-z0-9]/gi, '.')}`
  if (/quals/.test(condition)) return next(3) === 0 ? [text, part] : text
  return next(3) === 0 ? [part, text] : part
}
