import { z } from 'zod'
import { maybeWhen, moment, name, when } from './fields.ts'
import { numberIn } from './numberIn.ts'
import { operation } from './operation.ts'
import { defined } from './requests.ts'
import { text } from './text.ts'

const tag = 'Renewal windows'
const ALL = '/v1/countersign/renewalWindows'

const window = z.object({
  id: z.int(),
  organization: z.string().nullable(),
  authority: z.string().nullable(),
  profile: z.string().nullable(),
  serial: z.string().nullable(),
  issuedBefore: when,
  start: when,
  end: when,
  explanationUrl: z.string().nullable(),
  createdAt: maybeWhen,
})
const answer = z.object({ renewalWindows: z.array(window) })

/** When certificates are to be renewed (RFC 9773), set by hand: after an incident. */
export const renewalWindowOperations = [
  operation({
    method: 'get',
    path: ALL,
    tag,
    summary: 'Windows set by hand, the newest first. Of those that fit a certificate the newest counts.',
    answer,
    run: async ({ door }) => ({ body: { renewalWindows: await door.admin.renewalWindows() } }),
  }),
  operation({
    method: 'post',
    path: ALL,
    tag,
    summary:
      'Moves the renewal window of the certificates of a profile, an authority, or both; of those named; or of all.',
    body: z.strictObject({
      profile: name.optional(),
      authority: name.optional(),
      /** Fingerprints (SHA-256, hex) of certificates. */
      certificates: z
        .array(z.string().regex(/^[0-9a-f]{64}$/, 'SHA-256 of a certificate in lower-case hex'))
        .max(1000)
        .optional(),
      all: z.boolean().optional(),
      organization: name.optional(),
      issuedBefore: moment.optional(),
      start: moment,
      end: moment,
      explanationUrl: text(2000).optional(),
    }),
    status: 201,
    answer,
    async run({ door, body }) {
      const { certificates, ...rest } = body
      const named = certificates?.map((fingerprint) => ({ fingerprint }))
      const made = await door.admin.setRenewalWindow({ ...defined(rest), ...(named ? { certificates: named } : {}) })
      return { body: { renewalWindows: made } }
    },
  }),
  operation({
    method: 'delete',
    path: `${ALL}/{id}`,
    tag,
    summary: 'Removes a window: what counts without it counts again.',
    status: 204,
    async run({ door, params }) {
      await door.admin.removeRenewalWindow(numberIn(params.id, 'renewal window'))
      return undefined
    },
  }),
]
