import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import type { AuthorityView } from '../../src/core/admin.ts'
import type { Door, SignedCrl } from '../../src/core/core.ts'
import { Failure } from '../../src/core/failure.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { type AuthorityChange, changeAuthority, createAuthority, instructionFor } from './authorityDraft.ts'
import { authorityView, findAuthority } from './authorityView.ts'
import { Invalid } from './errors.ts'
import { server } from './handshake.ts'
import { text } from './input.ts'
import { type Call, operation } from './operation.ts'
import { pageFields, pageOf, requirePage, slice } from './page.ts'
import { ifThere } from './signRequestView.ts'

const ALL = '/api/cert/authorities/'
const ONE = `${ALL}{id}/`

/** As its id, or as the object that stands for somebody in an answer. */
const reference = z.union([text(200), z.object({ id: text(200) }).transform(({ id }) => id)])
const days = (most: number) => z.int().min(1).max(most)

const draft = z.object({
  name: text(200).min(1),
  organization: text(200).nullish(),
  /** Taken, and not kept: no certificate of ours says it. */
  domain: text(300).nullish(),
  root_valid_days: days(36_500).default(3650),
  default_valid_days: days(36_500).default(365),
  max_valid_days: days(36_500).default(730),
  agent: reference.nullish(),
  owner: reference.nullish(),
})

export const authorityOperations = [
  operation({
    method: 'GET',
    path: ALL,
    query: z.object(pageFields),
    async run({ door, query }) {
      const all = (await door.admin.authorities()).filter(({ enabled }) => enabled)
      requirePage(query, all.length)
      const profiles = await door.admin.profiles()
      const shown = await Promise.all(slice(query, all).map(({ name }) => door.admin.authority(name)))
      return {
        body: pageOf(
          query,
          all.length,
          shown.map((one) => authorityView(one, profiles)),
        ),
      }
    },
  }),
  operation({
    method: 'POST',
    path: ALL,
    body: draft,
    status: 201,
    async run({ door, body }) {
      if (body.agent && body.agent !== server.id)
        throw new Invalid({ agent: [`Authorities run in this server: give ${server.id}.`] })
      const made = await createAuthority(door, body)
      const view = await detailOf({ door }, made.authority)
      return { body: { ...view, instruction: instructionFor(made) } }
    },
  }),
  operation({
    method: 'GET',
    path: ONE,
    run: async (call) => ({ body: await detailOf(call, await findAuthority(call.door, call.id)) }),
  }),
  operation({
    method: 'PATCH',
    path: ONE,
    body: z.looseObject({
      owner: reference.nullish(),
      default_valid_days: z.int().min(0).max(36_500).nullish(),
      max_valid_days: z.int().min(0).max(36_500).nullish(),
    }),
    async run(call) {
      const { door, id, body } = call
      const authority = await findAuthority(door, id)
      const change = changeIn(await detailOf(call, authority), body)
      if (Object.keys(change).length > 0) await changeAuthority(door, authority, change)
      return { body: await detailOf(call, authority) }
    },
  }),
  operation({
    method: 'DELETE',
    path: ONE,
    status: 204,
    async run({ door, id }) {
      const { name } = await findAuthority(door, id)
      await door.admin.changeAuthority(name, { enabled: false })
      return undefined
    },
  }),
  operation({
    method: 'GET',
    path: `${ONE}crl/`,
    async run({ door, id }) {
      return { body: await crlOf(door, await findAuthority(door, id)) }
    },
  }),
]

/** What is longer than this as text is no answer in JSON: the CRL has an address of its own. */
const LONGEST_CRL = 8 * 2 ** 20

/** All parts of the CRL as PEM, one after the other: an authority has one part unless its settings say otherwise. */
async function crlOf(door: Door, { name, crlUrl }: AuthorityView) {
  const parts: SignedCrl[] = []
  let length = 0
  for (let shard = 0; ; shard++) {
    const part = await (shard === 0 ? door.crl({ authority: name }) : ifThere(door.crl({ authority: name, shard })))
    if (!part) break
    parts.push(part)
    length += part.parts.reduce((sum, { length }) => sum + length, 0)
    if (length > LONGEST_CRL)
      throw new Failure('unsupported', `the CRL of ${name} is too long for this answer: fetch it at ${crlUrl}`)
  }
  const newest = Math.max(...parts.map(({ thisUpdate }) => thisUpdate.getTime()))
  return {
    crl_text: parts.map(({ der }) => pemEncode('X509 CRL', der)).join(''),
    updated_at: new Date(newest).toISOString(),
  }
}

async function detailOf({ door }: Pick<Call, 'door'>, { name }: Pick<AuthorityView, 'name'>) {
  const [authority, profiles] = await Promise.all([door.admin.authority(name), door.admin.profiles()])
  return {
    ...authorityView(authority, profiles),
    storage: authority.kind,
    // With those above it, so that what it signs can be verified by this file alone.
    crt_text: authority.chain.map((der) => pemEncode('CERTIFICATE', der)).join(''),
    remote_ip: '',
    is_connected: true,
    status: authority.enabled ? 'active' : 'disabled',
  }
}

type Detail = Awaited<ReturnType<typeof detailOf>>
interface Given extends Record<string, unknown> {
  owner?: string | null | undefined
  default_valid_days?: number | null | undefined
  max_valid_days?: number | null | undefined
}

/** The client sends all that it was shown, edited: what is as it was changes nothing. Throws Invalid for what cannot be changed. */
function changeIn(
  shown: Detail,
  { owner, default_valid_days: usual, max_valid_days: most, ...rest }: Given,
): AuthorityChange {
  const fixed = Object.entries(rest).filter(
    ([field, value]) => Object.hasOwn(shown, field) && !isDeepStrictEqual(value, shown[field as keyof Detail]),
  )
  if (fixed.length > 0)
    throw new Invalid(
      Object.fromEntries(fixed.map(([field]) => [field, ['This cannot be changed over this contract.']])),
    )
  const [days, longest] = [usual ?? shown.default_valid_days, most ?? shown.max_valid_days]
  if (days > longest) throw new Invalid({ default_valid_days: ['This is more than max_valid_days.'] })
  return {
    ...(owner && owner !== shown.owner?.id ? { owner } : {}),
    ...(days === shown.default_valid_days ? {} : { default_valid_days: days }),
    ...(longest === shown.max_valid_days ? {} : { max_valid_days: longest }),
  }
}
