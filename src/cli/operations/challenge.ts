import { z } from 'zod'
import { operation } from '../operation.ts'
import { lengthOfTime, name, text, uuid } from './fields.ts'

const patterns = z.array(text(300)).max(1000).optional()
const maker = 'makes a challenge'

export const create = operation({
  name: 'challenge.create',
  person: maker,
  input: z.strictObject({
    profile: name,
    subject: text(1000).optional(),
    dns: patterns,
    wildcards: z.boolean().optional(),
    ip: patterns,
    email: patterns,
    uri: patterns,
    uses: z.int().optional(),
    expires: lengthOfTime.optional(),
    note: text(1000).optional(),
  }),
  run: async ({ door }, { dns, ip, email, uri, wildcards, expires, ...draft }) => {
    const named = dns ?? ip ?? email ?? uri
    const identifiers = {
      dns: (dns ?? []).map((pattern) => pattern.toLowerCase()),
      wildcards: wildcards ?? false,
      ip: ip ?? [],
      email: email ?? [],
      uri: uri ?? [],
    }
    return door.admin.createChallenge({
      ...draft,
      ...(named === undefined ? {} : { identifiers }),
      ...(expires === undefined ? {} : { expiresAt: new Date(Date.now() + expires) }),
    })
  },
})

export const list = operation({
  name: 'challenge.ls',
  input: z.strictObject({ profile: name.optional(), all: z.boolean().optional() }),
  run: ({ door }, filter) => door.admin.challenges(filter),
})

export const revoke = operation({
  name: 'challenge.revoke',
  input: z.strictObject({ uuid }),
  run: async ({ door }, { uuid }) => {
    await door.admin.revokeChallenge(uuid)
    return {}
  },
})

export const setStatic = operation({
  name: 'challenge.set-static',
  person: maker,
  input: z.strictObject({ profile: name, challenge: text(255), note: text(1000).optional() }),
  run: ({ door }, draft) => door.admin.setStaticChallenge(draft),
})

export const clearStatic = operation({
  name: 'challenge.clear-static',
  input: z.strictObject({ profile: name }),
  run: async ({ door }, { profile }) => {
    await door.admin.clearStaticChallenge(profile)
    return {}
  },
})

export const webhookSecret = operation({
  name: 'challenge.webhook-secret',
  person: maker,
  input: z.strictObject({ profile: name }),
  run: ({ door }, { profile }) => door.admin.createWebhookSecret(profile),
})
