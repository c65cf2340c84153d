import { z } from 'zod'
import { operation } from '../operation.ts'
import { byKind } from './credentialNames.ts'
import { lengthOfTime, name, text, uuid } from './fields.ts'

/** The operations over shared secrets of one kind, whose noun has the same name. */
export function sharedSecrets(kind: 'cmc' | 'cmp') {
  return {
    create: operation({
      name: `${kind}.create`,
      person: 'makes a credential',
      input: z.strictObject({
        profile: name,
        identification: name.optional(),
        identifiers: z.array(text(300)).max(1000).default([]),
        singleUse: z.boolean().default(false),
        expires: lengthOfTime.optional(),
        note: text(1000).optional(),
      }),
      run: async ({ door }, { profile, identification, identifiers, singleUse, expires, note }) =>
        door.admin.createCredential({
          kind,
          profile,
          singleUse,
          ...(identification === undefined ? {} : { name: identification }),
          ...(identifiers.length === 0 ? {} : { identifiers: byKind(identifiers) }),
          ...(expires === undefined ? {} : { expiresAt: new Date(Date.now() + expires) }),
          ...(note === undefined ? {} : { note }),
        }),
    }),
    list: operation({
      name: `${kind}.ls`,
      input: z.strictObject({ profile: name.optional() }),
      run: ({ door }, { profile }) => door.admin.credentials({ kind, ...(profile === undefined ? {} : { profile }) }),
    }),
    revoke: operation({
      name: `${kind}.revoke`,
      input: z.strictObject({ uuid }),
      run: async ({ door }, { uuid }) => {
        await door.admin.revokeCredential(uuid)
        return {}
      },
    }),
  }
}
