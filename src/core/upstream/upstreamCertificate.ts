import type { Database } from '../../db/open.ts'
import { forUpdate, withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { CertificateFields } from '../../pki/certificateReader.ts'
import { fingerprint, readCertificate } from '../../pki/certificateReader.ts'
import { orderChain } from '../../pki/chain.ts'
import { PkiError } from '../../pki/error.ts'
import { pemEncode } from '../../pki/pem.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { insertForeign, refuseOther } from '../issuance/upload.ts'
import type { SignRequest } from '../request/request.ts'
import { moveSignRequest } from '../request/transition.ts'
import { system } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { endWork, type Work } from './upstreamWork.ts'

/**
 * Takes what an upstream CA has issued, held against the request as an upload is, with the chain that came with it: from this commit on the
 * request is `signed`. Throws Failure('conflict') for a certificate that is not the one that was ordered, Overtaken.
 */
export async function takeCertificate(
  it: Installation,
  { work, request }: { work: Work; request: SignRequest },
  given: Buffer[],
): Promise<void> {
  const { fields, issuer, chain } = await checked(it, request, given)
  const now = it.clock()
  await transaction(it.db, async (db) => {
    await endWork(db, it, work)
    const issuerId = await keepIssuer(db, work.authorityId, { issuer, chain, now })
    await moveSignRequest(db, {
      id: request.id,
      from: 'signing',
      to: 'signed',
      actor: system('upstream'),
      at: now,
      set: { last_error: null },
      details: { serial: fields.serial, fingerprint: fingerprint(fields.der), order: work.orderUrl ?? null },
    })
    await insertForeign(db, { request, issuerId, fields, now })
  })
}

interface Checked {
  fields: CertificateFields
  issuer: CertificateFields
  chain: Buffer[]
}

async function checked(it: Installation, request: SignRequest, given: Buffer[]): Promise<Checked> {
  const refuse = (why: string, cause?: unknown) =>
    new Failure('conflict', `what the upstream CA has issued is not what was ordered: ${why}`, { cause })
  try {
    const [leaf = Buffer.alloc(0), ...others] = given
    const fields = readCertificate(leaf)
    await refuseOther(it, { request, fields })
    // In what order they come is left to the CA; each is checked against the one above it.
    const [, ...chain] = orderChain(leaf, others)
    const [above, ...rest] = chain
    if (!above) throw refuse('the certificate of its issuer did not come with it')
    return { fields, issuer: readCertificate(above), chain: rest }
  } catch (error) {
    if (error instanceof PkiError) throw refuse(error.message, error)
    if (error instanceof Failure && error.code === 'malformed') throw refuse(error.detail, error)
    throw error
  }
}

interface Above {
  issuer: CertificateFields
  chain: Buffer[]
  now: Date
}

/** The row of the CA's certificate with these above it; one that was not known becomes the active one. */
async function keepIssuer(db: Database, authorityId: number, { issuer, chain, now }: Above): Promise<number> {
  const tables = withTables<CoreTables>(db)
  // One after the other: there is one active certificate.
  await forUpdate(db, tables.selectFrom('authorities').select('id').where('id', '=', authorityId)).executeTakeFirst()
  const pem = chain.map((der) => pemEncode('CERTIFICATE', der)).join('')
  const rows = await tables
    .selectFrom('authority_certificates')
    .select(['id', 'certificate'])
    .where('authority_id', '=', authorityId)
    .where('spki_hash', '=', issuer.publicKey.spkiHash)
    .where('chain', '=', pem)
    .execute()
  const known = rows.find(({ certificate }) => certificate.equals(issuer.der))
  if (known) return known.id
  await tables
    .updateTable('authority_certificates')
    .set({ active: 0 })
    .where('authority_id', '=', authorityId)
    .where('active', '=', 1)
    .execute()
  const { id } = await tables
    .insertInto('authority_certificates')
    .values({
      authority_id: authorityId,
      key_id: null,
      certificate: issuer.der,
      chain: pem,
      spki_hash: issuer.publicKey.spkiHash,
      not_after: issuer.notAfter.getTime(),
      active: 1,
      created_at: now.getTime(),
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  await tables
    .updateTable('authorities')
    .set((eb) => ({ version: eb('version', '+', 1) }))
    .where('id', '=', authorityId)
    .execute()
  return id
}
