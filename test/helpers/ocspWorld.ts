import { type AuthoritySettings, type Issuer, loadAuthority } from '../../src/core/authority/authority.ts'
import { createAuthority } from '../../src/core/authority/authorityAdmin.ts'
import type { Certificate } from '../../src/core/certificate.ts'
import { findCertificate } from '../../src/core/certificate.ts'
import { system } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { acmeAccount, newCsr, type World } from './world.ts'

/** What tests of OCSP do to a world. */
export function ocspWorld(world: World) {
  const { db } = world.it
  const change = (work: (tables: ReturnType<typeof withTables<CoreTables>>) => Promise<unknown>) =>
    transaction(db, async (db: Database) => void (await work(withTables<CoreTables>(db))))

  async function issue(name: string, profileName = 'default'): Promise<Certificate> {
    const csr = await newCsr([name])
    const named = { csr, identifiers: csr.identifiers, validated: csr.identifiers }
    const profile = await world.profile(profileName)
    const door = world.core.as(acmeAccount())
    const { request } = await door.sign({ profile, protocol: 'acme', action: 'issue', refusal: 'throw', ...named })
    const certificate = await findCertificate(db, { id: request.id })
    if (!certificate) throw new Error(`the request is ${request.status}`)
    return certificate
  }

  async function revoke({ id }: { id: number }, reason = 'superseded'): Promise<void> {
    const asked = { protocol: 'acme', certificate: id, grounds: 'account', reason } as const
    const { status } = await world.core.as(acmeAccount()).revoke(asked)
    if (status !== 'revoked') throw new Error(`the revocation is ${status}`)
  }

  /** Lifts a hold, as the transaction that does it must. */
  const release = ({ id, authorityId }: Certificate) =>
    change(async (tables) => {
      const lifted = { status: 'issued', revoked_at: null, revocation_reason: null }
      await tables.updateTable('certificates').set(lifted).where('id', '=', id).execute()
      await tables
        .updateTable('authorities')
        .set((eb) => ({ revocations: eb('revocations', '+', 1) }))
        .where('id', '=', authorityId)
        .execute()
    })

  const settings = (name: string, settings: Partial<Record<keyof AuthoritySettings, unknown>>) =>
    change((tables) =>
      tables
        .updateTable('authorities')
        .set((eb) => ({ settings: JSON.stringify(settings), version: eb('version', '+', 1) }))
        .where('name', '=', name)
        .execute(),
    )

  async function issuerOf(name: string): Promise<Issuer> {
    const { issuer } = await loadAuthority(world.it, name)
    if (!issuer) throw new Error(`${name} has no certificate`)
    return issuer
  }

  /** A root of its own, and a profile of the same name that orders from it. */
  async function newRoot(name: string, more: { subject?: string; validity?: number } = {}): Promise<Issuer> {
    const { organizationId } = await world.profile()
    const id = await createAuthority(world.it, system('test'), {
      name,
      key: 'P-256',
      subject: more.subject ?? `CN=${name}`,
      validity: more.validity ?? 3_650 * 86_400_000,
      organizationId,
      ownerId: null,
    })
    await world.save(name, { authority: id })
    return issuerOf(name)
  }

  /** Gives an authority a new key under its old name: from now on it signs with that. */
  async function rekey(name: string, subject = `CN=${name}`): Promise<Issuer> {
    const { organizationId } = await world.profile()
    const draft = { key: 'P-256', subject, validity: 3_650 * 86_400_000, organizationId, ownerId: null } as const
    const other = await createAuthority(world.it, system('test'), { name: `${name}-next`, ...draft })
    const { id } = await loadAuthority(world.it, name)
    await change(async (tables) => {
      await tables.updateTable('authority_certificates').set({ active: 0 }).where('authority_id', '=', id).execute()
      await tables
        .updateTable('authority_certificates')
        .set({ authority_id: id })
        .where('authority_id', '=', other)
        .execute()
      await tables
        .updateTable('authorities')
        .set((eb) => ({ version: eb('version', '+', 1) }))
        .where('id', '=', id)
        .execute()
    })
    return issuerOf(name)
  }

  return { change, issue, revoke, release, settings, issuerOf, newRoot, rekey }
}
