import { type Issuer, loadAuthority } from '../../../src/core/authority/authority.ts'
import type { CrowdWorld } from './world.ts'

const known = new WeakMap<CrowdWorld, Issuer>()

/** The certificate of the authority `issuing`, read once. */
export async function issuerOf(world: CrowdWorld): Promise<Issuer> {
  const issuer = known.get(world) ?? (await world.beside(async ({ it }) => (await loadAuthority(it, 'issuing')).issuer))
  if (!issuer) throw new Error('the authority has no certificate')
  known.set(world, issuer)
  return issuer
}
