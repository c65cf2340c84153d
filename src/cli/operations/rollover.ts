import { z } from 'zod'
import type { RolloverView } from '../../core/authority/rolloverView.ts'
import type { KeySpec } from '../../core/key.ts'
import { pemEncode } from '../../pki/pem.ts'
import { operation } from '../operation.ts'
import { lengthOfTime, moment, name } from './fields.ts'

const keySpecs = ['P-256', 'P-384', 'P-521', 'RSA-2048', 'RSA-3072', 'RSA-4096', 'Ed25519'] as const satisfies KeySpec[]
const pem = z.string().max(1_000_000)

/** A start at a time, or after some time. */
const start = { start: moment.optional(), lead: lengthOfTime.optional() }

export const show = operation({
  name: 'authority.rollover.show',
  input: z.strictObject({ name }),
  run: async ({ door }, { name }) => asText(await door.admin.rollover(name)),
})

export const prepare = operation({
  name: 'authority.rollover.prepare',
  input: z.strictObject({
    name,
    ...start,
    key: z.enum(keySpecs).optional(),
    validity: lengthOfTime.optional(),
    pem: pem.optional(),
  }),
  run: async ({ door }, { name, start, lead, ...draft }) =>
    asText(await door.admin.prepareRollover(name, { ...draft, ...startsAt(start, lead) })),
})

export const upload = operation({
  name: 'authority.rollover.upload',
  input: z.strictObject({ name, ...start, pem }),
  run: async ({ door }, { name, start, lead, pem }) =>
    asText(await door.admin.uploadRollover(name, { pem, ...startsAt(start, lead) })),
})

export const activate = operation({
  name: 'authority.rollover.activate',
  input: z.strictObject({ name }),
  run: async ({ door }, { name }) => asText(await door.admin.activateRollover(name)),
})

export const cancel = operation({
  name: 'authority.rollover.cancel',
  input: z.strictObject({ name }),
  run: async ({ door }, { name }) => asText(await door.admin.cancelRollover(name)),
})

function startsAt(start: Date | undefined, lead: number | undefined): { startsAt?: Date } {
  if (lead !== undefined) return { startsAt: new Date(Date.now() + lead) }
  return start === undefined ? {} : { startsAt: start }
}

/** Certificates as PEM. */
function asText({ csr, chain, newWithOld, oldWithNew, ...view }: RolloverView) {
  const certificate = (der: Buffer | null) => (der === null ? null : pemEncode('CERTIFICATE', der))
  return {
    ...view,
    csr: csr === null ? null : pemEncode('CERTIFICATE REQUEST', csr),
    pem: chain.length === 0 ? null : chain.map(certificate).join(''),
    newWithOld: certificate(newWithOld),
    oldWithNew: certificate(oldWithNew),
  }
}
