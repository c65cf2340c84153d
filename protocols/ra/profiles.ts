import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import type { ProfileRecord } from '../../src/core/profile/raProfiles.ts'
import { Unprocessable } from './errors.ts'
import { name } from './fields.ts'
import { operation } from './operation.ts'
import { defined } from './requests.ts'

const tag = 'RA profiles as they are written'
const ALL = '/v1/countersign/raProfiles'
const ONE = `${ALL}/{name}` as const

const actions = ['issue', 'renew', 'rekey', 'revoke', 'export'] as const
/** Each is held against the core's own schema, which says what is wrong and where. */
const ruleList = z.array(z.looseObject({})).max(100)
const rules = z.strictObject(Object.fromEntries(actions.map((action) => [action, ruleList.optional()])))
const map = z.record(z.string().max(100), z.unknown())

const profile = z.object({
  name: z.string(),
  uuid: z.string(),
  authority: z.string(),
  organization: z.string(),
  enabled: z.boolean(),
  version: z.int(),
  /** The certificate, its variants, `enforcement` of each policy (hard or soft), the time in which repeats are answered. */
  settings: map,
  protocols: map,
  rules: z.looseObject({}),
})
const warnings = z.array(z.string())
const version = { version: z.coerce.number().int().min(1).optional() }

/** RA profiles whole: what clients may get, over which protocols, under which rules. */
export const profileOperations = [
  operation({
    method: 'get',
    path: ALL,
    tag,
    summary: 'The profiles of the organization, by name, as they were written.',
    answer: z.object({ profiles: z.array(profile) }),
    run: async ({ door }) => ({ body: { profiles: await door.admin.profiles() } }),
  }),
  operation({
    method: 'get',
    path: ONE,
    tag,
    summary: 'One profile.',
    answer: profile,
    run: async ({ door, params }) => ({ body: await door.admin.profile(params.name) }),
  }),
  operation({
    method: 'put',
    path: ONE,
    tag,
    summary: 'Makes a profile, or replaces all of it. `warnings`: rules that are allowed and hardly meant.',
    body: z.strictObject({
      authority: name,
      organization: name.optional(),
      enabled: z.boolean().optional(),
      settings: map.default({}),
      protocols: map.default({}),
      rules: rules.default({}),
    }),
    answer: profile.extend({ warnings }),
    run: async ({ door, params, body }) => ({
      body: await withPlaces(() => door.admin.saveProfile({ ...defined(body), name: params.name })),
    }),
  }),
  operation({
    method: 'get',
    path: `${ONE}/rules`,
    tag,
    summary: 'The approval rules of a profile, for each action in order: the first that holds decides.',
    answer: z.object({ version: z.int(), rules: z.looseObject({}) }),
    async run({ door, params }) {
      const { version, rules } = await door.admin.profile(params.name)
      return { body: { version, rules } }
    },
  }),
  operation({
    method: 'put',
    path: `${ONE}/rules`,
    tag,
    summary:
      'Replaces all rules of a profile; an action that is left out has none. `version`: of the profile that was read.',
    query: z.object(version),
    body: rules,
    answer: z.object({ version: z.int(), rules: z.looseObject({}), warnings }),
    async run({ door, params, query, body }) {
      const { uuid } = await door.admin.profile(params.name)
      const change = (seen: ProfileRecord) => ({
        rules: unlessNewer(seen, query.version, body) as ProfileRecord['rules'],
      })
      const { version, rules, warnings } = await withPlaces(() => door.raProfiles.change(uuid, change))
      return { body: { version, rules, warnings } }
    },
  }),
  ...actions.flatMap((action) => [
    operation({
      method: 'get',
      path: `${ONE}/rules/${action}` as const,
      tag,
      summary: `The rules for ${action}.`,
      answer: z.object({ version: z.int(), rules: z.array(z.looseObject({})) }),
      async run({ door, params }) {
        const { version, rules } = await door.admin.profile(params.name)
        return { body: { version, rules: rules[action] } }
      },
    }),
    operation({
      method: 'put',
      path: `${ONE}/rules/${action}` as const,
      tag,
      summary: `Replaces the rules for ${action}. \`version\`: of the profile that was read.`,
      query: z.object(version),
      body: ruleList,
      answer: z.object({ version: z.int(), rules: z.array(z.looseObject({})), warnings }),
      async run({ door, params, query, body }) {
        const { uuid } = await door.admin.profile(params.name)
        const change = (seen: ProfileRecord) => ({
          rules: unlessNewer(seen, query.version, { ...seen.rules, [action]: body }) as ProfileRecord['rules'],
        })
        const { version, rules, warnings } = await withPlaces(() => door.raProfiles.change(uuid, change))
        return { body: { version, rules: rules[action], warnings } }
      },
    }),
  ]),
]

/** Runs in the transaction that stores it, which asks nothing else. */
function unlessNewer<T>(seen: ProfileRecord, version: number | undefined, rules: T): T {
  if (version === undefined || version === seen.version) return rules
  throw new Failure('conflict', `the profile is at version ${seen.version} by now: read it again`)
}

/** What is wrong in a profile is told with its place: issue[2].when. */
async function withPlaces<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'malformed' || !error.problems?.length) throw error
    const sentences = error.problems.map(({ at, detail }) => (detail.startsWith(at) ? detail : `${at}: ${detail}`))
    throw new Unprocessable(sentences.slice(0, 100))
  }
}
