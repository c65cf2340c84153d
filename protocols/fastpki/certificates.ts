import { z } from 'zod'
import type { Door } from '../../src/core/core.ts'
import type { CertificateRow, Page } from '../../src/core/listing/listing.ts'
import { findAuthority } from './authorityView.ts'
import { certificate, showCertificate, statusFor } from './certificateView.ts'
import { id, integer } from './fields.ts'
import { issueCertificate } from './issue.ts'
import { asMember } from './member.ts'
import { type Call, operation } from './operation.ts'
import { privateKeyOf } from './privateKey.ts'
import { findIssued, findSeen } from './record.ts'
import { revokeCertificate } from './revoke.ts'
import { signCsr } from './signCsr.ts'

const tag = 'certificates'
const list = z.object({
  ca_id: id.optional(),
  skip: integer(0, 10_000).default(0),
  limit: integer(0, 1000).default(1000),
})

export const certificateOperations = [
  issueCertificate,
  signCsr,
  operation({
    method: 'get',
    path: '/certificates/',
    tag,
    summary: 'Certificates of the organization, the newest first, at most a thousand.',
    query: list,
    answer: z.array(certificate),
    async run(call) {
      const { host, query } = call
      const door = await asMember(call)
      const ids = await idsOf(call, door)
      const lines = await door.inventory.lines(ids.slice(query.skip))
      const now = host.clock()
      return {
        body: lines.filter(({ record }) => record.certificate).map(({ record }) => showCertificate(record, now)),
      }
    },
  }),
  operation({
    method: 'get',
    path: '/certificates/{id}',
    tag,
    summary: 'A certificate; 202 while its order waits.',
    answer: certificate,
    async run(call) {
      const record = await findSeen(call, call.params.id)
      return { status: statusFor(record, 200), body: showCertificate(record, call.host.clock()) }
    },
  }),
  operation({
    method: 'get',
    path: '/certificates/{id}/private-key',
    tag,
    summary:
      'A certificate with its private key, for who ordered it the first time and for who has export_private_key.',
    answer: certificate.extend({ private_key: z.string() }),
    async run(call) {
      const record = await findIssued(call, call.params.id)
      const key = await privateKeyOf(call, record)
      return { body: { ...showCertificate(record, call.host.clock()), private_key: key } }
    },
  }),
  revokeCertificate,
]

/** As many as are asked for, and those before them. */
async function idsOf(call: Call<string, z.output<typeof list>>, door: Door): Promise<number[]> {
  const { query } = call
  const authority = query.ca_id === undefined ? undefined : (await findAuthority(call, query.ca_id)).view.name
  const found: number[] = []
  const wanted = query.skip + query.limit
  for (let after: number | undefined; found.length < wanted; ) {
    const page: Page<CertificateRow> = await door.list.certificates({
      limit: 200,
      ...(authority === undefined ? {} : { authority }),
      ...(after === undefined ? {} : { after }),
    })
    found.push(...page.rows.filter(({ profile }) => profile !== null && !profile.startsWith('@')).map((row) => row.id))
    if (page.next === undefined) break
    after = page.next
  }
  return found.slice(0, wanted)
}
