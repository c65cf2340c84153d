import { z } from 'zod'
import type { Door } from '../../src/core/core.ts'
import { Failure } from '../../src/core/failure.ts'
import type { AccountChange, Host, ProtocolAccount, ProtocolAccounts } from '../../src/protocol.ts'
import { operation } from './operation.ts'

const TAG = 'ACME accounts'
const ALL = '/v1/acmeAccounts'
const ONE = '/v1/acmeProfiles/{acmeProfileUuid}/acmeAccounts/{acmeAccountUuid}' as const

const line = z.object({
  uuid: z.string(),
  accountId: z.string(),
  enabled: z.boolean(),
  status: z.enum(['valid', 'deactivated', 'revoked']),
  totalOrders: z.int(),
  raProfileUuid: z.string(),
  raProfileName: z.string(),
  /** Of an RA profile without an ACME profile: its own. */
  acmeProfileUuid: z.string(),
  acmeProfileName: z.string(),
})

/** AcmeAccountDto. Counts other than the total are of the newest 200 orders. */
const detail = line.extend({
  successfulOrders: z.int(),
  failedOrders: z.int(),
  pendingOrders: z.int(),
  validOrders: z.int(),
  processingOrders: z.int(),
  contact: z.array(z.string()),
  termsOfServiceAgreed: z.boolean(),
})

const uuids = z.array(z.string().max(200)).max(1000)

function accountsOf(host: Host): ProtocolAccounts {
  const accounts = host.accounts('acme')
  if (!accounts) throw new Failure('notFound', 'ACME is not spoken here')
  return accounts
}

async function lineView(door: Door, account: ProtocolAccount): Promise<z.output<typeof line>> {
  const { uuid, enabled, status, total, profile } = account
  const set = (await door.optionSets.of('acme', profile)) ?? profile
  return {
    uuid,
    accountId: uuid,
    enabled,
    status,
    totalOrders: total,
    raProfileUuid: profile.uuid,
    raProfileName: profile.name,
    acmeProfileUuid: set.uuid,
    acmeProfileName: set.name,
  }
}

/** The account of a path, which must be one of the ACME profile of the same path. Throws Failure('notFound'). */
async function placed(host: Host, door: Door, params: Record<'acmeProfileUuid' | 'acmeAccountUuid', string>) {
  const account = await accountsOf(host).find(door, params.acmeAccountUuid)
  const view = await lineView(door, account)
  if (view.acmeProfileUuid !== params.acmeProfileUuid) throw new Failure('notFound', 'there is no such ACME account')
  return { account, view }
}

/** One after the other: the first that fails ends it. */
async function each(host: Host, door: Door, all: readonly string[], change: AccountChange): Promise<undefined> {
  for (const uuid of new Set(all)) await accountsOf(host).change(door, uuid, change)
  return undefined
}

const words = {
  enable: 'Lets an account be used again.',
  disable: 'Has an account refused until it is enabled again.',
  revoke: 'Ends an account for ever; what it still waits for is withdrawn. What was issued stays.',
} as const satisfies Record<AccountChange, string>

/** Accounts that ACME clients have registered. */
export const acmeAccountOperations = [
  operation({
    method: 'get',
    path: ALL,
    tag: TAG,
    summary: 'Lists ACME accounts, the newest first, a thousand at most.',
    answer: z.array(line),
    async run({ door, host }) {
      const all = await accountsOf(host).list(door)
      return { body: await Promise.all(all.map((account) => lineView(door, account))) }
    },
  }),
  operation({
    method: 'get',
    path: ONE,
    tag: TAG,
    summary: 'Shows an ACME account, and what became of its orders.',
    answer: detail,
    async run({ door, host, params }) {
      const { account, view } = await placed(host, door, params)
      const { pending = 0, ready = 0, processing = 0, valid = 0, invalid = 0 } = account.orders
      return {
        body: {
          ...view,
          successfulOrders: valid,
          failedOrders: invalid,
          pendingOrders: pending + ready,
          validOrders: valid,
          processingOrders: processing,
          contact: account.contact,
          termsOfServiceAgreed: account.termsAgreed,
        },
      }
    },
  }),
  ...(['enable', 'disable'] as const).map((change) =>
    operation({
      method: 'patch',
      path: `${ONE}/${change}` as const,
      tag: TAG,
      summary: words[change],
      status: 204,
      conflict: 422,
      async run({ door, host, params }) {
        await placed(host, door, params)
        return each(host, door, [params.acmeAccountUuid], change)
      },
    }),
  ),
  operation({
    method: 'post',
    path: ONE,
    tag: TAG,
    summary: words.revoke,
    status: 204,
    conflict: 422,
    async run({ door, host, params }) {
      await placed(host, door, params)
      return each(host, door, [params.acmeAccountUuid], 'revoke')
    },
  }),
  ...(['enable', 'disable', 'revoke'] as const).map((change) =>
    operation({
      method: change === 'revoke' ? 'put' : 'patch',
      path: `${ALL}/${change}`,
      tag: TAG,
      summary: `${words[change]} Several, one after the other.`,
      body: uuids,
      status: 204,
      conflict: 422,
      run: ({ door, host, body }) => each(host, door, body, change),
    }),
  ),
]
