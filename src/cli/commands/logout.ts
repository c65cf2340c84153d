import type { Command } from 'commander'
import { Failure } from '../../core/failure.ts'
import { plainAction, type Speaking } from '../cli.ts'
import { progress } from '../progress.ts'
import { callRest } from '../remote/rest.ts'
import { profilesFile, readProfiles, type ServerProfile, writeProfiles } from '../remote/serverProfiles.ts'

/** Ends the token that login made, and forgets the server. */
export function define(logout: Command): void {
  plainAction(
    logout
      .option('--profile <name>', 'which server (default: that of the last login)')
      .option('--forget', 'also where the server cannot be asked to end the token'),
    run,
  )
}

async function run(speaking: Speaking, { profile, forget }: { profile?: string; forget?: true }): Promise<void> {
  const all = readProfiles()
  const name = profile ?? all.current
  const known = name !== undefined && Object.hasOwn(all.profiles, name) ? all.profiles[name] : undefined
  if (name === undefined || !known) throw new Failure('notFound', `${profilesFile()} has no such profile`)
  const ended = forget ? false : await endToken(known)
  const { [name]: _, ...profiles } = all.profiles
  const { current, ...rest } = all
  writeProfiles({ ...rest, ...(current === undefined || current === name ? {} : { current }), profiles })
  speaking.show(
    { profile: name, tokenEnded: ended },
    `logged out of ${known.url}${ended ? ', and the token has ended' : ''}\n`,
  )
  if (!ended && known.token !== undefined) speaking.note('its token is still good: countersign token revoke ends it')
}

/** One that somebody made elsewhere is his to end. A token that has ended already is no trouble. */
async function endToken({ tokenUuid, ...server }: ServerProfile): Promise<boolean> {
  if (tokenUuid === undefined) return false
  try {
    await progress(callRest(server, { method: 'DELETE', path: `/v1/countersign/tokens/${tokenUuid}` }))
  } catch (error) {
    if (!(error instanceof Failure) || !['unauthenticated', 'notFound'].includes(error.code)) throw error
  }
  return true
}
