import type { Certificate } from '../../src/core/certificate.ts'
import { Failure } from '../../src/core/failure.ts'
import type { CertificateRecord } from '../../src/core/listing/certificateRecord.ts'
import { asMember } from './member.ts'
import type { Call } from './operation.ts'

/** An order over an RA profile, or its certificate. Throws Failure('notFound') alike for none and for one that the caller may not read. */
export async function findRecord({ door }: Pick<Call, 'door'>, id: number): Promise<CertificateRecord> {
  const record = await door.list.record(id).catch((error: unknown) => {
    throw error instanceof Failure && error.code === 'notFound' ? noCertificate() : error
  })
  if (!record.profile) throw noCertificate()
  return record
}

type Seeing = Pick<Call, 'host' | 'door' | 'requester'>

/** The same, or a certificate that the caller sees as a member of its organization. Throws Failure('notFound'). */
export async function findSeen(call: Seeing, id: number): Promise<CertificateRecord> {
  try {
    return await findRecord(call, id)
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'notFound') throw error
    const [line] = await (await asMember(call)).inventory.lines([id])
    if (!line?.record.certificate || !line.record.profile) throw error
    return line.record
  }
}

/** The same, with its certificate. Throws Failure('conflict') while there is none. */
export async function findIssued(call: Seeing, id: number): Promise<CertificateRecord & { certificate: Certificate }> {
  const { certificate, ...record } = await findSeen(call, id)
  if (!certificate) throw new Failure('conflict', `There is no certificate yet: its order is ${record.request.status}`)
  return { ...record, certificate }
}

/** Whether the caller is who ordered it, over whatever contract: the creator. */
export function ordered({ requester }: Pick<Call, 'requester'>, { request }: CertificateRecord): boolean {
  const [own] = requester.people
  const { kind, people } = request.requester
  return own !== undefined && people[0] === own && (kind === 'user' || kind === 'token')
}

function noCertificate(): Failure {
  return new Failure('notFound', 'Certificate not found')
}
