import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Composition } from '../../src/compose.ts'
import { asRequester, createUser, findOrganization, findUser } from '../../src/core/identity/identity.ts'
import { addRole, addRoleMember, findRole } from '../../src/core/identity/role.ts'
import { createToken } from '../../src/core/login/token.ts'
import { system } from '../../src/core/requester.ts'
import { transaction } from '../../src/db/transaction.ts'
import { beside } from './beside.ts'
import { type Ended, run, succeed } from './program.ts'
import { type CliOptions, type ServerProcess, startServer } from './serverProcess.ts'
import { acmeAccount, newCsr } from './world.ts'

/** A running server with people who have tokens, for tests of the command line as a program. */
export interface CliInstallation {
  server: ServerProcess
  /** Runs `countersign` with the words of a line. */
  cli(line: string, options?: CliOptions): Promise<Ended>
  /** As cli, with --json, must end well. */
  json<T>(line: string, options?: CliOptions): Promise<T>
  /** Writes a file where the command line runs; answers its name. */
  file(name: string, text: string): string
  openssl(...args: string[]): Promise<string>
  /** The token of a user, who is made if he is not there, in these roles. */
  token(name: string, roles?: string[]): Promise<string>
  /** An order for a name as an adapter hands it in, beside the server on the same database. Answers its id. */
  order(profile: string, name: string): Promise<number>
}

export async function startInstallation(): Promise<CliInstallation> {
  const server = await startServer()
  const cli = (line: string, options?: CliOptions) => server.cli(line.split(' '), options)
  return {
    server,
    cli,
    async json<T>(line: string, options?: CliOptions) {
      const { code, stdout, stderr } = await cli(`${line} --json`, options)
      if (code !== 0) throw new Error(`countersign ${line} ended with ${code}: ${stderr}`)
      return JSON.parse(stdout) as T
    },
    file(name, text) {
      writeFileSync(join(server.workFolder, name), text)
      return name
    },
    openssl: (...args) => succeed('openssl', args, { cwd: server.workFolder }),
    token: (name, roles = []) => beside(configOf(server), (composition) => tokenOf(composition, name, roles)),
    order: (profile, name) => beside(configOf(server), (composition) => orderFor(composition, profile, name)),
  }
}

const configOf = ({ dataFolder, httpUrl }: ServerProcess) => ({ dataFolder, httpBaseUrl: httpUrl })

async function tokenOf({ it }: Composition, name: string, roles: string[]): Promise<string> {
  const change = { actor: system('test'), at: it.clock() }
  const organization = await findOrganization(it.db, 'default')
  if (!organization) throw new Error('no first start')
  const known = await findUser(it.db, { name })
  return transaction(it.db, async (db) => {
    const user = known ?? (await createUser(db, change, { name, organizationId: organization.id }))
    for (const roleName of roles) {
      const role =
        (await findRole(db, organization.id, roleName)) ?? (await addRole(db, change, organization.id, roleName))
      await addRoleMember(db, change, { role, userId: user.id })
    }
    const made = { userId: user.id, name: 'test' }
    return (await createToken(db, { ...change, actor: asRequester(user) }, made)).text
  })
}

async function orderFor({ core }: Composition, profileName: string, name: string): Promise<number> {
  const door = core.as(acmeAccount())
  const profile = await door.profile(profileName, 'acme')
  const csr = await newCsr([name])
  const validated = [{ type: 'dns', value: name }] as const
  const draft = { profile, protocol: 'acme', action: 'issue', csr, validated, refusal: 'throw' } as const
  return (await door.sign(draft)).request.id
}

/** A rule for two people, and one for one. */
export const reviewRules = {
  issue: [{ name: 'two of security', require: [{ roles: ['security'], quorum: 2 }], remember: '30d' }],
  revoke: [{ name: 'one of security', require: [{ roles: ['security'] }] }],
}

/** A program that is run where no installation is. */
export function runAlone(args: string[], cwd: string, env: Record<string, string | undefined> = {}): Promise<Ended> {
  const settings = { COUNTERSIGN_DATA: undefined, COUNTERSIGN_TOKEN: undefined, DATABASE_URL: undefined, ...env }
  return run(process.execPath, args, { cwd, env: settings })
}
