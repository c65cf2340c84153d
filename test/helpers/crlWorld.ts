import { loadAuthority } from '../../src/core/authority/authority.ts'
import { type Certificate, findCertificate } from '../../src/core/certificate.ts'
import type { SignedCrl } from '../../src/core/core.ts'
import { type CrlRef, currentCrl } from '../../src/core/crl/crl.ts'
import { sign } from '../../src/core/issuance/sign.ts'
import { storeKey } from '../../src/core/key.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { RevokeDraft } from '../../src/core/request/request.ts'
import { system } from '../../src/core/requester.ts'
import { revoke } from '../../src/core/revocation/revoke.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { type CrlFields, readCrl, verifyCrl } from '../../src/pki/crlReader.ts'
import type { publicKeyFrom } from '../../src/pki/publicKey.ts'
import { acmeAccount, newCsr, type World } from './world.ts'

export const day = 86_400_000

/** What tests of CRLs do in a world, to the authority `issuing` unless another is named. */
export interface CrlWorld {
  issue(name: string, more?: { notAfter?: Date; profile?: RaProfile }): Promise<Certificate>
  revoke(certificate: Certificate, more?: Partial<RevokeDraft>): Promise<string>
  /** Read, and its signature checked by the certificate that it must be of. */
  crl(ref?: Partial<CrlRef>): Promise<CrlFields & { signed: SignedCrl }>
  serials(ref?: Partial<CrlRef>): Promise<string[]>
  settings(settings: Record<string, unknown>, authority?: string): Promise<void>
  /** Its settings and counters raised, as after a renewal with this key and certificate. Answers the id of the new one. */
  renew(made: { certificate: Buffer; key?: Parameters<typeof publicKeyFrom>[0] }): Promise<number>
  issuerId(authority?: string): Promise<number>
}

export function crlWorld(world: World): CrlWorld {
  const { it } = world
  const tables = () => withTables<CoreTables>(it.db)
  const issuerId = async (authority: string | number = 'issuing') =>
    (await loadAuthority(it, authority)).issuer?.id ?? 0
  const crl: CrlWorld['crl'] = async (ref = {}) => {
    const authority = ref.authority ?? 'issuing'
    const signed = await currentCrl(it, { ...ref, authority })
    const fields = readCrl(signed.der)
    const row = await tables()
      .selectFrom('authority_certificates')
      .select('certificate')
      .where('id', '=', ref.issuer ?? (await issuerId(authority)))
      .executeTakeFirstOrThrow()
    if (!verifyCrl(fields, readCertificate(row.certificate).publicKey)) throw new Error('not signed by its issuer')
    if (fields.number !== signed.number) throw new Error('the number is not the one in the CRL')
    return { ...fields, signed }
  }
  return {
    issuerId,
    crl,
    serials: async (ref) => (await crl(ref)).entries.map(({ serial }) => serial),
    async issue(name, more = {}) {
      const csr = await newCsr([name])
      const { identifiers } = csr
      const profile = await world.profile()
      const draft = { profile, protocol: 'acme', action: 'issue', csr, identifiers, validated: identifiers } as const
      const { request } = await sign(it, acmeAccount(), { ...draft, ...more, refusal: 'throw' })
      const certificate = await findCertificate(it.db, { id: request.id })
      if (!certificate) throw new Error(`the request is ${request.status}: ${request.lastError ?? request.reason}`)
      return certificate
    },
    async revoke({ id }, more = {}) {
      const draft = { protocol: 'acme', certificate: id, grounds: 'account', ...more } as const
      return (await revoke(it, acmeAccount(), draft)).status
    },
    async settings(settings, authority = 'issuing') {
      await transaction(it.db, async (db) => {
        await withTables<CoreTables>(db)
          .updateTable('authorities')
          .set((eb) => ({ settings: JSON.stringify(settings), version: eb('version', '+', 1) }))
          .where('name', '=', authority)
          .execute()
      })
    },
    async renew({ certificate, key }) {
      const authority = await loadAuthority(it, 'issuing')
      const fields = readCertificate(certificate)
      const now = it.clock()
      return transaction(it.db, async (db) => {
        const tables = withTables<CoreTables>(db)
        const old = tables.updateTable('authority_certificates').where('authority_id', '=', authority.id)
        const [before] = await tables
          .selectFrom('authority_certificates')
          .select(['key_id', 'chain'])
          .where('id', '=', authority.issuer?.id ?? 0)
          .execute()
        await old.set({ active: 0 }).execute()
        const purpose = { purpose: 'authority', organizationId: authority.organizationId } as const
        const change = { actor: system('test'), at: now }
        const keyId = key ? await storeKey(db, it.vault, { key, ...purpose }, change) : (before?.key_id ?? null)
        const { id } = await tables
          .insertInto('authority_certificates')
          .values({
            authority_id: authority.id,
            key_id: keyId,
            certificate,
            chain: before?.chain ?? '',
            spki_hash: fields.publicKey.spkiHash,
            not_after: fields.notAfter.getTime(),
            active: 1,
            created_at: now.getTime(),
          })
          .returning('id')
          .executeTakeFirstOrThrow()
        await tables
          .updateTable('authorities')
          .set((eb) => ({ version: eb('version', '+', 1) }))
          .where('id', '=', authority.id)
          .execute()
        return id
      })
    },
  }
}
