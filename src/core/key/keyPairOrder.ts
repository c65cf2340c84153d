import { createPrivateKey } from 'node:crypto'
import type { Database } from '../../db/open.ts'
import { forUpdate, withTables } from '../../db/tables.ts'
import { keptBareCertificate } from '../../pki/certificateIdentifier.ts'
import { readKeptRequest } from '../../pki/crmf.ts'
import type { Csr } from '../../pki/csr.ts'
import { writeCsr } from '../../pki/csrWriter.ts'
import type { Identifier } from '../../pki/identifier.ts'
import { decodeName, encodeName, type Name } from '../../pki/name.ts'
import { type Signer, signerFor } from '../../pki/signer.ts'
import { type Actor, type AdminContext, actorOf } from '../adminActor.ts'
import type { Certificate } from '../certificate.ts'
import type { Claim } from '../core.ts'
import { Failure } from '../failure.ts'
import { hasCapability } from '../identity/capability.ts'
import type { Installation } from '../installation.ts'
import type { KeySpec } from '../key.ts'
import type { RaProfile } from '../profile/profile.ts'
import { asBadCsr, parsePkcs10 } from '../request/csr.ts'
import { readSignRequest } from '../request/records.ts'
import type { CoreTables } from '../tables.ts'
import { generate, insertKeyPair, KEY_PAIR_SEAL, lockProfile, requireUsable } from './keyPair.ts'
import { destroyUnused } from './keyPairDestroy.ts'
import { type KeyPairRow, keyPairRow, keyPairRows } from './keyPairView.ts'

export type Digest = 'sha256' | 'sha384' | 'sha512'

/** What an order by a key of the keystore names. */
export interface KeyPairUse {
  /** Uuid of the key pair. */
  key: string
  /** Uuid of its key profile; another one is no such key. */
  keyProfile?: string
  /** By which the CSR is signed; with EC and Ed25519 only the one that goes with the key. Absent: for a successor that of the request before. */
  digest?: Digest
}

export interface KeyPairOrder {
  /** Signed by the key. */
  csr: Csr
  /** For `sign`, `park` and `submit`: the key is there, and stays until the record is stored. */
  claim: Claim
}

interface Named {
  subject: Name
  identifiers: readonly Identifier[]
  /** Taken where none is named and the key has a choice. */
  before?: Digest
}

/** See KeyPairs.order. */
export async function orderByKeyPair(
  { it, requester }: AdminContext,
  profile: RaProfile,
  { key: uuid, keyProfile, digest, before, ...names }: KeyPairUse & Named,
): Promise<KeyPairOrder> {
  const actor = await actorOf(it.db, requester)
  const row = await keyPairRow(it.db, actor, uuid)
  const inPlace = row.organization_id === profile.organizationId
  if (!inPlace || (keyProfile !== undefined && keyProfile !== row.profile_uuid))
    throw new Failure('notFound', inPlace ? 'there is no such key in this key profile' : 'there is no such key')
  await requireUser(it.db, actor, row)
  requireReady(row)
  const csr = await csrBy(signerOf(it, row, digestFor(row.spec as KeySpec, { digest, before })), names)
  return { csr, claim: (db) => hold(db, row.id) }
}

/** By a key sign its owner, who made it, the members of its groups, and who manages keys. Throws Failure('forbidden'). */
async function requireUser(db: Database, actor: Actor, { id, name, owner_id, organization_id }: KeyPairRow) {
  const { user } = actor
  if (!user || user.id === owner_id) return
  const member = await withTables<CoreTables>(db)
    .selectFrom('key_pair_groups')
    .innerJoin('groups', 'groups.uuid', 'key_pair_groups.group_uuid')
    .innerJoin('group_members', 'group_members.group_id', 'groups.id')
    .select('group_members.user_id')
    .where('key_pair_id', '=', id)
    .where('group_members.user_id', '=', user.id)
    .executeTakeFirst()
  if (member || (await hasCapability(db, user, 'manage', { organizationId: organization_id }))) return
  throw new Failure(
    'forbidden',
    `the key ${name} is for its owner, its groups and who manages keys: make one of your own, or have one made for a group of yours`,
  )
}

function requireReady(row: Pick<KeyPairRow, 'name' | 'enabled' | 'destroyed_at'> & { profile_enabled: number }): void {
  if (row.destroyed_at !== null) throw new Failure('conflict', `the key ${row.name} is destroyed`)
  if (row.enabled !== 1) throw new Failure('conflict', `the key ${row.name} is disabled`)
  if (row.profile_enabled !== 1) throw new Failure('conflict', `the key profile of the key ${row.name} is disabled`)
}

/** Its row is locked until the record is stored: of an order and a destruction at once the second sees the first. */
async function hold(db: Database, id: number): Promise<void> {
  await forUpdate(db, withTables<CoreTables>(db).selectFrom('key_pairs').select('id').where('id', '=', id)).execute()
  requireReady(await keyPairRows(db).where('key_pairs.id', '=', id).executeTakeFirstOrThrow())
}

