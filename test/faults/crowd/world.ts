import { readFileSync } from 'node:fs'
import type { Composition } from '../../../src/compose.ts'
import { type Capability, grantCapability } from '../../../src/core/identity/capability.ts'
import { createUser, findOrganization } from '../../../src/core/identity/identity.ts'
import { setPassword } from '../../../src/core/login/login.ts'
import { createToken } from '../../../src/core/login/token.ts'
import { system } from '../../../src/core/requester.ts'
import { transaction } from '../../../src/db/transaction.ts'
import { beside as workBeside } from '../../helpers/beside.ts'
import { type ServerProcess, startServer } from '../../helpers/serverProcess.ts'

export const PASSWORD = 'a password of some length'

/** A real server with a profile `crowd` that serves every contract, and the people who use it. */
export interface CrowdWorld {
  server: ServerProcess
  ca: Buffer
  /** Tokens. `operator` orders and revokes; `approver` is asked for every name that begins with `wait`, and has PASSWORD. */
  operator: string
  approver: string
  /** Id of the authority `issuing`. */
  issuing: number
  /** Looks into the server's database from outside, on handles that are closed again. */
  beside<T>(work: (composition: Composition) => Promise<T>): Promise<T>
}

const profile = {
  name: 'crowd',
  authority: 'issuing',
  settings: { certificate: { validity: { default: '30d', max: '365d' } } },
  protocols: {
    acme: { limits: { failedValidations: 'off', ordersByAccount: 'off' } },
    ra: {},
    est: { retryAfter: '1s', limits: { ordersByCertificate: 'off' } },
    scep: { limits: { withoutChallengeBySource: 'off', unreadableBySource: '1000/1s' } },
    notary: { receives: true },
    fastpki: {},
    alpacon: { takesOrders: true },
  },
  rules: {
    issue: [
      {
        name: 'those that wait',
        when: 'identifiers.exists(i, i.value.startsWith("wait"))',
        require: [{ users: ['approver'] }],
      },
      { name: 'the others', auto: true },
    ],
    renew: [],
    rekey: [],
    revoke: [{ name: 'at once', auto: true }],
    export: [],
  },
}

export async function startCrowdWorld(databaseUrl?: string, env: Record<string, string> = {}): Promise<CrowdWorld> {
  const server = await startServer({
    env: { COUNTERSIGN_LOG_LEVEL: 'error', ...env },
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
  })
  const where = databaseUrl === undefined ? {} : { databaseUrl }
  const config = { dataFolder: server.dataFolder, httpBaseUrl: server.httpUrl, ...where }
  const beside = <T>(work: (composition: Composition) => Promise<T>) => workBeside(config, work)
  try {
    const input = JSON.stringify(profile)
    const set = await server.cli(['profile', 'set', '-f', '-'], { input })
    if (set.code !== 0) throw new Error(`the profile was refused: ${set.stderr}`)
    const people = await beside(makePeople)
    return { server, ca: readFileSync(server.rootPem), ...people, beside }
  } catch (error) {
    await server.stop()
    throw error
  }
}

async function makePeople({ it, core }: Composition) {
  const change = { actor: system('test'), at: it.clock() }
  const organization = await findOrganization(it.db, 'default')
  if (!organization) throw new Error('no first start')
  const person = async (name: string, capabilities: Capability[], admin = false) => {
    const made = await transaction(it.db, async (db) => {
      const user = await createUser(db, change, { name, organizationId: organization.id, admin })
      for (const capability of capabilities)
        await grantCapability(db, change, { capability, to: { userId: user.id }, organizationId: organization.id })
      return { ...user, token: (await createToken(db, change, { userId: user.id, name: 'test' })).text }
    })
    await setPassword(it.db, change, made.id, PASSWORD)
    return made.token
  }
  const authorities = await core.as(system('test')).admin.authorities()
  return {
    operator: await person('operator', ['create_cert', 'revoke_cert', 'read'], true),
    approver: await person('approver', ['approve', 'read']),
    issuing: authorities.find(({ name }) => name === 'issuing')?.id ?? 0,
  }
}
