import { z } from 'zod'
import { operation } from '../operation.ts'
import { lengthOfTime, name } from './fields.ts'

const profile = name.default('default')
const key = z.string().min(1).max(500)
/** Like acme.ordersByAccount. */
const limit = z.string().regex(/^[a-z0-9]+\.[a-zA-Z0-9]{1,60}$/, 'a limit is named like acme.ordersByAccount')

export const list = operation({
  name: 'limit.ls',
  input: z.strictObject({ profile: name.optional(), limit: limit.optional(), key: key.optional() }),
  run: ({ door }, filter) => door.admin.limits(filter),
})

export const override = operation({
  name: 'limit.override',
  input: z.strictObject({
    profile,
    limit,
    key,
    rate: z.string().max(30),
    for: lengthOfTime.optional(),
    note: z.string().min(1).max(500).optional(),
  }),
  run: ({ door }, { profile, limit, key, rate, for: time, note }) => {
    const until = time === undefined ? {} : { until: new Date(Date.now() + time) }
    return door.admin.overrideLimit({
      profile,
      limit,
      key,
      override: { rate, ...until, ...(note === undefined ? {} : { note }) },
    })
  },
})

export const removeOverride = operation({
  name: 'limit.override-rm',
  input: z.strictObject({ profile, limit, key }),
  run: async ({ door }, ref) => {
    await door.admin.removeOverride(ref)
    return {}
  },
})

export const reset = operation({
  name: 'limit.reset',
  input: z.strictObject({ profile, limit: limit.optional(), key }),
  run: async ({ door }, ref) => ({ count: await door.admin.resetLimit(ref) }),
})
