import { z } from 'zod'
import { maybeWhen, moment, name, when } from './fields.ts'
import { operation } from './operation.ts'
import { defined } from './requests.ts'
import { text } from './text.ts'

const TAG = 'Enrolment'

const challengeView = z.object({
  uuid: z.string(),
  kind: z.enum(['once', 'static', 'webhook']),
  profile: z.string(),
  subject: z.string().nullable(),
  identifiers: z.unknown(),
  uses: z.int().nullable(),
  used: z.int(),
  note: z.string().nullable(),
  createdBy: z.string().nullable(),
  createdAt: when,
  expiresAt: maybeWhen,
  usedAt: maybeWhen,
  revokedAt: maybeWhen,
})

const credentialKind = z.enum(['eab', 'cmc', 'cmp', 'kek'])
const credentialView = z.object({
  uuid: z.string(),
  kind: credentialKind,
  name: z.string(),
  profile: z.string(),
  identifiers: z.unknown(),
  singleUse: z.boolean(),
  note: z.string().nullable(),
  createdBy: z.string(),
  createdAt: when,
  expiresAt: maybeWhen,
  usedAt: maybeWhen,
  usedBy: z.string().nullable(),
  revokedAt: maybeWhen,
})

/** Challenges of SCEP and EST; keys for external accounts of ACME, and the shared secrets of CMC. */
export const enrolmentOperations = [
  operation({
    method: 'get',
    path: '/v1/countersign/challenges',
    tag: TAG,
    summary: 'Challenges of the profiles that the caller manages, the newest first; never the challenges themselves.',
    query: z.object({ profile: text(100).optional(), all: z.enum(['true', 'false']).optional() }),
    answer: z.object({ challenges: z.array(challengeView) }),
    run: async ({ door, query }) => ({
      body: { challenges: await door.admin.challenges({ ...defined(query), all: query.all === 'true' }) },
    }),
  }),
  operation({
    method: 'post',
    path: '/v1/countersign/challenges',
    tag: TAG,
    summary:
      'Makes a challenge, which is shown here and never again. Its maker approves nothing that is asked with it.',
    body: z.strictObject({
      profile: name,
      subject: text(1000).optional(),
      identifiers: z.unknown().optional(),
      uses: z.int().min(1).max(100_000).optional(),
      expiresAt: moment.optional(),
      note: text(500).optional(),
    }),
    status: 201,
    answer: challengeView.extend({ challenge: z.string() }),
    async run({ door, body }) {
      const { challenge, view } = await door.admin.createChallenge(defined(body))
      return { body: { ...view, challenge } }
    },
  }),
  operation({
    method: 'delete',
    path: '/v1/countersign/challenges/{uuid}',
    tag: TAG,
    summary: 'Revokes a challenge: what waits with it is withdrawn.',
    status: 204,
    async run({ door, params }) {
      await door.admin.revokeChallenge(params.uuid)
      return undefined
    },
  }),
  operation({
    method: 'get',
    path: '/v1/countersign/credentials',
    tag: TAG,
    summary: 'Enrolment credentials of the profiles that the caller manages: eab (ACME), cmc and kek (EST).',
    query: z.object({ profile: text(100).optional(), kind: credentialKind.optional() }),
    answer: z.object({ credentials: z.array(credentialView) }),
    run: async ({ door, query }) => ({ body: { credentials: await door.admin.credentials(defined(query)) } }),
  }),
  operation({
    method: 'post',
    path: '/v1/countersign/credentials',
    tag: TAG,
    summary:
      'Makes a credential, whose secret is shown here and never again. Its maker approves nothing that is asked with it.',
    body: z.strictObject({
      kind: credentialKind,
      profile: name,
      name: text(200).optional(),
      identifiers: z.unknown().optional(),
      singleUse: z.boolean().optional(),
      expiresAt: moment.optional(),
      note: text(500).optional(),
      secret: text(100).optional(),
    }),
    status: 201,
    answer: credentialView.extend({ secret: z.string() }),
    async run({ door, body }) {
      const { secret, view } = await door.admin.createCredential(defined(body))
      return { body: { ...view, secret } }
    },
  }),
  operation({
    method: 'delete',
    path: '/v1/countersign/credentials/{uuid}',
    tag: TAG,
    summary: 'Revokes a credential: nobody enrols with it any more, and who did orders nothing more.',
    status: 204,
    async run({ door, params }) {
      await door.admin.revokeCredential(params.uuid)
      return undefined
    },
  }),
]
