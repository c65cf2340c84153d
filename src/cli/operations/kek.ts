import { z } from 'zod'
import { operation } from '../operation.ts'
import { lengthOfTime, name, text, uuid } from './fields.ts'

export const create = operation({
  name: 'kek.create',
  person: 'makes a credential',
  input: z.strictObject({
    profile: name,
    identifier: name.optional(),
    /** 16, 24 or 32 octets in base64url. */
    secret: text(100).optional(),
    expires: lengthOfTime.optional(),
    note: text(1000).optional(),
  }),
  run: async ({ door }, { profile, identifier, secret, expires, note }) =>
    door.admin.createCredential({
      kind: 'kek',
      profile,
      ...(identifier === undefined ? {} : { name: identifier }),
      ...(secret === undefined ? {} : { secret }),
      ...(expires === undefined ? {} : { expiresAt: new Date(Date.now() + expires) }),
      ...(note === undefined ? {} : { note }),
    }),
})

export const list = operation({
  name: 'kek.ls',
  input: z.strictObject({ profile: name.optional() }),
  run: ({ door }, { profile }) =>
    door.admin.credentials({ kind: 'kek', ...(profile === undefined ? {} : { profile }) }),
})

export const revoke = operation({
  name: 'kek.revoke',
  input: z.strictObject({ uuid }),
  run: async ({ door }, { uuid }) => {
    await door.admin.revokeCredential(uuid)
    return {}
  },
})
