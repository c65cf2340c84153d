import { z } from 'zod'
import type { Admin, AuthorityView } from '../../src/core/admin.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { lengthOfTime, maybeWhen, moment, name, octets, pem } from './fields.ts'
import { operation } from './operation.ts'
import { defined } from './requests.ts'
import { text } from './text.ts'

const TAG = 'Authorities'
const ALL = '/v1/countersign/authorities'
const ONE = `${ALL}/{name}` as const

const keySpec = z.enum(['P-256', 'P-384', 'P-521', 'RSA-2048', 'RSA-3072', 'RSA-4096', 'Ed25519'])

const view = z.object({
  id: z.int(),
  name: z.string(),
  uuid: z.string(),
  kind: z.string(),
  organization: z.string(),
  owner: z.string().nullable(),
  enabled: z.boolean(),
  subject: z.string().nullable(),
  serial: z.string().nullable(),
  notAfter: maybeWhen,
  fingerprint: z.string().nullable(),
  keyAlgorithm: z.string().nullable(),
  crlUrl: z.string().nullable(),
  ocspUrl: z.string().nullable(),
  settings: z.unknown(),
})

const generalSubtree = z.strictObject({ type: z.enum(['dns', 'ip', 'email', 'uri']), value: text(300) })
const belonging = { name, organization: name.optional(), owner: name.optional() }

const draft = z.discriminatedUnion('kind', [
  z.strictObject({
    ...belonging,
    /** A new key here. Without a parent it signs itself. */
    kind: z.literal('local'),
    key: keySpec.default('P-256'),
    subject: text(1000),
    parent: name.optional(),
    validity: lengthOfTime,
    pathLength: z.int().min(0).max(10).optional(),
    nameConstraints: z
      .strictObject({
        permitted: z.array(generalSubtree).max(100).default([]),
        excluded: z.array(generalSubtree).max(100).default([]),
      })
      .optional(),
  }),
  z.strictObject({
    ...belonging,
    /** An existing CA with its key, as PEM or as base64 of PKCS#12. */
    kind: z.literal('import'),
    pem: pem.optional(),
    pkcs12: octets(1_500_000).optional(),
    passphrase: z.string().max(1000).optional(),
    crl: octets(4_000_000).optional(),
    crlNumber: z
      .string()
      .regex(/^(0|[1-9][0-9]{0,47})$/, 'a CRL number is a whole decimal number')
      .transform(BigInt)
      .optional(),
  }),
  z.strictObject({
    ...belonging,
    /** It signs elsewhere: its certificate, then its chain. */
    kind: z.literal('manual'),
    pem,
  }),
])

export const authorityOperations = [
  operation({
    method: 'get',
    path: ALL,
    tag: TAG,
    summary: 'The authorities of the organization.',
    answer: z.object({ authorities: z.array(view) }),
    run: async ({ door }) => ({ body: { authorities: await door.admin.authorities() } }),
  }),
  operation({
    method: 'post',
    path: ALL,
    tag: TAG,
    summary: 'Makes a root or an intermediate, imports one with its key, or names one that signs elsewhere.',
    body: draft,
    bodyLimit: 8 * 2 ** 20,
    status: 201,
    answer: view.extend({ warnings: z.array(z.string()).optional() }),
    async run({ door, body }) {
      const made = await make(door.admin, body)
      return { body: made, headers: { Location: `/api${ALL}/${encodeURIComponent(made.name)}` } }
    },
  }),
  operation({
    method: 'get',
    path: ONE,
    tag: TAG,
    summary: 'One authority, with its certificate and those above it as PEM.',
    answer: view.extend({ pem: z.string() }),
    async run({ door, params }) {
      const { chain, ...authority } = await door.admin.authority(params.name)
      return { body: { ...authority, pem: chain.map((der) => pemEncode('CERTIFICATE', der)).join('') } }
    },
  }),
  operation({
    method: 'patch',
    path: ONE,
    tag: TAG,
    summary: 'Enables or disables an authority, gives it another owner or other settings.',
    body: z.strictObject({ enabled: z.boolean().optional(), owner: name.optional(), settings: z.unknown().optional() }),
    answer: view,
    run: async ({ door, params, body }) => ({ body: await door.admin.changeAuthority(params.name, defined(body)) }),
  }),
  ...rollover(),
]

type Draft = z.output<typeof draft>

function make(admin: Admin, body: Draft): Promise<AuthorityView & { warnings?: string[] }> {
  switch (body.kind) {
    case 'local': {
      const { kind: _, ...rest } = body
      return admin.createAuthority(defined(rest))
    }
    case 'import': {
      const { kind: _, ...rest } = body
      return admin.importAuthority(defined(rest))
    }
    case 'manual': {
      const { kind: _, ...rest } = body
      return admin.addManualAuthority(defined(rest))
    }
  }
}

function rollover() {
  const path = `${ONE}/rollover` as const
  const state = z.looseObject({})
  const move = (what: 'activate' | 'cancel') =>
    operation({
      method: 'post',
      path: `${path}/${what}` as `${typeof path}/activate`,
      tag: TAG,
      summary:
        what === 'activate' ? 'The next certificate signs from now on.' : 'The next certificate never will sign.',
      answer: state,
      run: async ({ door, params }) => ({
        body:
          what === 'activate'
            ? await door.admin.activateRollover(params.name)
            : await door.admin.cancelRollover(params.name),
      }),
    })
  return [
    operation({
      method: 'get',
      path,
      tag: TAG,
      summary: 'The last rollover of an authority: its next key and certificate, and when it takes over.',
      answer: state,
      run: async ({ door, params }) => ({ body: await door.admin.rollover(params.name) }),
    }),
    operation({
      method: 'post',
      path,
      tag: TAG,
      summary: 'Prepares the next key and certificate.',
      body: z.strictObject({
        key: keySpec.optional(),
        validity: lengthOfTime.optional(),
        startsAt: moment.optional(),
        pem: pem.optional(),
      }),
      status: 201,
      answer: state,
      run: async ({ door, params, body }) => ({ body: await door.admin.prepareRollover(params.name, defined(body)) }),
    }),
    operation({
      method: 'post',
      path: `${path}/upload`,
      tag: TAG,
      summary: 'Takes the next certificate that was signed elsewhere, with those above it.',
      body: z.strictObject({ pem, startsAt: moment.optional() }),
      answer: state,
      run: async ({ door, params, body }) => ({ body: await door.admin.uploadRollover(params.name, defined(body)) }),
    }),
    move('activate'),
    move('cancel'),
  ]
}
