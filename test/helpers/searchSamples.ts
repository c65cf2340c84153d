import { randomBytes } from 'node:crypto'
import type { CoreTables } from '../../src/core/tables.ts'
import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import type { World } from './world.ts'

const day = 86_400_000
const parts = [
  'a',
  'B',
  'ab',
  'abc',
  '.',
  '%',
  '_',
  '"',
  "'",
  '\\',
  'Ä',
  'İ',
  'ß',
  '日本',
  ' ',
  'example',
  'AND',
  '*',
  '🔒',
]

/** The same numbers at each run. */
export function sequence(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    return (state >> 8) % below
  }
}

/** A text of up to so many parts that searches stumble over. */
export function oddText(next: (below: number) => number, length: number): string {
  return Array.from({ length: 1 + next(length) }, () => parts[next(parts.length)]).join('')
}

interface Samples {
  count: number
  /** Every third belongs to this organization. */
  elsewhere: number
  /** Ids of profiles and authorities to choose among. */
  profiles: (number | null)[]
  authorities: number[]
  /** Users behind some requesters. */
  people: number[]
}

/** Copies the newest issued certificate and its request so many times, each with other values. */
export async function addSamples({ it }: World, samples: Samples): Promise<void> {
  const { db } = it
  const tables = withTables<CoreTables>(db)
  const request = await tables
    .selectFrom('sign_requests')
    .selectAll()
    .where('status', '=', 'signed')
    .orderBy('id', 'desc')
    .executeTakeFirstOrThrow()
  const certificate = await tables
    .selectFrom('certificates')
    .selectAll()
    .where('id', '=', request.id)
    .executeTakeFirstOrThrow()
  const next = sequence(7)
  const now = it.clock().getTime()
  const one = <T>(of: readonly T[]): T => of[next(of.length)] as T
  await transaction(db, async (db) => {
    const groups = await addGroups(db, request.organization_id, now)
    for (let n = 0; n < samples.count; n++) {
      const organization_id = n % 3 === 0 ? samples.elsewhere : request.organization_id
      const who = next(5)
      const requester_key = `acme-account:${who}`
      const people = who < 2 ? [samples.people[who]] : []
      const requester = { kind: 'acme-account', ref: String(who), name: `Client ${who} ${parts[who]}`, people }
      const place = { organization_id, authority_id: one(samples.authorities), protocol: one(['acme', 'scep', 'est']) }
      const at = now - next(40) * day
      const identifiers = Array.from({ length: next(3) }, () => ({ type: 'dns', value: oddText(next, 3) }))
      const commonName = next(4) === 0 ? undefined : oddText(next, 3)
      const { id: _, ...like } = request
      const { id } = await withTables<CoreTables>(db)
        .insertInto('sign_requests')
        .values({
          ...like,
          ...place,
          uuid: randomBytes(16).toString('hex'),
          origin_ref: null,
          profile_id: one(samples.profiles) ?? request.profile_id,
          status: one(['signed', 'signed', 'denied', 'requested']),
          action: one(['issue', 'renew']),
          requester: JSON.stringify(requester),
          requester_key,
          wanted: JSON.stringify({
            ...JSON.parse(request.wanted),
            subject: commonName === undefined ? [] : [[{ type: 'CN', value: commonName }]],
            identifiers,
          }),
          created_at: at,
          ended_at: next(3) === 0 ? null : at + next(5) * 1000,
          expires_at: next(2) === 0 ? null : at + day,
        })
        .returning('id')
        .executeTakeFirstOrThrow()
      const revoked = next(4) === 0
      await withTables<CoreTables>(db)
        .insertInto('certificates')
        .values({
          ...certificate,
          id,
          organization_id,
          authority_id: place.authority_id,
          profile_id: one(samples.profiles),
          serial: randomBytes(8).toString('hex'),
          fingerprint: randomBytes(32).toString('hex'),
          subject:
            commonName === undefined
              ? 'O=Nobody'
              : `CN=${commonName.replace(/["\\]/g, '\\$&').replace(/^ | $/g, '\\ ')}`,
          identifiers: JSON.stringify(identifiers),
          key_algorithm: one(['P-256', 'RSA-2048']),
          not_before: at,
          not_after: at + next(40) * day,
          created_at: at,
          source: one(['managed', 'uploaded']),
          status: revoked ? one(['revoked', 'hold']) : 'issued',
          revoked_at: revoked ? at + day : null,
          revocation_reason: revoked ? one(['superseded', 'keyCompromise', null]) : null,
          requester_key,
        })
        .execute()
      const owner_id = next(3) === 0 ? one(samples.people) : null
      if (owner_id !== null) await own(db, { id, owner_id })
      for (const group_id of groups.filter(() => next(4) === 0))
        await withTables<CoreTables>(db)
          .insertInto('certificate_groups')
          .values({ certificate_id: id, group_id })
          .execute()
    }
  })
}

async function addGroups(db: Database, organization_id: number, created_at: number): Promise<number[]> {
  const row = { organization_id, description: null, email: null, created_at }
  const rows = await withTables<CoreTables>(db)
    .insertInto('groups')
    .values(['Web team', 'Äther'].map((name) => ({ ...row, name, uuid: randomBytes(16).toString('hex') })))
    .returning('id')
    .execute()
  return rows.map(({ id }) => id)
}

async function own(db: Database, { id, owner_id }: { id: number; owner_id: number }): Promise<void> {
  const empty = { archived_at: null, deleted_at: null, ca_subject: null, validation: null, validated_at: null }
  await withTables<CoreTables>(db)
    .insertInto('inventory_records')
    .values({
      ...empty,
      id,
      owner_id,
      attributes: '[]',
      metadata: '[]',
      trusted_ca: 0,
      validation_status: 'not_checked',
    })
    .execute()
}
