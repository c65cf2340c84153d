import type { Door } from '../../src/core/core.ts'
import { createUser, type User } from '../../src/core/identity/identity.ts'
import type { ServerKey, ServerKeySlot } from '../../src/core/key/serverKey.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { Origin, SignRequest } from '../../src/core/request/request.ts'
import { type Requester, system } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { utf8 } from '../../src/pki/der.ts'
import { encodeGeneralNames } from '../../src/pki/identifier.ts'
import { type KeyRequest, readKeyRequest } from '../../src/pki/keyRequest.ts'
import { nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { attribute, buildCsr, ecKey, extension, extensionRequest } from './csrs.ts'
import { createWorld, type World } from './world.ts'

export const minute = 60_000
export const device: Requester = { kind: 'client-certificate', ref: 'device-7', name: 'device 7', people: [] }
export const auto = { issue: [{ name: 'nobody looks', auto: true }] }
export const waits = { issue: [{ name: 'a person looks', require: [{ users: ['boss'] }] }] }

export interface Ordered {
  slot: ServerKeySlot
  key: ServerKey
  request: SignRequest
  repeat: boolean
}

/** A whole core whose server makes keys for `device`, and a profile that is new for each test. */
export interface ServerKeyWorld {
  world: World
  boss: User
  door: Door
  profile: RaProfile
  /** A profile for this test alone; again: the same one, changed. */
  save(change: Parameters<World['save']>[1], again?: 'again'): Promise<void>
  asked(ref?: string): Origin
  /** The key for an order, and what became of the order. */
  order(wishes?: { ref?: string; host?: string; keep?: boolean }): Promise<Ordered>
  handOver(ordered: Pick<Ordered, 'key' | 'request'>): Promise<Buffer>
  /** Of the profile, as they are stored. */
  rows(): ReturnType<typeof rowsOf>
  /** What the audit trail tells of them. */
  events(): Promise<{ action: string; details: string; actor: string }[]>
}

export async function createServerKeyWorld(db: Database): Promise<ServerKeyWorld> {
  const world = await createWorld(db)
  const first = await world.profile()
  const change = { actor: system('test'), at: world.time.now }
  const boss = await transaction(db, (db) =>
    createUser(db, change, { name: 'boss', organizationId: first.organizationId, superuser: true }),
  )
  let number = 0
  const it: ServerKeyWorld = {
    world,
    boss,
    door: world.core.as(device),
    profile: first,
    async save(change, again) {
      if (!again) number += 1
      it.profile = await world.save(`keygen-${number}`, change)
    },
    asked: (ref = 'device-7') => ({ protocol: 'est', ref }),
    async order({ ref, host = 'a.test', keep = false } = {}) {
      const { door, profile } = it
      const slot = await door.serverKeys.slot(profile, it.asked(ref))
      const key = await door.serverKeys.prepare({ profile, slot, request: requestFor(host), keep })
      const draft = { profile, protocol: 'est', action: 'issue', origin: slot.origin, csr: key.csr } as const
      return { slot, key, ...(await door.sign({ ...draft, refusal: 'store' })) }
    },
    handOver: ({ key, request }) =>
      it.door.serverKeys.handOver(key, { certificate: request.id, encrypted: false, repeat: 10 * minute }),
    rows: () => rowsOf(db, it.profile.id),
    async events() {
      const found = await withTables<CoreTables>(db)
        .selectFrom('audit_events')
        .select(['action', 'details', 'actor'])
        .where('action', 'like', 'server_key.%')
        .orderBy('id')
        .execute()
      const own = new Set((await it.rows()).map(({ spki_hash: hash }) => hash))
      return found.filter(({ details }) => own.has(JSON.parse(details).spkiHash))
    },
  }
  return it
}

function rowsOf(db: Database, profileId: number) {
  return withTables<CoreTables>(db)
    .selectFrom('server_keys')
    .selectAll()
    .where('profile_id', '=', profileId)
    .orderBy('id')
    .execute()
}

/** A client's request with a challengePassword. */
export function requestFor(host: string): KeyRequest {
  const names = encodeGeneralNames([{ type: 'dns', value: host }])
  const attributes = [
    extensionRequest(extension(OID.subjectAltName, names)),
    attribute(OID.challengePassword, utf8('not for the record')),
  ]
  return readKeyRequest(buildCsr({ key: ecKey(), subject: nameOf({ CN: host }), attributes }))
}
