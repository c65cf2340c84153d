import { Failure } from '../../src/core/failure.ts'
import type { RequestDetail } from '../../src/core/listing/listing.ts'
import { parseNameText } from '../../src/pki/name.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { authoritiesOf } from './authorityView.ts'
import { crtText } from './certificateView.ts'
import { DAY } from './days.ts'
import { commonNameOf } from './names.ts'
import type { Call } from './operation.ts'
import { signStatus } from './requestStatus.ts'
import { personView } from './userView.ts'

type Reading = Pick<Call, 'door'>

/** Where its CSR goes: a path below the client's base URL. */
const submitUrl = (id: string): string => `/api/cert/sign-requests/${id}/submit/`

/** Orders as a list shows them; one that is gone meanwhile is left out. */
export async function signRequestRows(call: Reading, ids: readonly string[]) {
  const authorities = await authoritiesOf(call.door)
  const details = await Promise.all(ids.map((id) => ifThere(call.door.list.request(id, 'sign'))))
  return details.flatMap((detail) => (detail ? [rowOf(detail, authorities)] : []))
}

/** One order in full: with its CSR, its certificate, and who decided on it. Throws Failure('notFound'). */
export async function signRequestView({ door }: Reading, id: string) {
  const detail = await door.list.request(id, 'sign')
  const [authorities, { votes }, certificate] = await Promise.all([
    authoritiesOf(door),
    door.approvals.review('sign', id).catch(asUnread),
    detail.status === 'signed' ? door.findCertificate({ uuid: id }) : undefined,
  ])
  return {
    ...rowOf(detail, authorities),
    approved_by: voterOf(votes, 'approve'),
    denied_by: voterOf(votes, 'deny'),
    csr_text: detail.csr ? pemEncode('CERTIFICATE REQUEST', detail.csr) : '',
    crt_text: certificate ? await crtText(door, certificate) : '',
    certificate: certificate ? id : null,
  }
}

function rowOf(detail: RequestDetail, authorities: Awaited<ReturnType<typeof authoritiesOf>>) {
  const { uuid, wanted, createdAt } = detail
  const { organization, ...authority } = authorities(detail.authority)
  const of = (type: string) => (wanted?.identifiers ?? []).filter((one) => one.type === type).map(({ value }) => value)
  const [domains, addresses] = [of('dns'), of('ip')]
  return {
    id: uuid,
    organization,
    authority,
    common_name: domains[0] ?? addresses[0] ?? nameIn(wanted?.subject ?? ''),
    domain_list: domains,
    ip_list: addresses,
    other_names: [...of('email'), ...of('uri')],
    valid_days: validDays(detail),
    status: signStatus(detail.status),
    requested_ip: detail.source ?? '',
    requested_by: personView(detail.requester),
    added_at: createdAt.toISOString(),
    handled_at: detail.endedAt?.toISOString() ?? null,
    error_message: detail.reason ?? detail.lastError ?? '',
    submit_url: submitUrl(uuid),
  }
}

/** The common name of a subject; all of it where there is none. */
export function nameIn(subject: string): string {
  return (subject === '' ? undefined : commonNameOf(parseNameText(subject))) ?? subject
}

function validDays({ wanted, createdAt }: RequestDetail): number {
  if (!wanted) return 0
  const begin = wanted.notBefore ?? createdAt
  const length = wanted.notAfter ? wanted.notAfter.getTime() - begin.getTime() : wanted.validity
  return Math.ceil(length / DAY)
}

type Votes = Awaited<ReturnType<Call['door']['approvals']['review']>>['votes']

/** The last of them: whose vote decided. */
export function voterOf(votes: Votes, verdict: string): ReturnType<typeof personView> | null {
  const vote = votes.findLast((one) => one.verdict === verdict)
  return vote ? personView(vote.user) : null
}

/** Who may see a request does not always see who votes on it. */
export function asUnread(error: unknown): { votes: Votes; comments: { text: string }[] } {
  if (error instanceof Failure && error.code === 'forbidden') return { votes: [], comments: [] }
  throw error
}

export async function ifThere<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found
  } catch (error) {
    if (error instanceof Failure && error.code === 'notFound') return undefined
    throw error
  }
}
