import { z } from 'zod'
import type { AuthorityView } from '../../src/core/admin.ts'
import { responseAttribute } from './attribute.ts'
import { caCertificateView } from './caCertificate.ts'
import { certificateDetail } from './certificateSchema.ts'
import { operation } from './operation.ts'
import { authorityAt, profileAt, RA_PROFILE } from './raProfilePlace.ts'

const TAG = 'Authorities for clients'
const ALL = '/v1/authorities'

/** AuthorityInstanceDto. There are no connectors: countersign itself is what signs, or knows who does. */
const authorityInstance = z.object({
  uuid: z.string(),
  name: z.string(),
  attributes: z.array(responseAttribute),
  customAttributes: z.array(responseAttribute),
  status: z.enum(['connected', 'disabled']),
  connectorUuid: z.string(),
  connectorName: z.string(),
  kind: z.string(),
})

function view({ uuid, name, kind, enabled }: AuthorityView): z.output<typeof authorityInstance> {
  return {
    uuid,
    name,
    attributes: [],
    customAttributes: [],
    status: enabled ? 'connected' : 'disabled',
    connectorUuid: '00000000-0000-0000-0000-000000000000',
    connectorName: 'countersign',
    kind,
  }
}

/** Authorities as far as clients need them. */
export const authorityInstanceOperations = [
  operation({
    method: 'get',
    path: ALL,
    tag: TAG,
    summary: 'Lists authorities, by name.',
    answer: z.array(authorityInstance),
    run: async ({ door }) => ({ body: (await door.admin.authorities()).map(view) }),
  }),
  operation({
    method: 'get',
    path: `${ALL}/{authorityUuid}`,
    tag: TAG,
    summary: 'Shows an authority.',
    answer: authorityInstance,
    run: async (call) => ({ body: view(await authorityAt(call)) }),
  }),
  operation({
    method: 'get',
    path: `${ALL}/{authorityUuid}/caCertificates`,
    tag: TAG,
    summary: 'The authority’s own certificate and those above it, the root last. Ours, beside the contract.',
    answer: z.array(certificateDetail),
    async run(call) {
      const { chain } = await call.door.admin.authority((await authorityAt(call)).name)
      return { body: chain.map(caCertificateView) }
    },
  }),
  operation({
    method: 'get',
    path: `${RA_PROFILE}/caCertificates`,
    tag: TAG,
    summary: 'The certificate of the authority that signs for an RA profile and those above it, the root last.',
    answer: z.array(certificateDetail),
    async run(call) {
      const { chain } = await call.door.admin.authority((await profileAt(call)).authority)
      return { body: chain.map(caCertificateView) }
    },
  }),
  ...(['enable', 'disable'] as const).map((verb) =>
    operation({
      method: 'patch',
      path: `${ALL}/{authorityUuid}/${verb}` as const,
      tag: TAG,
      summary: `${verb === 'enable' ? 'Enables' : 'Disables'} an authority: a disabled one issues nothing. Ours, beside the contract.`,
      status: 204,
      async run(call) {
        await call.door.admin.changeAuthority((await authorityAt(call)).name, { enabled: verb === 'enable' })
        return undefined
      },
    }),
  ),
]
