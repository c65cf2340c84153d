import type { RequestKind, VoteInput } from '../../src/core/approval/approval.ts'
import { type ApprovalContext, createApprovals } from '../../src/core/approval/approvals.ts'
import { openDecision, requestHash } from '../../src/core/approval/decision.ts'
import { asRequester, createOrganization, createUser, type User } from '../../src/core/identity/identity.ts'
import { addRole, addRoleMember, type Role } from '../../src/core/identity/role.ts'
import { ruleVersion } from '../../src/core/profile/decide.ts'
import { saveProfile } from '../../src/core/profile/profiles.ts'
import { type ApprovalRule, approvalRules } from '../../src/core/profile/rule.ts'
import { readRevokeRequest, readSignRequest } from '../../src/core/request/records.ts'
import type { Finding, WantedCertificate } from '../../src/core/request/request.ts'
import { type Requester, requesterKey, system } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { uuidv7 } from '../../src/core/uuid.ts'
import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'

export const start = new Date('2027-03-01T08:00:00Z')

export const wanted: WantedCertificate = {
  type: 'server',
  subject: [[{ type: 'CN', value: 'www.example.org' }]],
  identifiers: [
    { type: 'dns', value: 'www.example.org' },
    { type: 'dns', value: 'example.org' },
  ],
  validity: 90 * 86_400_000,
  backdate: 60_000,
  mustStaple: false,
}

/** An ACME account whose credential a person made. */
export function account(people: User[] = [], ref = 'account-1'): Requester {
  return { kind: 'acme-account', ref, name: 'web team', people: people.map(({ id }) => id) }
}

interface Asked {
  rule: Partial<Extract<ApprovalRule, { require: unknown }>>
  requester?: Requester
  wanted?: WantedCertificate
  findings?: Finding[]
}

export type World = Awaited<ReturnType<typeof createWorld>>

/** Two organizations, an owner, a clock that tests set, and requests that wait by a rule. */
export async function createWorld(db: Database) {
  const clock = { now: start }
  const change = () => ({ actor: system('test'), at: clock.now })
  const [here, elsewhere] = await transaction(
    db,
    async (db) =>
      [await createOrganization(db, change(), 'here'), await createOrganization(db, change(), 'elsewhere')] as const,
  ) // prettier-ignore
  const user = (name: string, more: { superuser?: boolean; admin?: boolean; elsewhere?: boolean } = {}) =>
    transaction(db, (db) =>
      createUser(db, change(), {
        name,
        organizationId: more.elsewhere ? elsewhere.id : here.id,
        superuser: more.superuser ?? false,
        admin: more.admin ?? false,
      }),
    )
  const owner = await user('owner')
  const authorityId = await transaction(db, (db) => insertAuthority(db, here.id, owner.id))
  const followed: string[] = []
  const follow =
    (what: string) =>
    async (_db: Database, kind: RequestKind, id: number): Promise<() => Promise<void>> =>
    async () => {
      followed.push(`${what} ${kind} ${id}`)
    }
  const as = (requester: Requester | User) => {
    const context: ApprovalContext = {
      db,
      clock: () => clock.now,
      requester: 'kind' in requester ? requester : asRequester(requester),
      approved: follow('approved'),
      retry: follow('retry'),
    }
    return createApprovals(context)
  }
  const world = { db, clock, change, here, elsewhere, user, owner, authorityId, followed, as }
  return { ...world, ...roles(world), ...requests(world) }
}

interface Ground {
  db: Database
  clock: { now: Date }
  change: () => { actor: Requester; at: Date }
  here: { id: number }
  authorityId: number
  as: (requester: Requester | User) => ReturnType<typeof createApprovals>
}

function roles({ db, change, here }: Ground) {
  return {
    role: (name: string, members: User[], organizationId = here.id): Promise<Role> =>
      transaction(db, async (db) => {
        const role = await addRole(db, change(), organizationId, name)
        for (const { id } of members) await addRoleMember(db, change(), { role, userId: id })
        return role
      }),
  }
}

function requests(ground: Ground) {
  const { db, as } = ground
  const status = async (kind: RequestKind, id: number) =>
    (kind === 'sign' ? await readSignRequest(db, id) : await readRevokeRequest(db, id)).status
  return {
    ask: (asked: Asked) => transaction(db, (db) => ask(db, ground, asked)),
    askRevoke: (asked: Asked, certificateId: number) =>
      transaction(db, (db) => askRevoke(db, ground, asked, certificateId)),
    status,
    async vote(
      voter: Requester | User,
      asked: { kind?: RequestKind; id: number; hash: string },
      input: Partial<VoteInput> = {},
    ) {
      return as(voter).vote(asked.kind ?? 'sign', asked.id, { verdict: 'approve', hash: asked.hash, ...input })
    },
    audited: async (action: string) =>
      withTables<CoreTables>(db)
        .selectFrom('audit_events')
        .selectAll()
        .where('action', '=', action)
        .orderBy('id')
        .execute(),
  }
}

