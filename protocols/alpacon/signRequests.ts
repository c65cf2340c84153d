import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { SignDraft } from '../../src/core/request/request.ts'
import { type Csr, parseCsr } from '../../src/pki/csr.ts'
import { PkiError } from '../../src/pki/error.ts'
import { pemDecode } from '../../src/pki/pem.ts'
import { DAY } from './days.ts'
import { decide } from './decisions.ts'
import { Invalid } from './errors.ts'
import { text } from './input.ts'
import { identifiersOf, requireOrdered } from './names.ts'
import { type Call, operation } from './operation.ts'
import { alpaconOptions } from './options.ts'
import { orderProfile } from './orderProfile.ts'
import { pageFields, pageOf, requireNumber, requirePage } from './page.ts'
import { statusesOf } from './requestStatus.ts'
import { signRequestRows, signRequestView } from './signRequestView.ts'

const ALL = '/api/cert/sign-requests/'
const ONE = `${ALL}{id}/`
/** Longer than any certificate is asked for in days, and still a date. */
const MOST_DAYS = 36_500

const order = z.object({
  domain_list: z.array(text(300)).max(1000).nullish(),
  ip_list: z.array(text(100)).max(1000).nullish(),
  valid_days: z.int().min(1).max(MOST_DAYS).nullish(),
  csr_text: text(100_000).nullish(),
  authority: text(100).nullish(),
})
type Order = z.output<typeof order>

export const signRequestOperations = [
  operation({
    method: 'GET',
    path: ALL,
    query: z.object({ ...pageFields, status: text(50).default('') }),
    async run(call) {
      const { door, query } = call
      const status = statusesOf('sign', query.status)
      requireNumber(query)
      const { rows, total } = await door.list.searchRequests({
        kind: 'sign',
        ...(status ? { where: [{ field: 'status', condition: 'equals', value: status }] } : {}),
        page: query.page,
        size: query.page_size,
      })
      requirePage(query, total)
      const ids = rows.map(({ uuid }) => uuid)
      return { body: pageOf(query, total, await signRequestRows(call, ids)) }
    },
  }),
  operation({
    method: 'POST',
    path: ALL,
    body: order,
    status: 201,
    async run(call) {
      const { door, body } = call
      const csr = body.csr_text ? csrOf(body.csr_text) : undefined
      const named = identifiersOf(body.domain_list ?? [], body.ip_list ?? [])
      const identifiers = named.length === 0 && csr ? csr.identifiers : named
      if (identifiers.length === 0)
        throw new Invalid({ non_field_errors: ['You must provide at least one valid domain or IP address.'] })
      if (csr) requireOrdered(csr, identifiers)
      const profile = await orderProfile(door, body.authority ?? undefined)
      const draft: SignDraft = {
        profile,
        protocol: 'alpacon',
        action: 'issue',
        origin: { protocol: 'alpacon', ref: randomUUID() },
        identifiers,
        ...periodOf(call, profile, body),
        editable: true,
        refusal: 'store',
      }
      const { request } = csr ? await door.sign({ ...draft, csr }) : await door.park(draft)
      return { body: await signRequestView(call, request.uuid) }
    },
  }),
  operation({
    method: 'GET',
    path: ONE,
    run: async (call) => ({ body: await signRequestView(call, call.id) }),
  }),
  operation({
    method: 'PATCH',
    path: `${ONE}submit/`,
    body: z.object({ csr_text: text(100_000).min(1) }),
    async run(call) {
      const { door, id, body } = call
      const csr = csrOf(body.csr_text)
      const { request } = await door.list.record(id)
      if (request.status !== 'draft')
        throw new Failure('conflict', `this order has its certificate request already: it is ${request.status}`)
      requireOrdered(csr, request.wanted.identifiers)
      await door.submit(id, { csr })
      return { body: await signRequestView(call, id) }
    },
  }),
  ...(['approve', 'deny'] as const).map((verdict) =>
    operation({
      method: 'POST',
      path: `${ONE}${verdict}/`,
      async run(call) {
        await decide(call, { kind: 'sign', id: call.id, verdict })
        return { body: await signRequestView(call, call.id) }
      },
    }),
  ),
  operation({
    method: 'POST',
    path: `${ONE}retry/`,
    async run(call) {
      await call.door.approvals.retry('sign', call.id)
      return { body: await signRequestView(call, call.id) }
    },
  }),
  operation({
    method: 'DELETE',
    path: ONE,
    status: 204,
    async run({ door, id }) {
      await door.approvals.cancel('sign', id)
      return undefined
    },
  }),
]

/** Throws Invalid for what is not exactly one certificate request whose signature is good. */
function csrOf(pem: string): Csr {
  try {
    const [block, another] = pemDecode(pem)
    if (!block || another || !/^(NEW )?CERTIFICATE REQUEST$/.test(block.label))
      throw new Invalid({ csr_text: ['Exactly one certificate request in PEM is needed.'] })
    return parseCsr(block.der)
  } catch (error) {
    if (error instanceof PkiError) throw new Invalid({ csr_text: [error.message] })
    throw error
  }
}

/** When it is to end. The client asks for a year unless told otherwise, also where the profile gives less. */
function periodOf(
  { host }: Pick<Call, 'host'>,
  profile: RaProfile,
  { valid_days: days }: Order,
): Pick<SignDraft, 'notAfter'> {
  if (days == null) return {}
  const { tooLong } = alpaconOptions.parse(profile.protocols.alpacon)
  const { validity, overrides } = profile.settings.certificate
  if (tooLong === 'shorten' && !overrides.includes('validity')) return {}
  const asked = days * DAY
  const length = tooLong === 'shorten' ? Math.min(asked, validity.max) : asked
  return { notAfter: new Date(host.clock().getTime() + length) }
}
