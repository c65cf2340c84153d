import type { AuthorityView } from '../../src/core/admin.ts'
import type { Door } from '../../src/core/core.ts'
import { Failure } from '../../src/core/failure.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import type { Call } from './operation.ts'
import { deletedAuthorities } from './requestRow.ts'

type Calling = Pick<Call, 'host' | 'door' | 'caller'>

/** Of the caller's organization, but for those that were deleted; in the order of their numbers. */
export async function ownAuthorities({ host, door, caller }: Calling): Promise<AuthorityView[]> {
  const deleted = await deletedAuthorities(host.db)
  return (await door.admin.authorities())
    .filter(({ id, organization }) => organization === caller.user.organization && !deleted.has(id))
    .sort((a, b) => a.id - b.id)
}

/** Throws Failure('notFound'). */
export async function namedAuthority(call: Calling, id: number): Promise<AuthorityView> {
  const found = (await ownAuthorities(call)).find((authority) => authority.id === id)
  if (!found) throw new Failure('notFound', `there is no certificate authority ${id}`)
  return found
}

/** One that can sign at this moment. Throws Failure('notFound' | 'unsupported') with what stands in the way. */
export async function signingAuthority(call: Calling, id: number): Promise<AuthorityView> {
  const authority = await namedAuthority(call, id)
  const { name, enabled, subject, notAfter, kind } = authority
  if (!enabled) throw new Failure('unsupported', `the certificate authority ${name} is disabled: enable it first`)
  if (kind === 'local' && subject === null)
    throw new Failure('unsupported', `the certificate authority ${name} has no certificate yet`)
  if (notAfter && notAfter <= call.host.clock())
    throw new Failure('unsupported', `the certificate of the certificate authority ${name} has expired`)
  return authority
}

/** As the contract shows it: `status` for the oldest generation, `enabled` for the others. */
export async function viewAuthority(door: Door, { id, name, enabled, subject }: AuthorityView) {
  const [{ chain }, csr, crl] = await Promise.all([
    door.admin.authority(name),
    door.admin.authorityCsr(name),
    crlOf(door, id).catch(withoutCrl),
  ])
  const active = enabled && subject !== null
  return {
    id,
    name,
    enabled: active,
    status: active ? 'active' : subject === null ? 'pending' : 'disabled',
    certificate: chain.map((der) => pemEncode('CERTIFICATE', der)).join(''),
    csr: csr ? pemEncode('CERTIFICATE REQUEST', csr) : '',
    crl,
  }
}

/** What is longer is no answer in JSON, which says it twice: certificates name the address of the CRL itself. */
const LONGEST_CRL = 8 * 2 ** 20

/** All parts of the CRL as PEM, one after the other: an authority has one unless its settings say otherwise. Throws Failure. */
export async function crlOf(door: Door, authority: number, longest = LONGEST_CRL): Promise<string> {
  let text = ''
  for (let shard = 0; ; shard++) {
    const crl = await door.crl({ authority, shard }).catch(shard === 0 ? asNone : pastLast)
    if (!crl) return text
    if (crl.parts.reduce((sum, { length }) => sum + length, text.length) > longest)
      throw new Failure(
        'unsupported',
        'this CRL is too long for this answer: fetch it where certificates say that it is',
      )
    text += pemEncode('X509 CRL', crl.der)
  }
}

/** Whoever counts through the numbers learns no names. */
function asNone(error: unknown): never {
  if (!(error instanceof Failure) || error.code !== 'unsupported') throw error
  throw new Failure('notFound', 'this certificate authority has no CRL here', { cause: error })
}

function pastLast(error: unknown): undefined {
  if (error instanceof Failure && error.code === 'notFound') return undefined
  throw error
}

function withoutCrl(error: unknown): string {
  if (error instanceof Failure && error.code !== 'internal') return ''
  throw error
}
