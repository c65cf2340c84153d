import type { Command } from 'commander'
import { examples } from './examples.ts'

export interface Noun {
  about: string
  load: () => Promise<{ define(command: Command): void }>
}

/** Gives a noun its verbs, and each verb's help its examples. */
export async function defineNoun(command: Command): Promise<void> {
  ;(await nouns[command.name()]?.load())?.define(command)
  for (const { path, verb } of verbsOf(command)) {
    const lines = examples[path]?.map((line) => `  countersign ${line}\n`) ?? []
    if (lines.length > 0) verb.addHelpText('after', `\nExamples:\n${lines.join('')}`)
  }
}

/** What can be run of a noun, by all its words. */
export function verbsOf(command: Command, above: readonly string[] = []): { path: string; verb: Command }[] {
  const words = [...above, command.name()]
  if (command.commands.length === 0) return [{ path: words.join(' '), verb: command }]
  return command.commands.flatMap((sub) => verbsOf(sub, words))
}

/** Every verb of the program, for what tells of all. */
export async function defineAll(program: Command): Promise<Command> {
  for (const command of program.commands) {
    // One that is named is defined by now.
    if (command.commands.length > 0 || command.options.length > 0 || command.registeredArguments.length > 0) continue
    await defineNoun(command)
  }
  return program
}

/** Each is loaded when it is named: the help of all costs no more than this file. */
export const nouns: Record<string, Noun> = {
  login: { about: 'log in to a server: later commands go there', load: () => import('./commands/login.ts') },
  logout: { about: 'end that, and the token that it made', load: () => import('./commands/logout.ts') },
  csr: { about: 'orders for certificates: make, decide, fetch', load: () => import('./commands/csr.ts') },
  revoke: { about: 'orders to revoke: make, decide', load: () => import('./commands/revoke.ts') },
  server: { about: 'the servers that you logged in to', load: () => import('./commands/server.ts') },
  serve: { about: 'run the server', load: () => import('./commands/serve.ts') },
  migrate: { about: 'bring the database up to date', load: () => import('./commands/migrate.ts') },
  backup: { about: 'all of an installation in one sealed file', load: () => import('./commands/backup.ts') },
  restore: { about: 'bring back what a backup holds', load: () => import('./commands/restore.ts') },
  move: { about: 'take an installation from SQLite to PostgreSQL', load: () => import('./commands/move.ts') },
  'key-secret': {
    about: 'the key under which all private keys are sealed',
    load: () => import('./commands/keySecret.ts'),
  },
  authority: { about: 'certificate authorities', load: () => import('./commands/authority.ts') },
  profile: { about: 'what clients may get, and the approval rules', load: () => import('./commands/profile.ts') },
  apply: {
    about: 'bring about what a file says, after showing what changes',
    load: () => import('./commands/apply.ts'),
  },
  export: { about: 'an organization as a file that apply takes', load: () => import('./commands/export.ts') },
  limit: { about: 'how often clients may ask', load: () => import('./commands/limit.ts') },
  request: { about: 'orders to sign and to revoke, and votes on them', load: () => import('./commands/request.ts') },
  approval: { about: 'approvals that are remembered', load: () => import('./commands/approval.ts') },
  'standing-approval': {
    about: 'approvals given before the orders',
    load: () => import('./commands/standingApproval.ts'),
  },
  delegation: { about: 'votes given for somebody else', load: () => import('./commands/delegation.ts') },
  discover: { about: 'look for certificates, once', load: () => import('./commands/discover.ts') },
  discovery: {
    about: 'where certificates are looked for again and again',
    load: () => import('./commands/discovery.ts'),
  },
  certificate: { about: 'what was issued', load: () => import('./commands/certificate.ts') },
  user: { about: 'people, roles and capabilities', load: () => import('./commands/user.ts') },
  group: { about: 'people whom rules name together', load: () => import('./commands/group.ts') },
  organization: { about: 'tenants', load: () => import('./commands/organization.ts') },
  key: { about: 'keys for which nothing is issued', load: () => import('./commands/key.ts') },
  challenge: { about: 'passwords with which devices enrol', load: () => import('./commands/challenge.ts') },
  eab: { about: 'keys with which ACME clients get accounts', load: () => import('./commands/eab.ts') },
  kek: { about: 'secret keys to which private keys are encrypted', load: () => import('./commands/kek.ts') },
  cmc: { about: 'shared secrets of CMC clients', load: () => import('./commands/cmc.ts') },
  cmp: { about: 'shared secrets of CMP clients', load: () => import('./commands/cmp.ts') },
  token: { about: 'what lets a program speak for a user', load: () => import('./commands/token.ts') },
  webhook: { about: 'who is told elsewhere of what happens', load: () => import('./commands/webhook.ts') },
  completion: { about: 'a script that completes words in a shell', load: () => import('./commands/completion.ts') },
  man: { about: 'the manual page: countersign man | man -l -', load: () => import('./commands/man.ts') },
  audit: { about: 'the audit trail', load: () => import('./commands/audit.ts') },
  alert: { about: 'what a person should look at', load: () => import('./commands/alert.ts') },
  doctor: { about: 'look at everything that the installation stands on', load: () => import('./commands/doctor.ts') },
}
