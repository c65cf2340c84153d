import { z } from 'zod'
import type { KeySpec } from '../../core/key.ts'
import { pemEncode } from '../../pki/pem.ts'
import { operation } from '../operation.ts'
import { crlFile, largestCrl, lengthOfTime, name, text } from './fields.ts'

const keySpecs = ['P-256', 'P-384', 'P-521', 'RSA-2048', 'RSA-3072', 'RSA-4096', 'Ed25519'] as const satisfies KeySpec[]
const belonging = { organization: name.optional(), owner: name.optional() }
const pem = z.string().max(1_000_000)

const bundle = {
  pem: pem.optional(),
  /** Base64. */
  pkcs12: z.base64().max(2_000_000).optional(),
  passphrase: z.string().max(1000).optional(),
}

const lastCrl = {
  crl: crlFile.optional(),
  crlNumber: z
    .string()
    .regex(/^(0|[1-9][0-9]{0,47})$/, 'a CRL number is a whole decimal number')
    .transform(BigInt)
    .optional(),
}

const subtree = z
  .string()
  .regex(
    /^(dns|email|uri|ip):./,
    'a name space is written dns:example.org, ip:10.0.0.0/8, email:example.org or uri:example.org',
  )
  .transform((text) => ({
    type: text.slice(0, text.indexOf(':')) as 'dns' | 'email' | 'uri' | 'ip',
    value: text.slice(text.indexOf(':') + 1),
  }))

export const list = operation({
  name: 'authority.ls',
  input: z.strictObject({}),
  run: ({ door }) => door.admin.authorities(),
})

export const show = operation({
  name: 'authority.show',
  input: z.strictObject({ name }),
  run: async ({ door }, { name }) => {
    const { chain, ...view } = await door.admin.authority(name)
    return { ...view, pem: chain.map((der) => pemEncode('CERTIFICATE', der)).join('') }
  },
})

export const create = operation({
  name: 'authority.create',
  input: z.strictObject({
    ...belonging,
    name,
    key: z.enum(keySpecs).default('P-256'),
    subject: text(1000),
    parent: name.optional(),
    validity: lengthOfTime,
    pathLength: z.int().min(0).max(10).optional(),
    permit: z.array(subtree).max(100).default([]),
    exclude: z.array(subtree).max(100).default([]),
  }),
  run: ({ door }, { permit, exclude, ...draft }) => {
    const constraints =
      permit.length + exclude.length === 0 ? {} : { nameConstraints: { permitted: permit, excluded: exclude } }
    return door.admin.createAuthority({ ...draft, ...constraints })
  },
})

export const importOne = operation({
  name: 'authority.import',
  input: z.strictObject({
    ...belonging,
    name,
    ...bundle,
    ...lastCrl,
  }),
  largest: largestCrl * 2,
  run: ({ door }, { pkcs12, crl, ...draft }) =>
    door.admin.importAuthority({
      ...draft,
      ...(pkcs12 === undefined ? {} : { pkcs12: Buffer.from(pkcs12, 'base64') }),
      ...(crl === undefined ? {} : { crl: Buffer.from(crl, 'base64') }),
    }),
})

export const importCrl = operation({
  name: 'authority.import-crl',
  input: z.strictObject({ name, ...lastCrl }),
  largest: largestCrl * 2,
  run: ({ door }, { name, crl, ...draft }) =>
    door.admin.importCrl(name, { ...draft, ...(crl === undefined ? {} : { crl: Buffer.from(crl, 'base64') }) }),
})

export const uploadCrl = operation({
  name: 'authority.upload-crl',
  input: z.strictObject({ name, crl: crlFile }),
  largest: largestCrl * 2,
  run: ({ door }, { name, crl }) => door.admin.uploadCrl(name, Buffer.from(crl, 'base64')),
})

export const uploadResponder = operation({
  name: 'authority.upload-responder',
  input: z.strictObject({ name, ...bundle }),
  run: ({ door }, { name, pkcs12, ...draft }) =>
    door.admin.uploadResponder(name, {
      ...draft,
      ...(pkcs12 === undefined ? {} : { pkcs12: Buffer.from(pkcs12, 'base64') }),
    }),
})

export const addManual = operation({
  name: 'authority.add-manual',
  input: z.strictObject({ ...belonging, name, pem }),
  run: ({ door }, draft) => door.admin.addManualAuthority(draft),
})

const externalAccount = z.strictObject({ kid: text(500), key: text(500) })

export const addAcme = operation({
  name: 'authority.add-acme',
  input: z.strictObject({
    ...belonging,
    name,
    directory: text(2000),
    contact: z.array(text(200)).max(5).default([]),
    agreeTerms: z.boolean().default(false),
    externalAccount: externalAccount.optional(),
    caPem: pem.optional(),
    proof: z.enum(['none', 'http-01', 'dns-01']).optional(),
  }),
  run: ({ door }, draft) => door.admin.addUpstreamAuthority(draft),
})

export const register = operation({
  name: 'authority.register',
  input: z.strictObject({ name, agreeTerms: z.boolean().default(false), externalAccount: externalAccount.optional() }),
  run: ({ door }, { name, ...draft }) => door.admin.registerUpstream(name, draft),
})

export const change = operation({
  name: 'authority.change',
  input: z.strictObject({
    name,
    enabled: z.boolean().optional(),
    owner: name.optional(),
    settings: z.unknown().optional(),
  }),
  run: ({ door }, { name, ...changes }) => door.admin.changeAuthority(name, changes),
})

export const crl = operation({
  name: 'authority.crl',
  input: z.strictObject({ name, indirect: z.boolean().default(false) }),
  run: async ({ door }, { name, indirect }) => {
    // Also whether the requester sees the authority at all.
    const { crlUrl } = await door.admin.authority(name)
    const { der, number, thisUpdate, nextUpdate } = await door.crl({ authority: name, indirect })
    const url = indirect ? (crlUrl?.replace(/0\.crl$/, 'indirect.crl') ?? null) : crlUrl
    return { number: String(number), thisUpdate, nextUpdate, url, pem: pemEncode('X509 CRL', der) }
  },
})

export const chains = operation({
  name: 'authority.chains',
  input: z.strictObject({ name }),
  run: ({ door }, { name }) => door.admin.chains(name),
})

export const addChain = operation({
  name: 'authority.add-chain',
  input: z.strictObject({ name, pem }),
  run: ({ door }, { name, pem }) => door.admin.addChain(name, pem),
})

export const removeChain = operation({
  name: 'authority.remove-chain',
  input: z.strictObject({ name, chain: z.int().min(1) }),
  run: ({ door }, { name, chain }) => door.admin.removeChain(name, chain),
})
