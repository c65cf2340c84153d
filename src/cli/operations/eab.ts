import { z } from 'zod'
import { operation } from '../operation.ts'
import { byKind } from './credentialNames.ts'
import { lengthOfTime, name, text, uuid } from './fields.ts'

export const create = operation({
  name: 'eab.create',
  person: 'makes a credential',
  input: z.strictObject({
    profile: name,
    kid: name.optional(),
    identifiers: z.array(text(300)).max(1000).default([]),
    singleUse: z.boolean().default(false),
    expires: lengthOfTime.optional(),
    note: text(1000).optional(),
  }),
  run: async ({ door }, { profile, kid, identifiers, singleUse, expires, note }) =>
    door.admin.createCredential({
      kind: 'eab',
      profile,
      singleUse,
      ...(kid === undefined ? {} : { name: kid }),
      ...(identifiers.length === 0 ? {} : { identifiers: byKind(identifiers) }),
      ...(expires === undefined ? {} : { expiresAt: new Date(Date.now() + expires) }),
      ...(note === undefined ? {} : { note }),
    }),
})

export const list = operation({
  name: 'eab.ls',
  input: z.strictObject({ profile: name.optional() }),
  run: ({ door }, { profile }) =>
    door.admin.credentials({ kind: 'eab', ...(profile === undefined ? {} : { profile }) }),
})

export const revoke = operation({
  name: 'eab.revoke',
  input: z.strictObject({ uuid }),
  run: async ({ door }, { uuid }) => {
    await door.admin.revokeCredential(uuid)
    return {}
  },
})
