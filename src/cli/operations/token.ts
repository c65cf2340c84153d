import { z } from 'zod'
import { operation } from '../operation.ts'
import { lengthOfTime, name, uuid } from './fields.ts'

export const create = operation({
  name: 'token.create',
  person: 'makes a token',
  input: z.strictObject({ name, expires: lengthOfTime.optional() }),
  run: async ({ door, requester }, { name, expires }) => {
    const expiry = expires === undefined ? {} : { expiresAt: new Date(Date.now() + expires) }
    return door.admin.createToken({ user: requester.name, name, ...expiry })
  },
})

export const list = operation({
  name: 'token.ls',
  input: z.strictObject({ user: name.optional() }),
  run: ({ door }, { user }) => door.admin.tokens(user),
})

export const revoke = operation({
  name: 'token.revoke',
  input: z.strictObject({ uuid }),
  run: async ({ door }, { uuid }) => {
    await door.admin.revokeToken(uuid)
    return {}
  },
})
