import { z } from 'zod'
import { baseAttribute, requestAttributes } from './attribute.ts'
import { checkAttributes } from './attributeCheck.ts'
import { asBaseAttribute } from './attributeSchema.ts'
import { flag, name } from './fields.ts'
import { tokenInstance, tokenInstanceView, tokenProfile, tokenProfileView } from './keySchema.ts'
import { keySpecs, profileIn, specDefinition, storeIn } from './keySpec.ts'
import { operation } from './operation.ts'
import { text } from './text.ts'

const TAG = 'Keys'
const STORE = '/v1/tokens/{tokenInstanceUuid}'
const PROFILE = `${STORE}/tokenProfiles/{tokenProfileUuid}` as const

/** The keystore as the contract's token instance, and which keys may be made in it as token profiles. */
export const keyProfileOperations = [
  operation({
    method: 'get',
    path: '/v1/tokens',
    tag: TAG,
    summary: 'The keystore of the organization, as a token instance.',
    answer: z.array(tokenInstance),
    run: async ({ door }) => ({ body: (await door.keyPairs.keystores()).map(tokenInstanceView) }),
  }),
  operation({
    method: 'get',
    path: STORE,
    tag: TAG,
    summary: 'One token instance.',
    answer: tokenInstance,
    run: async (call) => ({ body: tokenInstanceView(await storeIn(call)) }),
  }),
  operation({
    method: 'get',
    path: `${STORE}/tokenProfiles/attributes`,
    tag: TAG,
    summary: 'What is filled in to make a token profile: which keys it allows.',
    answer: z.array(baseAttribute),
    async run(call) {
      return { body: [asBaseAttribute(await storeIn(call), specDefinition(keySpecs, 'several'))] }
    },
  }),
  operation({
    method: 'get',
    path: '/v1/tokenProfiles',
    tag: TAG,
    summary: 'Token profiles.',
    query: z.object({ enabled: flag.optional() }),
    answer: z.array(tokenProfile),
    async run({ door, query }) {
      const all = await door.keyPairs.profiles()
      const wanted = query.enabled === undefined ? all : all.filter((one) => one.enabled === query.enabled)
      return { body: wanted.map(tokenProfileView) }
    },
  }),
  operation({
    method: 'post',
    path: `${STORE}/tokenProfiles`,
    tag: TAG,
    summary: 'Makes a token profile: the attribute keySpecs says which keys may be made under it.',
    body: z.object({
      name,
      description: text(500).nullish(),
      attributes: requestAttributes,
      enabled: z.boolean().nullish(),
    }),
    status: 201,
    answer: tokenProfile,
    async run(call) {
      const { door, body } = call
      const definition = specDefinition(keySpecs, 'several')
      checkAttributes([definition], body.attributes)
      const [attribute] = body.attributes
      const made = await door.keyPairs.createProfile((await storeIn(call)).uuid, {
        name: body.name,
        specs: (attribute?.content ?? []).map(({ data }) => data as (typeof keySpecs)[number]),
        ...(body.description ? { description: body.description } : {}),
        enabled: body.enabled ?? false,
      })
      const location = `${call.host.baseUrl}/api/v1/tokens/${made.keystore}/tokenProfiles/${made.uuid}`
      return { body: tokenProfileView(made), headers: { Location: location } }
    },
  }),
  operation({
    method: 'get',
    path: PROFILE,
    tag: TAG,
    summary: 'One token profile.',
    answer: tokenProfile,
    run: async (call) => ({ body: tokenProfileView(await profileIn(call)) }),
  }),
  operation({
    method: 'delete',
    path: PROFILE,
    tag: TAG,
    summary: 'Deletes a token profile under which no key is left.',
    status: 204,
    conflict: 422,
    async run(call) {
      await call.door.keyPairs.deleteProfile((await profileIn(call)).uuid)
      return undefined
    },
  }),
  operation({
    method: 'delete',
    path: '/v1/tokenProfiles/{tokenProfileUuid}',
    tag: TAG,
    summary: 'The same without the token instance.',
    status: 204,
    conflict: 422,
    async run({ door, params }) {
      await door.keyPairs.deleteProfile(params.tokenProfileUuid)
      return undefined
    },
  }),
  ...(['enable', 'disable'] as const).map((verb) =>
    operation({
      method: 'patch',
      path: `${PROFILE}/${verb}`,
      tag: TAG,
      summary:
        verb === 'enable' ? 'Lets keys be made and used.' : 'No key is made under it, and none of its keys is used.',
      status: 204,
      async run(call) {
        await call.door.keyPairs.enableProfile((await profileIn(call)).uuid, verb === 'enable')
        return undefined
      },
    }),
  ),
]
