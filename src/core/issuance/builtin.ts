import type { KeyObject } from 'node:crypto'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { writeCsr } from '../../pki/csrWriter.ts'
import type { Identifier } from '../../pki/identifier.ts'
import { type Name, nameOf } from '../../pki/name.ts'
import type { NameConstraints } from '../../pki/nameConstraints.ts'
import { signerFor } from '../../pki/signer.ts'
import type { LoadedAuthority } from '../authority/authority.ts'
import { type Certificate, findCertificate } from '../certificate.ts'
import type { Claim } from '../core.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { RaProfile } from '../profile/profile.ts'
import { loadProfile, saveProfile } from '../profile/profiles.ts'
import { parsePkcs10 } from '../request/csr.ts'
import type { Origin, SignDraft, SignRequest } from '../request/request.ts'
import { moveSignRequest } from '../request/transition.ts'
import { type Requester, system } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { sign } from './sign.ts'

export type BuiltinType = 'server' | 'ocsp' | 'message' | 'ca'

const settings = {
  server: { certificate: { type: 'server', validity: { default: '30d', max: '397d', backdate: '1h' } } },
  ocsp: {
    certificate: {
      type: 'ocsp',
      validity: { default: '30d', max: '397d', backdate: '1h' },
      names: { dns: [], ip: [] },
    },
  },
  message: {
    certificate: {
      type: 'message',
      validity: { default: '1y', max: '2y', backdate: '1h' },
      names: { dns: [], ip: [] },
    },
  },
  ca: {
    certificate: { type: 'ca', validity: { default: '10y', max: '30y', backdate: '1h' }, names: { dns: [], ip: [] } },
  },
} satisfies Record<BuiltinType, unknown>

/**
 * The profile by which an authority serves the installation itself. Its one rule is auto; its name begins with @, which
 * no adapter can name, and the door gives it to nobody but the requester `system`, or, for `ca`, to who holds create_ca.
 */
export async function builtinProfile(
  it: Installation,
  authority: LoadedAuthority,
  type: BuiltinType,
): Promise<RaProfile> {
  const name = `@${authority.name}/${type}`
  const known = await withTables<CoreTables>(it.db)
    .selectFrom('ra_profiles')
    .select('id')
    .where('name', '=', name)
    .executeTakeFirst()
  if (!known) {
    const draft = {
      name,
      organizationId: authority.organizationId,
      authorityId: authority.id,
      enabled: true,
      builtin: true,
      settings: {
        ...settings[type],
        certificate: { ...settings[type].certificate, overrides: ['subject', 'validity'] },
      },
      protocols: {},
      rules: { issue: [{ name: 'the installation itself', auto: true }] },
    }
    await transaction(it.db, (db) => saveProfile(db, draft, { actor: system('builtin'), at: it.clock() }))
  }
  return loadProfile(it.db, name)
}

export interface OwnCertificate {
  authority: LoadedAuthority
  type: BuiltinType
  key: KeyObject
  commonName: string
  subject?: Name
  identifiers?: Identifier[]
  notAfter?: Date
  /** Which certificate of the authority signs; absent: the active one. */
  issuer?: number
  pathLength?: number
  nameConstraints?: NameConstraints
  requester?: Requester
  /** There is one order of this origin and no other, whoever asks; `claim` runs in the transaction that makes it. Absent: each call is an order. */
  only?: { origin: Origin; claim: Claim }
}

/**
 * A certificate for the installation's own use, issued over the same road as any other. Throws Failure('unavailable') if it could not be;
 * 'conflict' where the only order is another's, or somebody else's at this moment.
 */
export async function issueOwn(it: Installation, own: OwnCertificate): Promise<Certificate> {
  const profile = await builtinProfile(it, own.authority, own.type)
  const subject = own.subject ?? nameOf({ CN: own.commonName })
  const identifiers = own.identifiers ?? []
  const csr = parsePkcs10(await writeCsr({ subject, identifiers }, signerFor(own.key)))
  const draft: SignDraft = {
    profile,
    protocol: 'internal',
    action: 'issue',
    csr,
    identifiers,
    validated: identifiers,
    subject,
    ...(own.notAfter ? { notAfter: own.notAfter } : {}),
    ...(own.issuer === undefined ? {} : { issuer: own.issuer }),
    ...(own.pathLength === undefined ? {} : { pathLength: own.pathLength }),
    ...(own.nameConstraints ? { nameConstraints: own.nameConstraints } : {}),
    ...(own.only ? { origin: own.only.origin, once: true } : {}),
    refusal: 'throw',
  }
  const { request, repeat } = await sign(it, own.requester ?? system(own.type), draft, own.only?.claim)
  if (request.authorityId !== own.authority.id)
    throw new Failure('conflict', `another authority signs ${own.commonName}, or has: one does`)
  const certificate = await findCertificate(it.db, { id: request.id })
  if (certificate) return certificate
  if (repeat && request.status === 'signing')
    throw new Failure('conflict', `${own.commonName} is being signed at this moment: ask again`)
  await giveUp(it, request)
  throw new Failure(
    'unavailable',
    `a certificate for ${own.commonName} could not be issued: ${request.lastError ?? request.reason ?? request.status}`,
  )
}

/** Whoever asked will ask again, with another key: this order must not be signed later. */
async function giveUp(it: Installation, { id, status }: SignRequest): Promise<void> {
  if (status !== 'signing') return
  const set = { reason: 'the installation asks again by itself' }
  await transaction(it.db, (db) =>
    moveSignRequest(db, { id, from: 'signing', to: 'failed', actor: system('builtin'), at: it.clock(), set }),
  )
}
