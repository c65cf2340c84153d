import type { Command } from 'commander'
import { Failure } from '../../core/failure.ts'
import { plainAction } from '../cli.ts'
import { profilesFile, readProfiles, writeProfiles } from '../remote/serverProfiles.ts'
import { table } from '../table.ts'

/** The servers that were logged in to; their tokens are never shown. */
export function define(server: Command): void {
  plainAction(server.command('ls').description('list the servers that you logged in to'), async (speaking) => {
    const { current, profiles } = readProfiles()
    const all = Object.entries(profiles).map(([name, { url, user, ca }]) => ({
      name,
      url,
      user: user ?? null,
      ownCa: ca !== undefined,
      current: name === current,
    }))
    const rows = all.map((one) => [one.name, one.url, one.user, one.ownCa, one.current])
    speaking.show(all, table(['name', 'url', 'user', 'own ca', 'current'], rows))
  })
  plainAction(
    server.command('use <name>').description('the one that is meant where there is no data folder'),
    async (speaking, name: string) => {
      const all = readProfiles()
      if (!Object.hasOwn(all.profiles, name)) throw new Failure('notFound', `${profilesFile()} has no profile ${name}`)
      writeProfiles({ ...all, current: name })
      speaking.show({ current: name }, `${name} is meant from now on\n`)
    },
  )
}
