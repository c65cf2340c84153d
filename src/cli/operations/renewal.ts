import { z } from 'zod'
import { operation } from '../operation.ts'
import { certificateRef, moment, name } from './fields.ts'

export const list = operation({
  name: 'renewal.ls',
  input: z.strictObject({}),
  run: ({ door }) => door.admin.renewalWindows(),
})

export const set = operation({
  name: 'renewal.set',
  input: z.strictObject({
    profile: name.optional(),
    authority: name.optional(),
    certificates: z.array(certificateRef).max(1000).optional(),
    all: z.boolean().optional(),
    organization: name.optional(),
    issuedBefore: moment.optional(),
    start: moment,
    end: moment,
    explanationUrl: z.string().max(500).optional(),
  }),
  run: ({ door }, draft) => door.admin.setRenewalWindow(draft),
})

export const remove = operation({
  name: 'renewal.rm',
  input: z.strictObject({ window: z.int().min(1) }),
  run: async ({ door }, { window }) => {
    await door.admin.removeRenewalWindow(window)
    return { window }
  },
})
