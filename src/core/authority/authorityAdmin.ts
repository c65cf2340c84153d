import type { KeyObject } from 'node:crypto'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { isUniqueViolation, transaction } from '../../db/transaction.ts'
import { issueCertificate } from '../../pki/certificate.ts'
import { type CertificateFields, readCertificate } from '../../pki/certificateReader.ts'
import { orderChain } from '../../pki/chain.ts'
import { readPemBundle, readPkcs12 } from '../../pki/import.ts'
import { type Name, nameProblems, parseNameText } from '../../pki/name.ts'
import { pemEncode } from '../../pki/pem.ts'
import { keyIdentifier, type PublicKeyInfo, publicKeyFrom } from '../../pki/publicKey.ts'
import { signerFor } from '../../pki/signer.ts'
import type { NewAuthority } from '../admin.ts'
import { asMalformed } from '../asMalformed.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { issueOwn } from '../issuance/builtin.ts'
import { makePrivateKey, storeKey } from '../key.ts'
import { refuseWeakKey } from '../profile/policy.ts'
import { slug } from '../profile/profiles.ts'
import { usages } from '../profile/usage.ts'
import type { Requester } from '../requester.ts'
import { type LastCrl, lastCrl, takeOverCrl, takeOverWarnings } from '../revocation/importedCrl.ts'
import type { CoreTables } from '../tables.ts'
import { newSerial, uuidv7 } from '../uuid.ts'
import { type AuthorityKind, loadAuthority, loadIssuer } from './authority.ts'

/** Where a new authority belongs. */
export interface Belonging {
  organizationId: number
  ownerId: number | null
}

/** Before its first second, so that a clock which is a little behind accepts what is issued at once. */
export const backdate = 3_600_000

/** Runs in the transaction that stores a new authority, with its id; what it throws undoes that and reaches the caller. */
export type AuthorityClaim = (db: Database, id: number) => Promise<void>

/** Makes an authority of ours: a root signs itself, any other is signed by its parent over the ordinary road. Returns its id. */
export async function createAuthority(
  it: Installation,
  requester: Requester,
  draft: NewAuthority & Belonging,
  claim?: AuthorityClaim,
): Promise<number> {
  checkName(draft.name)
  // Before a parent signs: its certificate of what cannot be stored would be one whose key nobody has.
  await refuseTaken(it.db, draft.name)
  const key = await makePrivateKey(draft.key)
  const made =
    draft.parent === undefined ? await selfSigned(it, draft, key) : await signedByParent(it, requester, draft, key)
  return insertAuthority(it, requester, { ...draft, kind: 'local', key, ...made }, claim)
}

/** A certificate of an authority and its issuers, nearest first, all DER. */
export interface Made {
  certificate: Buffer
  chain: Buffer[]
}

async function selfSigned(it: Installation, draft: NewAuthority, key: KeyObject): Promise<Made> {
  const now = it.clock()
  const signer = signerFor(key)
  const subject = readSubject(draft.subject)
  const certificate = await issueCertificate(
    {
      serial: newSerial(now),
      issuer: subject,
      subject,
      notBefore: new Date(now.getTime() - backdate),
      notAfter: new Date(now.getTime() + draft.validity),
      publicKey: signer.publicKey,
      ...ofRoots(signer.publicKey),
      ...(draft.pathLength === undefined ? {} : { pathLength: draft.pathLength }),
      ...(draft.nameConstraints ? { nameConstraints: draft.nameConstraints } : {}),
      authorityKeyIdentifier: keyIdentifier(signer.publicKey),
    },
    signer,
  )
  return { certificate, chain: [] }
}

/** What certificates that a root makes of roots have in common: nobody is told where to ask about them. */
export const ofRoots = ({ algorithm }: PublicKeyInfo) =>
  ({
    type: 'ca',
    identifiers: [],
    keyUsage: usages('ca', algorithm),
    extendedKeyUsage: [],
    crlUrls: [],
    ocspUrls: [],
    issuerUrls: [],
  }) as const

async function signedByParent(
  it: Installation,
  requester: Requester,
  draft: NewAuthority,
  key: KeyObject,
): Promise<Made> {
  const parent = await loadAuthority(it, draft.parent ?? '')
  if (!parent.issuer) throw new Failure('unsupported', `${parent.name} does not sign here`)
  const now = it.clock()
  const end = Math.min(now.getTime() + draft.validity, parent.issuer.certificate.notAfter.getTime())
  const subject = readSubject(draft.subject)
  const certificate = await issueOwn(it, {
    authority: parent,
    type: 'ca',
    key,
    commonName: draft.name,
    subject,
    notAfter: new Date(end),
    ...(draft.pathLength === undefined ? {} : { pathLength: draft.pathLength }),
    ...(draft.nameConstraints ? { nameConstraints: draft.nameConstraints } : {}),
    requester,
  })
  // The one that has signed: the parent may have another key since it was looked at.
  const signer = await loadIssuer(it, certificate.authorityCertificateId ?? parent.issuer.id)
  return { certificate: certificate.der, chain: [signer.certificate.der, ...signer.chain] }
}

interface ImportDraft extends Belonging {
  name: string
  pem?: string
  pkcs12?: Buffer
  passphrase?: string
  /** The last CRL that it published, DER or PEM, and the number of the last one where that is another. */
  crl?: Buffer
  crlNumber?: bigint
}

/**
 * An existing CA with its key, as PEM or PKCS#12, and what it revoked before. Throws Failure('malformed') with what does
 * not fit; answers what the administrator should know.
 */
