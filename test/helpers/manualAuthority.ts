import { loadAuthority } from '../../src/core/authority/authority.ts'
import type { RevokeRequest } from '../../src/core/request/request.ts'
import { system } from '../../src/core/requester.ts'
import { type CertificateFields, readCertificate } from '../../src/pki/certificateReader.ts'
import { type ForeignCa, foreignCa } from './foreignCa.ts'
import { acmeAccount, newCsr, type World } from './world.ts'

let made = 0

/** An authority that signs elsewhere, and that elsewhere. */
export interface ManualAuthority {
  name: string
  id: number
  ca: ForeignCa
  /** A certificate that was ordered here and signed there. */
  issue(host: string): Promise<CertificateFields & { id: number }>
  /** Asks for a revocation that needs nobody. */
  revoke(certificate: { id: number }, reason?: string): Promise<RevokeRequest>
}

export async function manualAuthority(world: World): Promise<ManualAuthority> {
  made += 1
  const name = `manual-${made}`
  const ca = await foreignCa(world.time.now, { name: `Manual CA ${made}` })
  const operator = world.core.as(system('test'))
  await operator.admin.addManualAuthority({ name, pem: ca.certificate })
  const { id } = await loadAuthority(world.it, name)
  const profile = await world.save(name, { authority: id })
  const door = world.core.as(acmeAccount())
  return {
    name,
    id,
    ca,
    async issue(host) {
      const csr = await newCsr([host])
      const { identifiers } = csr
      const names = { identifiers, validated: identifiers }
      const order = { profile, protocol: 'acme', action: 'issue', csr, refusal: 'throw', ...names } as const
      const { request } = await door.sign(order)
      const { der } = await ca.issue({ publicKey: csr.publicKey, identifiers, subject: csr.subject })
      await operator.upload(request.id, [der])
      return { ...readCertificate(der), id: request.id }
    },
    revoke: ({ id: certificate }, reason) =>
      door.revoke({ protocol: 'acme', certificate, grounds: 'account', ...(reason === undefined ? {} : { reason }) }),
  }
}
