import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Selectable } from 'kysely'
import { z } from 'zod'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import type { Witness } from '../../pki/cmcControl.ts'
import { isWitness } from '../../pki/cmcWitness.ts'
import type { PasswordMac } from '../../pki/cmpMac.ts'
import { type Identifier, parseCidr } from '../../pki/identifier.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import type { Change } from '../identity/identity.ts'
import type { Installation } from '../installation.ts'
import { nameProblems } from '../profile/names.ts'
import type { RaProfile } from '../profile/profile.ts'
import { requesterKey } from '../requester.ts'
import type { CoreTables } from '../tables.ts'

/**
 * eab: a MAC key of 64 random octets under a key identifier (RFC 8555 section 7.3.4). cmc: a shared secret, the base64url of 24 random octets as text, under an
 * identification (RFC 10002 section 6.2). cmp: the same, under a reference (RFC 9483 section 4.1.5). kek: an AES key by which private keys are encrypted for whoever knows it (RFC 7030 section 4.4.1.1).
 */
export const credentialKinds = ['eab', 'cmc', 'cmp', 'kek'] as const
export type CredentialKind = (typeof credentialKinds)[number]

const patterns = z.array(z.string().min(1).max(300)).max(1000).default([])

/**
 * The names that whoever enrols with a credential may order, by patterns as a profile has them. A kind that is not listed
 * is forbidden; what the profile does not certify stays so.
 */
export const credentialNames = z.strictObject({
  dns: patterns,
  wildcards: z.boolean().default(true),
  ip: patterns.refine(
    (networks) => networks.every(parseCidr),
    'a network is written like 192.0.2.0/24 or 2001:db8::/32',
  ),
  email: patterns,
  uri: patterns,
})
export type CredentialNames = z.output<typeof credentialNames>

/** A secret with which somebody may enrol, as adapters get it: they ask whether a proof is right and never see it. */
export interface Credential {
  id: number
  uuid: string
  /** The users behind whatever is asked with it: whoever made it. */
  people: number[]
  /** Whether `mac` is the HMAC of `input` under the secret; the comparison takes the same time wherever they differ. */
  verifyMac(hash: 'sha256' | 'sha384' | 'sha512', input: Buffer, mac: Buffer): boolean
  /** Whether a witness of CMC over `input` was made with the secret, as text, and this identification. */
  verifyWitness(witness: Witness, over: { identification?: string; input: Buffer }): boolean
  /** How octets are MACed in CMP under the secret as text: what came, and its answer. */
  passwordMac(mac: PasswordMac): Promise<(input: Buffer) => Buffer>
  /** Whether these are the octets of the secret as text. */
  isSecret(octets: Buffer): boolean
}

/** RFC 8555 section 7.3.4: ASCII. Neither white space nor quotes, since people copy it into files. */
export const credentialName = /^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,98}$/

/** The additional data of the seal: a sealed secret opens in its own row alone. */
export function sealPurpose(kind: CredentialKind): string {
  return `credential ${kind}`
}

/**
 * The credential of that kind and name on a profile, whatever its state: that is for redeemCredential, after the proof,
 * so that nobody without the secret learns of it.
 */
export async function findCredential(
  { db, vault }: Pick<Installation, 'db' | 'vault'>,
  profile: RaProfile,
  kind: CredentialKind,
  name: string,
): Promise<Credential | undefined> {
  if (!credentialName.test(name)) return undefined
  const row = await withTables<CoreTables>(db)
    .selectFrom('credentials')
    .select(['id', 'uuid', 'sealed', 'created_by'])
    .where('profile_id', '=', profile.id)
    .where('kind', '=', kind)
    .where('name', '=', name)
    .executeTakeFirst()
  if (!row) return undefined
  const secret = vault.open(row.sealed, row.uuid, sealPurpose(kind))
  return {
    id: row.id,
    uuid: row.uuid,
    people: [row.created_by],
    verifyMac(hash, input, mac) {
      const right = createHmac(hash, secret).update(input).digest()
      return mac.length === right.length && timingSafeEqual(mac, right)
    },
    verifyWitness: (witness, over) => isWitness(witness, { secret: secret.toString('base64url'), ...over }),
    passwordMac: (mac) => mac.derive(Buffer.from(secret.toString('base64url'))),
    isSecret(octets) {
      const right = Buffer.from(secret.toString('base64url'))
      return octets.length === right.length && timingSafeEqual(octets, right)
    },
  }
}

/**
 * Uses a credential, in the transaction that stores what it was used for: one that is good once is taken once. Throws
 * Failure('forbidden') with the reason when it is revoked, past its time or used up.
 */
export async function redeemCredential(db: Database, { actor, at }: Change, id: number): Promise<void> {
  const now = at.getTime()
  const used = await withTables<CoreTables>(db)
    .updateTable('credentials')
    .set({ used_at: now, used_by: requesterKey(actor) })
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .where(({ or, eb }) => or([eb('expires_at', 'is', null), eb('expires_at', '>', now)]))
    .where(({ or, eb }) => or([eb('single_use', '=', 0), eb('used_at', 'is', null)]))
    .returning(['kind', 'name', 'organization_id'])
    .executeTakeFirst()
  if (!used) throw new Failure('forbidden', whyUnusable(await readCredential(db, id), now))
  await audit(db, actor, at, {
    action: 'credential.used',
    organizationId: used.organization_id,
    subject: { kind: 'credential', id },
    details: { kind: used.kind, name: used.name },
  })
}

function whyUnusable({ name, revoked_at, expires_at }: Row, now: number): string {
  if (revoked_at !== null) return revoked(name)
  if (expires_at !== null && expires_at <= now) return `the credential ${name} is past its time: ask for another one`
  return `the credential ${name} was good once and is used: ask for another one`
}

function revoked(name: string): string {
  return `the credential ${name} was revoked: ask for another one`
}

/**
 * Whether these names may be ordered by one who enrolled with a credential, which its end does not undo and its
 * revocation does. `bound`: it was made for certain names, these among them. Throws Failure: forbidden when it was
 * revoked, rejectedIdentifier with a problem for each name outside. `until`: in a transaction, a revocation waits for its end.
 */
export async function admitCredential(
  db: Database,
  id: number,
  identifiers: readonly Identifier[],
  until?: 'commit',
): Promise<{ bound: boolean }> {
  const { name, revoked_at, identifiers: allowed } = await readCredential(db, id, until)
  if (revoked_at !== null) throw new Failure('forbidden', revoked(name))
  if (allowed === null) return { bound: false }
  const problems = nameProblems(
    credentialNames.parse(JSON.parse(allowed)),
    identifiers,
    `the credential ${name} is for`,
  )
  if (problems.length === 0) return { bound: true }
  throw new Failure('rejectedIdentifier', problems.map(({ detail }) => detail).join('; '), { problems })
}

type Row = Selectable<CoreTables['credentials']>

async function readCredential(db: Database, id: number, until?: 'commit'): Promise<Row> {
  const query = withTables<CoreTables>(db).selectFrom('credentials').selectAll().where('id', '=', id)
  // Shared: many orders of one credential are stored at a time. On SQLite a transaction is alone already.
  const row = await (until && db.dialect === 'postgres' ? query.forShare() : query).executeTakeFirst()
  if (!row) throw new Failure('internal', 'a credential is missing')
  return row
}