export async function importAuthority(it: Installation, requester: Requester, draft: ImportDraft): Promise<string[]> {
  checkName(draft.name)
  const bundle = await asMalformed(async () => {
    if (draft.pkcs12) return readPkcs12(draft.pkcs12, draft.passphrase ?? '')
    return readPemBundle(draft.pem ?? '', draft.passphrase)
  })
  const { privateKey: key } = bundle
  if (!key)
    throw new Failure(
      'malformed',
      'the private key is missing: add it, or add the authority as one that signs elsewhere',
    )
  const { spkiHash } = publicKeyFrom(key)
  const own = bundle.certificates.find((der) => asMalformed(() => readCertificate(der)).publicKey.spkiHash === spkiHash)
  if (!own) throw new Failure('malformed', 'no certificate in the file belongs to the private key')
  const made = await ordered(it, own, bundle.certificates)
  const now = it.clock()
  const last = lastCrl(draft, readCertificate(made.certificate), now)
  await insertAuthority(it, requester, { ...draft, kind: 'local', key, ...made, last })
  return takeOverWarnings(last, draft.name, now)
}

/** An authority that signs elsewhere: PEM of its certificate first, then its issuers. */
export async function addManualAuthority(
  it: Installation,
  requester: Requester,
  draft: { name: string; pem: string } & Belonging,
): Promise<number> {
  checkName(draft.name)
  const { certificates } = asMalformed(() => readPemBundle(draft.pem))
  const [own] = certificates
  if (!own) throw new Failure('malformed', 'the PEM holds no certificate')
  const made = await ordered(it, own, certificates)
  return insertAuthority(it, requester, { ...draft, kind: 'manual', ...made })
}

/** Puts what was uploaded in order. Throws Failure('malformed'). */
export async function ordered(it: Installation, own: Buffer, all: Buffer[]): Promise<Made> {
  const [certificate, ...chain] = asMalformed(() => orderChain(own, all))
  if (!certificate) throw new Failure('malformed', 'there is no certificate')
  checkCa(
    asMalformed(() => readCertificate(certificate)),
    it.clock(),
  )
  return { certificate, chain }
}

/** Throws Failure('malformed'). */
export function checkCa(fields: CertificateFields, now: Date): void {
  if (!fields.isCa) throw new Failure('malformed', 'the certificate is not one of a CA (basicConstraints)')
  if (fields.keyUsage && !fields.keyUsage.includes('keyCertSign'))
    throw new Failure('malformed', 'the CA may not sign certificates (keyUsage)')
  if (fields.notAfter <= now)
    throw new Failure('malformed', `the CA certificate ended on ${fields.notAfter.toISOString()}`)
  const { algorithm, size } = fields.publicKey
  if (algorithm === 'RSA' && size < 2048)
    throw new Failure('badKey', `the CA has an RSA key of ${size} bits: 2048 is the least`)
  refuseWeakKey(fields.publicKey)
}

/** RFC 4514 text of what an authority is to be called (RFC 5280 section 4.1.2.4: never nothing; appendix A: how long). Throws Failure('malformed'). */
export function readSubject(text: string): Name {
  const subject = asMalformed(() => parseNameText(text))
  const [problem] = subject.length === 0 ? ['it names nobody'] : nameProblems(subject)
  if (problem !== undefined) throw new Failure('malformed', `subject: ${problem}`)
  return subject
}

export function checkName(name: string): void {
  const parsed = slug.safeParse(name)
  if (!parsed.success) throw new Failure('malformed', `name: ${parsed.error.issues[0]?.message}`)
}

type Row = Made & Belonging & { name: string; kind: AuthorityKind; key?: KeyObject; last?: LastCrl }

async function refuseTaken(db: Database, name: string): Promise<void> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('authorities')
    .select('id')
    .where('name', '=', name)
    .executeTakeFirst()
  if (row) throw taken(name)
}

const taken = (name: string, cause?: unknown) =>
  new Failure('conflict', `there is an authority ${name} already`, { cause })

async function insertAuthority(
  it: Installation,
  requester: Requester,
  row: Row,
  claim?: AuthorityClaim,
): Promise<number> {
  const now = it.clock()
  try {
    return await transaction(it.db, async (db) => {
      const id = await insertRows(db, it, { ...row, requester, now })
      await claim?.(db, id)
      return id
    })
  } catch (error) {
    if (isUniqueViolation(error)) throw taken(row.name, error)
    throw error
  }
}

async function insertRows(
  db: Database,
  it: Installation,
  row: Row & { requester: Requester; now: Date },
): Promise<number> {
  const { requester: actor, now: at, organizationId } = row
  const tables = withTables<CoreTables>(db)
  const fields = readCertificate(row.certificate)
  const keyId = row.key
    ? await storeKey(db, it.vault, { key: row.key, purpose: 'authority', organizationId }, { actor, at })
    : null
  const { id } = await tables
    .insertInto('authorities')
    .values({
      uuid: uuidv7(at),
      organization_id: organizationId,
      name: row.name,
      kind: row.kind,
      owner_id: row.ownerId,
      enabled: 1,
      settings: '{}',
      created_at: at.getTime(),
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  const issuer = await tables
    .insertInto('authority_certificates')
    .values({
      authority_id: id,
      key_id: keyId,
      certificate: row.certificate,
      chain: row.chain.map((der) => pemEncode('CERTIFICATE', der)).join(''),
      spki_hash: fields.publicKey.spkiHash,
      not_after: fields.notAfter.getTime(),
      active: 1,
      created_at: at.getTime(),
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  await audit(db, actor, at, {
    action: 'authority.created',
    organizationId,
    subject: { kind: 'authority', id },
    details: { name: row.name, kind: row.kind, serial: fields.serial, ownerId: row.ownerId },
  })
  const { last } = row
  if (last?.crl || last?.number !== undefined) {
    const authority = { id, organizationId, name: row.name }
    await takeOverCrl(db, { authority, issuerId: issuer.id, last, requester: actor, now: at })
  }
  return id
}
