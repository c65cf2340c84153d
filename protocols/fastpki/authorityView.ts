import { z } from 'zod'
import type { AuthorityView } from '../../src/core/admin.ts'
import { Failure } from '../../src/core/failure.ts'
import { withTables } from '../../src/db/tables.ts'
import { type CertificateFields, fingerprint, readCertificate } from '../../src/pki/certificateReader.ts'
import { nameText } from '../../src/pki/name.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { when } from './fields.ts'
import type { Call } from './operation.ts'
import type { FastpkiTables } from './tables.ts'

const DAY = 86_400_000

export const authority = z.object({
  id: z.int(),
  name: z.string(),
  description: z.string().nullable(),
  subject_dn: z.string(),
  key_size: z.int(),
  valid_days: z.int(),
  parent_ca_id: z.int().nullable(),
  path_length: z.int().nullable(),
  allow_leaf_certs: z.boolean(),
  crl_base_url: z.string().nullable(),
  certificate: z.string(),
  organization_id: z.int().nullable(),
  created_by_user_id: z.int().nullable(),
  is_root: z.boolean(),
  created_at: when,
  updated_at: when,
})
export type Authority = z.output<typeof authority>

/** An authority with a certificate that the caller sees. */
export interface SeenAuthority {
  view: AuthorityView
  /** As the contract shows it: as it was given when it was made here. */
  name: string
  certificate: CertificateFields
  /** Of its issuer, where that is an authority here too. */
  parent?: number
  kept?: Kept
}

type Asking = Pick<Call, 'door' | 'host'>
type Kept = Awaited<ReturnType<typeof keptRows>>[number]

function keptRows({ host }: Asking) {
  return withTables<FastpkiTables>(host.db).selectFrom('fastpki_authorities').selectAll().execute()
}

/** Of the authorities that the caller sees, those that are wanted are read with their chains. */
type Wanted = (authority: { view: AuthorityView; name: string }) => boolean

/** Those of the caller's organization, all for a superuser, by id; without those that were deleted over this contract, or have no certificate yet. */
export async function seenAuthorities(call: Asking, wanted: Wanted = () => true): Promise<SeenAuthority[]> {
  const { door } = call
  const [views, kept] = await Promise.all([door.admin.authorities(), keptRows(call)])
  const rows = new Map(kept.map((row) => [row.authority_id, row]))
  const there = views
    .filter((view) => view.fingerprint !== null && rows.get(view.id)?.deleted_at == null)
    .map((view) => ({ view, name: rows.get(view.id)?.name ?? view.name }))
  const seen = await Promise.all(
    there.filter(wanted).map(async ({ view, name }) => {
      const [own, issuer] = (await door.admin.authority(view.name)).chain
      if (!own) return []
      const above = issuer && fingerprint(issuer)
      const parent = there.find((one) => one.view.fingerprint === above)?.view.id
      const row = rows.get(view.id)
      const certificate = readCertificate(own)
      return [{ view, name, certificate, ...(parent === undefined ? {} : { parent }), ...(row ? { kept: row } : {}) }]
    }),
  )
  return seen.flat().sort((a, b) => a.view.id - b.view.id)
}

/** Throws Failure('notFound') alike for none and for another organization's. */
export async function findAuthority(call: Asking, id: number): Promise<SeenAuthority> {
  const [found] = await seenAuthorities(call, ({ view }) => view.id === id)
  if (!found) throw new Failure('notFound', 'CA not found')
  return found
}

/** `served`: ids of the authorities that have an RA profile which serves this contract. */
export async function showAuthorities(call: Asking, found: readonly SeenAuthority[]): Promise<Authority[]> {
  if (found.length === 0) return []
  const organizations = new Map((await call.door.admin.organizations()).map(({ id, name }) => [name, id]))
  const served = new Set((await servingProfiles(call)).map(({ authorityId }) => authorityId))
  return found.map(({ view, name, certificate, parent, kept }) => {
    const { subject, issuerDer, subjectDer, notBefore, notAfter, publicKey, pathLength, der } = certificate
    return {
      id: view.id,
      name,
      description: kept?.description ?? null,
      subject_dn: nameText(subject),
      key_size: publicKey.size,
      valid_days: Math.round((notAfter.getTime() - notBefore.getTime()) / DAY),
      parent_ca_id: parent ?? null,
      path_length: pathLength ?? null,
      allow_leaf_certs: served.has(view.id) && kept?.allow_leaf_certs !== 0,
      crl_base_url: null,
      certificate: pemEncode('CERTIFICATE', der),
      organization_id: organizations.get(view.organization) ?? null,
      created_by_user_id: kept?.created_by ?? null,
      is_root: subjectDer.equals(issuerDer),
      created_at: (kept ? new Date(kept.created_at) : notBefore).toISOString(),
      updated_at: (kept ? new Date(kept.updated_at) : notBefore).toISOString(),
    }
  })
}

/** The enabled RA profiles that serve this contract, by name. */
export async function servingProfiles({ door }: Pick<Call, 'door'>) {
  return (await door.raProfiles.list()).filter(
    ({ enabled, protocols }) => enabled && Object.hasOwn(protocols, 'fastpki'),
  )
}

/** The authority of that name among those of the caller's organization; for a superuser among all, his own first. Throws Failure('notFound'). */
export async function authorityNamed(call: Asking & Pick<Call, 'door'>, name: string): Promise<SeenAuthority> {
  const { organization } = await call.door.identities.me()
  const named = await seenAuthorities(call, (one) => one.name === name || one.view.name === name)
  const own = named.filter(({ view }) => view.organization === organization)
  const found = (own.length > 0 ? own : named).sort((a, b) => Number(b.name === name) - Number(a.name === name))[0]
  if (!found) throw new Failure('notFound', `CA not found: ${name.slice(0, 100)}`)
  return found
}
