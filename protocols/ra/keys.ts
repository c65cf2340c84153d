import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import type { KeyPair } from '../../src/core/key/keyPairView.ts'
import type { KeySpec } from '../../src/core/key.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { baseAttribute, requestAttributes } from './attribute.ts'
import { checkAttributes, firstValue } from './attributeCheck.ts'
import { asBaseAttribute } from './attributeSchema.ts'
import { Unprocessable } from './errors.ts'
import { name } from './fields.ts'
import { keyDetail, keyEntry, keyView } from './keySchema.ts'
import { profileIn, specDefinition } from './keySpec.ts'
import { type Call, operation } from './operation.ts'
import { pageFields, pageOf } from './page.ts'
import { text } from './text.ts'

const TAG = 'Keys'
const MADE = '/v1/tokens/{tokenInstanceUuid}/tokenProfiles/{tokenProfileUuid}/keys/{type}'
/** Older clients name the token instance, newer ones the key alone. */
const places = ['/v1/tokens/{tokenInstanceUuid}/keys/{uuid}', '/v1/keys/{uuid}'] as const

function detailView(key: KeyPair): z.output<typeof keyDetail> {
  return { ...keyView(key), attributes: [], customAttributes: [], publicKey: pemEncode('PUBLIC KEY', key.publicKey) }
}

/** The key of a path. Throws Failure('notFound'), also where it is in another keystore than the path says. */
async function keyIn({ door, params }: Pick<Call, 'door' | 'params'>): Promise<KeyPair> {
  const key = await door.keyPairs.read(params.uuid ?? '')
  const store = params.tokenInstanceUuid
  if (store !== undefined && store !== key.keystore) throw new Failure('notFound', 'there is no such key')
  return key
}

function requirePair(type: string): void {
  if (type !== 'keyPair')
    throw new Unprocessable([
      `Keys of type ${type.slice(0, 40)} are not made here: keyPair is the one. Certificates have no secret keys, and keys are not split.`,
    ])
}

const listed = z.object({
  itemsPerPage: z.int().min(1).max(1000).default(10),
  pageNumber: z.int().min(1).max(1_000_000).default(1),
  filters: z.array(z.unknown()).max(0, 'keys are listed without filters: narrow by GET /v1/keys/pairs').nullish(),
})

const made = z.object({
  name,
  description: text(500).nullish(),
  attributes: requestAttributes,
  enabled: z.boolean().nullish(),
  groupUuid: text(200).nullish(),
  groupUuids: z.array(text(200)).max(100).nullish(),
  /** Ours beside the contract: an RA profile that must take such a key. */
  raProfileUuid: text(200).nullish(),
})

/** Key pairs of the keystore: their private keys never leave. */
export const keyOperations = [
  operation({
    method: 'post',
    path: '/v1/keys',
    tag: TAG,
    summary: 'Lists key pairs, the newest first.',
    body: listed,
    answer: z.object({ cryptographicKeys: z.array(keyEntry), ...pageFields }),
    async run({ door, body }) {
      const { rows, total } = await door.keyPairs.page({ page: body.pageNumber, rows: body.itemsPerPage })
      return { body: { cryptographicKeys: rows.map(keyView), ...pageOf(body, total) } }
    },
  }),
  operation({
    method: 'get',
    path: '/v1/keys/pairs',
    tag: TAG,
    summary: 'The key pairs that are not destroyed, the newest thousand, of one token profile or all.',
    query: z.object({ tokenProfileUuid: text(200).optional() }),
    answer: z.array(keyEntry),
    async run({ door, query }) {
      const { tokenProfileUuid: profile } = query
      const { rows } = await door.keyPairs.page({
        page: 1,
        rows: 1000,
        destroyed: false,
        ...(profile === undefined ? {} : { profile }),
      })
      return { body: rows.map(keyView) }
    },
  }),
  operation({
    method: 'get',
    path: `${MADE}/attributes`,
    tag: TAG,
    summary: 'What is filled in to make a key: which of the kinds that the token profile allows.',
    answer: z.array(baseAttribute),
    async run(call) {
      requirePair(call.params.type)
      const profile = await profileIn(call)
      return { body: [asBaseAttribute(profile, specDefinition(profile.specs, 'one'))] }
    },
  }),
  operation({
    method: 'post',
    path: MADE,
    tag: TAG,
    summary: 'Makes a key pair; its private key is sealed and never shown.',
    body: made,
    status: 201,
    answer: keyDetail,
    async run(call) {
      const { body, door } = call
      requirePair(call.params.type)
      const profile = await profileIn(call)
      checkAttributes([specDefinition(profile.specs, 'one')], body.attributes)
      const spec = firstValue(body.attributes, 'keySpec')
      const key = await door.keyPairs.create({
        profile: profile.uuid,
        name: body.name,
        ...(spec === undefined ? {} : { spec: spec as KeySpec }),
        ...(body.description ? { description: body.description } : {}),
        enabled: body.enabled ?? false,
        groups: [...(body.groupUuids ?? []), ...(body.groupUuid ? [body.groupUuid] : [])],
        ...(body.raProfileUuid ? { raProfile: body.raProfileUuid } : {}),
      })
      return { body: detailView(key) }
    },
  }),
  ...places.flatMap((path) => [
    operation({
      method: 'get',
      path,
      tag: TAG,
      summary: 'One key pair, with its public key.',
      answer: keyDetail,
      run: async (call) => ({ body: detailView(await keyIn(call)) }),
    }),
    operation({
      method: 'patch',
      path: `${path}/destroy`,
      tag: TAG,
      summary: 'Destroys a private key for ever, unless a certificate that is not over or an open order needs it.',
      status: 204,
      conflict: 422,
      async run(call) {
        await call.door.keyPairs.destroy((await keyIn(call)).uuid)
        return undefined
      },
    }),
    ...(['enable', 'disable'] as const).map((verb) =>
      operation({
        method: 'patch',
        path: `${path}/${verb}`,
        tag: TAG,
        summary: verb === 'enable' ? 'Lets a key be used.' : 'A key that is disabled signs nothing.',
        status: 204,
        conflict: 422,
        async run(call) {
          await call.door.keyPairs.enable((await keyIn(call)).uuid, verb === 'enable')
          return undefined
        },
      }),
    ),
  ]),
]
