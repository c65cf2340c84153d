import { z } from 'zod'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import { baseAttribute, requestAttributes } from './attribute.ts'
import { checkAttributes } from './attributeCheck.ts'
import { asBaseAttribute, issueDefinitions, revokeDefinitions } from './attributeSchema.ts'
import { operation } from './operation.ts'
import type { AttributeDefinition } from './options.ts'
import { PLACE, placeOf } from './place.ts'

function listing(
  path: 'issue' | 'register' | 'revoke',
  what: string,
  definitions: (profile: RaProfile) => AttributeDefinition[],
) {
  return operation({
    method: 'get',
    path: `${PLACE}/attributes/${path}`,
    tag: 'Client operations',
    summary: `What a client fills in to ${what} over this RA profile.`,
    answer: z.array(baseAttribute),
    async run(call) {
      const { profile } = await placeOf(call)
      const all = definitions(profile)
      return { body: all.map((definition) => asBaseAttribute(profile, definition, all)) }
    },
  })
}

function validation(
  path: 'issue' | 'revoke',
  what: string,
  definitions: (profile: RaProfile) => AttributeDefinition[],
) {
  return operation({
    method: 'post',
    path: `${PLACE}/attributes/${path}/validate`,
    tag: 'Client operations',
    summary: `Says whether these attributes would do to ${what}: 422 with a sentence for each that would not.`,
    body: requestAttributes,
    async run(call) {
      const { profile } = await placeOf(call)
      checkAttributes(definitions(profile), call.body)
      return undefined
    },
  })
}

export const attributeOperations = [
  listing('issue', 'order a certificate', issueDefinitions),
  validation('issue', 'order a certificate', issueDefinitions),
  listing('register', 'register a certificate', issueDefinitions),
  listing('revoke', 'revoke a certificate', revokeDefinitions),
  validation('revoke', 'revoke a certificate', revokeDefinitions),
]

const availableOperation = z.object({
  operation: z.enum(['ISSUE', 'RENEW', 'REVOKE', 'REGISTER']),
  supported: z.boolean(),
  asyncSupported: z.boolean(),
  cancelSupported: z.boolean(),
})

export const availableOperations = operation({
  method: 'get',
  path: `${PLACE}/availableOperations`,
  tag: 'Client operations',
  summary: 'What can be done over this RA profile, and whether an answer may take its time.',
  answer: z.object({ operations: z.array(availableOperation) }),
  async run(call) {
    await placeOf(call)
    const all = ['ISSUE', 'RENEW', 'REVOKE', 'REGISTER'] as const
    // Every operation may have to wait for people, and what waits can be withdrawn.
    return {
      body: {
        operations: all.map((name) => ({
          operation: name,
          supported: true,
          asyncSupported: true,
          cancelSupported: true,
        })),
      },
    }
  },
})