function signerOf(it: Installation, row: KeyPairRow, digest: Digest | undefined): Signer {
  if (!row.sealed) throw new Failure('conflict', `the key ${row.name} is destroyed`)
  const pkcs8 = it.vault.open(row.sealed, row.uuid, KEY_PAIR_SEAL)
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
  pkcs8.fill(0)
  return signerFor(key, digest)
}

const onlyDigest = {
  'P-256': 'sha256',
  'P-384': 'sha384',
  'P-521': 'sha512',
  Ed25519: 'sha512',
} as const satisfies Partial<Record<KeySpec, Digest>>

interface Choice {
  digest: Digest | undefined
  before: Digest | undefined
}

/** Throws Failure('badAlgorithm') for one that is named and that the key cannot sign with. */
function digestFor(spec: KeySpec, { digest, before }: Choice): Digest | undefined {
  if (!Object.hasOwn(onlyDigest, spec)) return digest ?? before
  const only = onlyDigest[spec as keyof typeof onlyDigest]
  if (digest !== undefined && digest !== only)
    throw new Failure('badAlgorithm', `a key ${spec} signs with ${only} alone`)
  return digest
}

/** The digest of the request of a certificate, where that was made by RSA. */
async function digestBefore(db: Database, { id }: Certificate): Promise<Digest | undefined> {
  const { csr } = await readSignRequest(db, id)
  const scheme = csr && readKeptRequest(csr).signatureAlgorithm
  return (['sha256', 'sha384', 'sha512'] as const).find((digest) => scheme === `${digest}WithRSAEncryption`)
}

async function csrBy(
  signer: Signer,
  { subject, identifiers }: { subject: Name; identifiers: readonly Identifier[] },
): Promise<Csr> {
  asBadCsr(() => encodeName(subject))
  return parsePkcs10(await writeCsr({ subject, identifiers }, signer))
}

export interface SuccessorKey extends KeyPairOrder {
  /** Does away with a key that was made for this order, where that was refused; one that was named stays. */
  refused(): Promise<void>
}

/** See KeyPairs.successor. */
export async function orderSuccessor(
  context: AdminContext,
  { certificate, profile, use }: { certificate: Certificate; profile: RaProfile; use: Partial<KeyPairUse> },
): Promise<SuccessorKey> {
  const before = await digestBefore(context.it.db, certificate)
  const names = { subject: subjectOf(certificate), identifiers: certificate.identifiers }
  if (use.key !== undefined) {
    const order = await orderByKeyPair(context, profile, {
      ...use,
      key: use.key,
      ...names,
      ...(before ? { before } : {}),
    })
    return { ...order, refused: async () => {} }
  }
  const { it, requester } = context
  const actor = await actorOf(it.db, requester)
  const old = await keyPairRows(it.db)
    .where('key_pairs.spki_hash', '=', certificate.spkiHash)
    .where('key_pairs.organization_id', '=', profile.organizationId)
    .where('key_pairs.destroyed_at', 'is', null)
    .executeTakeFirst()
  if (!old || certificate.organizationId !== profile.organizationId)
    throw new Failure('malformed', 'the key of this certificate is not in the keystore: name a key, or send a request')
  const spec = old.spec as KeySpec
  const keyProfile = await loadKeyProfile(it.db, old.key_profile_id)
  requireUsable(keyProfile, spec)
  const made = await generate(it, spec)
  const csr = await csrBy(signerFor(made.key, digestFor(spec, { digest: use.digest, before })), names)
  const groups = await groupUuids(it.db, old.id)
  const name = `${old.name.replace(/ [0-9a-f]{12}$/, '').slice(0, 80)} ${made.uuid.slice(-12)}`
  const described = { profile: keyProfile, name, description: old.description, enabled: true, groups }
  return {
    csr,
    async claim(db) {
      await lockProfile(db, keyProfile.id, spec)
      await insertKeyPair(db, { it, requester, actor }, made, { ...described, reason: 'rekey' })
    },
    refused: () => destroyUnused(it, made.uuid, { actor: requester, at: it.clock() }),
  }
}

function subjectOf({ der }: Certificate): Name {
  return decodeName(keptBareCertificate(der).subject)
}

function loadKeyProfile(db: Database, id: number) {
  return withTables<CoreTables>(db)
    .selectFrom('key_profiles')
    .select(['id', 'organization_id', 'name', 'enabled', 'specs'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
}

async function groupUuids(db: Database, id: number): Promise<string[]> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('key_pair_groups')
    .innerJoin('groups', 'groups.uuid', 'key_pair_groups.group_uuid')
    .select('groups.uuid')
    .where('key_pair_id', '=', id)
    .execute()
  return rows.map(({ uuid }) => uuid)
}
