import { X509Certificate } from 'node:crypto'
import type { Command } from 'commander'
import { Failure } from '../../core/failure.ts'
import { plainAction, type Speaking } from '../cli.ts'
import { readSecret, readText } from '../inputFile.ts'
import { progress } from '../progress.ts'
import { ask, password } from '../prompt.ts'
import { serverUrl } from '../remote/choice.ts'
import type { Server } from '../remote/httpsCall.ts'
import { makeToken, whoseToken } from '../remote/logIn.ts'
import { profilesFile, readProfiles, type ServerProfile, writeProfiles } from '../remote/serverProfiles.ts'
import { time } from '../table.ts'
import { visible } from '../visible.ts'

/** Takes down where a server is, and with which token it is asked. */
export function define(login: Command): void {
  plainAction(
    login
      .argument('<url>', 'of the server: https://ra.example.org:8443')
      .option('--profile <name>', 'what you call this server', 'default')
      .option('--ca <file>', 'PEM of the root that its TLS certificate is verified against; else those of the system')
      .option('--days <number>', 'how long the token is good that a password makes', '30'),
    run,
  )
}

interface Options {
  profile: string
  ca?: string
  days: string
}

async function run(speaking: Speaking, given: string, { profile: name, ca, days }: Options): Promise<void> {
  const url = serverUrl(given)
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,49}$/.test(name))
    throw new Failure('malformed', '--profile: letters, digits, dots, dashes and underscores')
  if (!/^[1-9][0-9]{0,3}$/.test(days)) throw new Failure('malformed', '--days is a whole number')
  // Before anything is made that would then be kept nowhere.
  const profiles = readProfiles()
  const server: Server = { url, ...(ca === undefined ? {} : { ca: certificatesIn(ca) }) }
  const made = await credentials(speaking, server, Number(days))
  const old = profiles.profiles[name]
  profiles.profiles[name] = { ...server, ...made.kept }
  writeProfiles({ ...profiles, current: name })
  speaking.show(
    { profile: name, url, user: made.kept.user, expiresAt: made.until },
    `you are ${visible(made.kept.user)} at ${url} (profile ${name})${made.until ? `, until ${time(made.until)}` : ''}\n`,
  )
  speaking.note(`kept in ${profilesFile()}`)
  if (old?.tokenUuid !== undefined)
    speaking.note(`the token of the login before is still good: countersign token revoke ${old.tokenUuid}`)
}

interface Made {
  kept: Pick<ServerProfile, 'token' | 'tokenUuid'> & { user: string }
  until: string | null
}

async function credentials({ options }: Speaking, server: Server, days: number): Promise<Made> {
  const { token, tokenFile, user: named, passwordFile } = options
  if (token !== undefined)
    throw new Failure('malformed', 'whoever lists processes reads --token: give --token-file FILE')
  if (tokenFile !== undefined) {
    const text = readSecret(tokenFile).trim()
    return { kept: { token: text, user: await progress(whoseToken({ ...server, token: text })) }, until: null }
  }
  if (named === undefined && !process.stdin.isTTY)
    throw new Failure(
      'malformed',
      'nobody can be asked here: give --token-file FILE, or --user NAME and --password-file FILE',
    )
  const user = named ?? (await ask('User'))
  const secret = await password(`Password of ${user}: `, passwordFile)
  const made = await progress(makeToken(server, { user, password: secret, days }))
  return { kept: { token: made.text, tokenUuid: made.uuid, user: made.user }, until: made.expiresAt }
}

/** Throws Failure('malformed') for what no TLS could verify with. */
function certificatesIn(file: string): string {
  const text = readText(file)
  try {
    new X509Certificate(text)
    return text
  } catch (cause) {
    throw new Failure('malformed', `${file}: PEM of a certificate is needed`, { cause })
  }
}
