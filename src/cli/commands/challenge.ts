import { writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { ChallengeView } from '../../core/enrolment/challengeView.ts'
import { Failure } from '../../core/failure.ts'
import { action, type Cli } from '../cli.ts'
import { readSecret } from '../inputFile.ts'
import { mobileconfig } from '../mobileconfig.ts'
import type { Wire } from '../operation.ts'
import * as operations from '../operations/challenge.ts'
import { newPassword } from '../prompt.ts'
import { fields, table, time } from '../table.ts'

/** Passwords with which devices enrol over SCEP. */
export function define(challenge: Command): void {
  defineCreate(challenge)
  action(
    challenge
      .command('ls')
      .description('list the challenges of the profiles that you manage; never the passwords')
      .option('--profile <name>', 'of one profile')
      .option('--all', 'those too that are used up, past their time or revoked'),
    list,
  )
  action(
    challenge.command('revoke <uuid>').description('end a challenge, and withdraw what waits with it'),
    async (cli, uuid: string) => {
      await cli.call(operations.revoke, { uuid })
      cli.show({}, `challenge ${uuid} is revoked\n`)
    },
  )
  defineStatic(challenge)
  action(
    challenge
      .command('webhook-secret')
      .description('make the secret under which questions to the webhook of a profile are signed, shown once')
      .requiredOption('--profile <name>', 'whose webhook it is for'),
    async (cli, { profile }: { profile: string }) => {
      const { secret } = await cli.call(operations.webhookSecret, { profile })
      cli.show({ secret, profile }, `${secret}\n`)
      cli.note('32 octets in base64url, for the webhook; it is not shown again, and the one before has ended')
    },
  )
  defineMobileconfig(challenge)
}

function defineCreate(challenge: Command): void {
  action(
    challenge
      .command('create')
      .description(
        'make a password for one device, or for several, shown once. You approve nothing that is asked with it',
      )
      .requiredOption('--profile <name>', 'of which profile')
      .option('--subject <name>', 'the subject that may be asked for, values as patterns: CN=printer-*,O=Example')
      .option('--dns <pattern...>', 'DNS names that may be asked for, as in a profile')
      .option('--wildcards', 'wildcard names too')
      .option('--ip <network...>', 'addresses that may be asked for')
      .option('--email <pattern...>', 'mail addresses that may be asked for')
      .option('--uri <pattern...>', 'URIs that may be asked for')
      .option('--uses <number>', 'for how many devices (default: one)', Number)
      .option('--expires <time>', 'like 7d: for how long (default: 1h)')
      .option('--note <text>', 'what it was made for'),
    async (cli, draft: Parameters<typeof operations.create.execute>[1] & { profile: string }) => {
      const made = await cli.call(operations.create, draft)
      const { uuid, profile, expiresAt } = made.view
      cli.show({ challenge: made.challenge, uuid, profile, expiresAt }, fields(shown(made)))
      cli.note('hand it over: it is not shown again')
    },
  )
}

function shown({ challenge, view }: { challenge: string; view: Wire<ChallengeView> }): [string, string][] {
  return [
    ['Challenge', challenge],
    ['Profile', view.profile],
    ['For', allowed(view)],
    ['Devices', uses(view)],
    ['Until', time(view.expiresAt) ?? ''],
  ]
}

async function list(cli: Cli, filter: { profile?: string; all?: true }): Promise<void> {
  const challenges = await cli.call(operations.list, filter)
  const rows = challenges.map((view) => [
    view.uuid,
    view.kind,
    view.profile,
    allowed(view),
    `${view.used} of ${uses(view)}`,
    view.createdBy,
    time(view.expiresAt),
    time(view.usedAt),
    time(view.revokedAt),
    view.note,
  ])
  const headings = ['uuid', 'kind', 'profile', 'for', 'used', 'made by', 'expires', 'last used', 'revoked', 'note']
  cli.show(challenges, table(headings, rows))
}

function uses(view: Wire<ChallengeView>): string {
  return view.uses === null ? 'any' : String(view.uses)
}

function allowed({ kind, subject, identifiers }: Wire<ChallengeView>): string {
  if (kind === 'webhook') return ''
  const names = identifiers === null ? [] : Object.values(identifiers as Record<string, unknown>).filter(Array.isArray)
  const parts = [subject ?? '', ...names.flat()].filter(Boolean)
  return parts.length === 0 ? 'as the profile' : parts.join(' ')
}

function defineStatic(challenge: Command): void {
  action(
    challenge
      .command('set-static')
      .description('set the one password of a profile that many devices share; it is asked for, and never shown')
      .requiredOption('--profile <name>', 'of which profile')
      .option('--challenge-file <file>', 'its first line is the password; - for standard input')
      .option('--note <text>', 'what it is for'),
    async (cli, { challengeFile, ...draft }: { profile: string; challengeFile?: string; note?: string }) => {
      await cli.call(operations.setStatic, { ...draft, challenge: await newPassword(challengeFile) })
      cli.show({ profile: draft.profile }, `the profile ${draft.profile} has a static challenge\n`)
    },
  )
  action(
    challenge
      .command('clear-static')
      .description('end the password of a profile that many devices share')
      .requiredOption('--profile <name>', 'of which profile'),
    async (cli, { profile }: { profile: string }) => {
      await cli.call(operations.clearStatic, { profile })
      cli.show({ profile }, `the profile ${profile} has no static challenge\n`)
    },
  )
}

interface Mobileconfig {
  profile: string
  url: string
  challenge?: string
  challengeFile?: string
  subject?: string
  dns?: string[]
  email?: string
  keySize: number
  out?: string
}

function defineMobileconfig(challenge: Command): void {
  action(
    challenge
      .command('mobileconfig')
      .description('write a configuration profile with which an Apple device enrols by a challenge')
      .requiredOption('--profile <name>', 'of which profile')
      .requiredOption('--url <url>', 'where devices reach it: https://ca.example.org:8443/scep/NAME')
      .option('--challenge-file <file>', 'its first line is the challenge; - for standard input')
      .option('--challenge <text>', 'the same on the command line, where others on this machine may see it')
      .option('--subject <name>', 'the subject that the device asks for: CN=phone-17,O=Example')
      .option('--dns <name...>', 'DNS names that the device asks for')
      .option('--email <address>', 'the mail address that the device asks for')
      .option('--key-size <bits>', 'of the RSA key', Number, 2048)
      .option('--out <file>', 'where to write it, readable for you alone (default: standard output)'),
    async (cli, given: Mobileconfig) => {
      const { out, challengeFile, challenge: shownChallenge, ...wanted } = given
      const secret = challengeFile === undefined ? shownChallenge : readSecret(challengeFile)
      if (secret === undefined) throw new Failure('malformed', 'give --challenge-file or --challenge')
      const xml = mobileconfig({ ...wanted, challenge: secret })
      if (out === undefined) return cli.show({ mobileconfig: xml }, xml)
      writeFileSync(out, xml, { mode: 0o600 })
      cli.show({ file: out }, `${out} is written; whoever has it can enrol with its challenge\n`)
    },
  )
}