async function insertAuthority(db: Database, organizationId: number, ownerId: number): Promise<number> {
  const { id } = await withTables<CoreTables>(db)
    .insertInto('authorities')
    .values({
      uuid: uuidv7(start),
      organization_id: organizationId,
      name: 'issuing',
      kind: 'local',
      owner_id: ownerId,
      enabled: 1,
      settings: '{}',
      created_at: start.getTime(),
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

function ruleOf({ rule }: Asked): Extract<ApprovalRule, { require: unknown }> {
  const given = { name: 'two people', require: [{ owner: true }], ...rule }
  const [parsed] = approvalRules.parse({ issue: [given] }).issue
  if (!parsed || !('require' in parsed)) throw new Error('not a rule that asks people')
  return parsed
}

async function saveRule(db: Database, { here, authorityId, change }: Ground, rule: ApprovalRule): Promise<number> {
  const draft = {
    name: 'web',
    organizationId: here.id,
    authorityId,
    enabled: true,
    builtin: false,
    settings: {},
    protocols: {},
    rules: { issue: [rule] },
  }
  return (await saveProfile(db, draft, change())).id
}

async function ask(db: Database, ground: Ground, asked: Asked) {
  const rule = ruleOf(asked)
  const profileId = await saveRule(db, ground, rule)
  const requester = asked.requester ?? account()
  const order = asked.wanted ?? wanted
  const at = ground.clock.now
  const { id } = await withTables<CoreTables>(db)
    .insertInto('sign_requests')
    .values({
      ...common(ground, requester, asked.findings ?? [], at),
      profile_id: profileId,
      action: 'issue',
      origin_ref: null,
      origin_generation: 0,
      csr: Buffer.from('csr'),
      spki_hash: 'aa',
      wanted: JSON.stringify(order),
      renews_id: null,
      attempt: 0,
      answered: 0,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return open(db, ground, { kind: 'sign', id, rule, requester, order })
}

async function askRevoke(db: Database, ground: Ground, asked: Asked, certificateId: number) {
  const requester = asked.requester ?? account()
  const { id } = await withTables<CoreTables>(db)
    .insertInto('revoke_requests')
    .values({
      ...common(ground, requester, asked.findings ?? [], ground.clock.now),
      profile_id: null,
      certificate_id: certificateId,
      code: 'superseded',
      facts: '{}',
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return open(db, ground, { kind: 'revoke', id, rule: ruleOf(asked), requester })
}

function common({ here, authorityId }: Ground, requester: Requester, findings: Finding[], at: Date) {
  return {
    uuid: uuidv7(at),
    organization_id: here.id,
    authority_id: authorityId,
    status: 'requested',
    revision: 1,
    protocol: 'acme',
    requester: JSON.stringify(requester),
    requester_key: requesterKey(requester),
    source_address: null,
    findings: JSON.stringify(findings),
    last_error: null,
    reason: null,
    created_at: at.getTime(),
    updated_at: at.getTime(),
    expires_at: null,
    ended_at: null,
  }
}

interface Opening {
  kind: RequestKind
  id: number
  rule: Extract<ApprovalRule, { require: unknown }>
  requester: Requester
  order?: WantedCertificate
}

async function open(db: Database, { here, authorityId, clock }: Ground, { kind, id, rule, requester, order }: Opening) {
  const version = ruleVersion(rule)
  const hash = requestHash({
    kind,
    action: kind === 'sign' ? 'issue' : 'revoke',
    profile: 'web',
    requester,
    revision: 1,
    findings: [],
    ruleVersion: version,
    ...(order ? { wanted: order } : {}),
  })
  const decision = await openDecision(db, {
    kind,
    requestId: id,
    revision: 1,
    organizationId: here.id,
    authorityId,
    requester,
    outcome: { kind: 'require', rule: rule.name, version, steps: rule.require },
    hash,
    at: clock.now,
  })
  await withTables<CoreTables>(db)
    .updateTable(kind === 'sign' ? 'sign_requests' : 'revoke_requests')
    .set({ expires_at: decision.expiresAt?.getTime() ?? null })
    .where('id', '=', id)
    .execute()
  return { kind, id, hash, rule, version, decision }
}
