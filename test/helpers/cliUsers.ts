import { randomBytes } from 'node:crypto'
import { requireSuccess } from './acmeClients.ts'
import type { CliOptions, ServerProcess } from './serverProcess.ts'

/** A user of the command line, by name, with a token of his own. */
export interface CliUser {
  name: string
  token: string
}

/** Runs a command that must end well, with --json, and gives its answer. */
export async function cliJson<T>(server: ServerProcess, args: readonly string[], options?: CliOptions): Promise<T> {
  const { stdout } = requireSuccess(await server.cli([...args, '--json'], options))
  return JSON.parse(stdout) as T
}

/** As an administrator makes one: the user takes his link, sets his password and makes a token with it. */
export async function newCliUser(server: ServerProcess, name: string): Promise<CliUser> {
  await cliJson(server, ['user', 'create', name])
  const { secret } = await cliJson<{ secret: string }>(server, ['user', 'setup-link', name])
  return settle(server, name, secret)
}

/** The administrator of the first start, with the printed link. */
export function administrator(server: ServerProcess): Promise<CliUser> {
  return settle(server, 'admin', server.setupSecret)
}

async function settle(server: ServerProcess, name: string, secret: string): Promise<CliUser> {
  const password = `${randomBytes(12).toString('base64url')}\n`
  await cliJson(server, ['user', 'set-password', '--setup-link', secret], { input: password })
  const { text } = await cliJson<{ text: string }>(server, ['token', 'create', '--user', name], { input: password })
  return { name, token: text }
}

/** Makes a profile, or replaces it. */
export async function saveProfile(server: ServerProcess, name: string, rules: unknown): Promise<void> {
  const profile = { name, authority: 'issuing', protocols: { acme: {} }, rules }
  await cliJson(server, ['profile', 'set', '-f', '-'], { input: JSON.stringify(profile) })
}

export interface ListedRequest {
  id: number
  kind: 'sign' | 'revoke'
  status: string
  names: string[]
  reason: string | null
}

export async function listRequests(server: ServerProcess, filter: readonly string[] = []): Promise<ListedRequest[]> {
  const { rows } = await cliJson<{ rows: ListedRequest[] }>(server, ['request', 'ls', ...filter])
  return rows
}
