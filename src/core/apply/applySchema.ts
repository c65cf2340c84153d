import { z } from 'zod'
import { capabilities } from '../identity/capabilityNames.ts'
import { duration } from '../profile/profile.ts'
import { text } from '../text.ts'

const name = text(200)
const organization = name.optional()
const people = z.array(name).max(1000)

const grant = z.strictObject({
  capability: z.enum(capabilities),
  authority: name.optional(),
  profile: name.optional(),
})
const grants = z.array(grant).max(500)

const user = z.strictObject({
  name,
  organization,
  enabled: z.boolean().optional(),
  admin: z.boolean().optional(),
  superuser: z.boolean().optional(),
  grants: grants.optional(),
})

const role = z.strictObject({ name, organization, members: people.optional(), grants: grants.optional() })

const group = z.strictObject({
  name,
  organization,
  description: text(500).nullable().optional(),
  email: z.string().max(254).nullable().optional(),
  members: people.optional(),
})

const subtree = z.strictObject({ type: z.enum(['dns', 'ip', 'email', 'uri']), value: text(300) })

/** How an authority is made whose key is kept here; looked at only while there is none of its name. */
const creation = z.strictObject({
  key: z.enum(['P-256', 'P-384', 'P-521', 'RSA-2048', 'RSA-3072', 'RSA-4096', 'Ed25519']).default('P-256'),
  subject: text(1000),
  parent: name.optional(),
  validity: duration,
  pathLength: z.int().min(0).max(10).optional(),
  nameConstraints: z
    .strictObject({
      permitted: z.array(subtree).max(100).default([]),
      excluded: z.array(subtree).max(100).default([]),
    })
    .optional(),
})

const authority = z.strictObject({
  name,
  organization,
  owner: name.optional(),
  enabled: z.boolean().optional(),
  settings: z.record(z.string(), z.unknown()).optional(),
  create: creation.optional(),
})

const profile = z.strictObject({
  name,
  organization,
  authority: name,
  enabled: z.boolean().optional(),
  settings: z.record(z.string(), z.unknown()).optional(),
  protocols: z.record(z.string().max(50), z.unknown()).optional(),
  rules: z.record(z.string(), z.unknown()).optional(),
})

/** The core's own schemas of these say what is wrong inside. */
const attribute = z.looseObject({ name, organization })
const location = z.strictObject({
  name,
  organization,
  kind: z.enum(['folder', 'webhook']),
  settings: z.record(z.string(), z.unknown()),
  description: text(1000).nullable().optional(),
  enabled: z.boolean().optional(),
  multiple: z.boolean().optional(),
})

const webhook = z.looseObject({ name, organization })

/** What can be deleted by being left out. All else stays: records refer to it. */
export const prunable = ['roles', 'groups', 'attributes', 'locations'] as const
export type Prunable = (typeof prunable)[number]

const fields = z.strictObject({
  /** Where the entries belong that say nothing else; absent: where the user does. */
  organization,
  organizations: z.array(z.strictObject({ name })).max(1000).default([]),
  users: z.array(user).max(5000).default([]),
  roles: z.array(role).max(1000).default([]),
  groups: z.array(group).max(1000).default([]),
  authorities: z.array(authority).max(200).default([]),
  profiles: z.array(profile).max(1000).default([]),
  attributes: z.array(attribute).max(1000).default([]),
  locations: z.array(location).max(1000).default([]),
  webhooks: z.array(webhook).max(1000).default([]),
  /** Of these kinds, what the document's organization has and the file has not is deleted. */
  prune: z.partialRecord(z.enum(prunable), z.boolean()).default({}),
})

export const applyKinds = [
  'organizations',
  'users',
  'roles',
  'groups',
  'authorities',
  'profiles',
  'attributes',
  'locations',
  'webhooks',
] as const
export type ApplyKind = (typeof applyKinds)[number]

/** What a file says that there shall be: docs/operate/apply.md. */
export const applyDocument = fields.superRefine((document, context) => {
  for (const kind of applyKinds) {
    const seen = new Set<string>()
    for (const [index, entry] of document[kind].entries()) {
      const home = 'organization' in entry ? (entry.organization ?? document.organization ?? '') : ''
      const key = JSON.stringify([home, kind === 'users' ? entry.name.toLowerCase() : entry.name])
      if (seen.has(key))
        context.addIssue({ code: 'custom', path: [kind, index, 'name'], message: `${entry.name} stands here twice` })
      seen.add(key)
    }
  }
  for (const kind of Object.keys(document.prune) as Prunable[])
    if (document.prune[kind] && document[kind].some((entry) => entry.organization !== undefined))
      context.addIssue({
        code: 'custom',
        path: ['prune', kind],
        message: 'only where no entry of the kind names an organization: it is for that of the document',
      })
})

export type ApplyDocument = z.output<typeof applyDocument>
export type Entry<K extends ApplyKind> = ApplyDocument[K][number]
