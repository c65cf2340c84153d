import { Failure } from '../../core/failure.ts'
import { readSecret, readText } from '../inputFile.ts'
import type { Server } from './httpsCall.ts'
import { profilesFile, readProfiles, type ServerProfile } from './serverProfiles.ts'

export interface Choosing {
  server?: string
  data?: string
  config?: string
  token?: string
  tokenFile?: string
  user?: string
}

/**
 * The server that is meant: --server, else COUNTERSIGN_URL, unless --data or --config says that a data folder is. Undefined for a data folder.
 * A token of the environment goes to the URL of the environment, and that of a profile to the URL of the profile.
 */
export function chosenServer(options: Choosing): Server | undefined {
  const { server, data, config } = options
  const { COUNTERSIGN_URL: url } = process.env
  if (server !== undefined) {
    if (data !== undefined || config !== undefined) throw new Failure('malformed', 'give --server or --data, not both')
    return fromProfile(server, options)
  }
  if (data !== undefined || config !== undefined || !url) return undefined
  return fromEnvironment(serverUrl(url), options)
}

/** The profile that was logged in last, for where nothing says which and no data folder is there. */
export function currentServer(options: Choosing): Server | undefined {
  const { current } = readProfiles()
  return current === undefined ? undefined : fromProfile(current, options)
}

function fromProfile(name: string, options: Choosing): Server {
  const { profiles } = readProfiles()
  const profile = Object.hasOwn(profiles, name) ? profiles[name] : undefined
  if (!profile)
    throw new Failure('notFound', `${profilesFile()} has no profile ${name}: countersign login URL --profile ${name}`)
  return withToken(profile, options, profile.token ?? process.env.COUNTERSIGN_TOKEN)
}

function fromEnvironment(url: string, options: Choosing): Server {
  const { COUNTERSIGN_CA: file, COUNTERSIGN_TOKEN: token } = process.env
  if (token) return withToken({ url, ...(file ? { ca: readText(file) } : {}) }, options, token)
  const known = Object.values(readProfiles().profiles).find((profile) => profile.url === url)
  const ca = file ? readText(file) : known?.ca
  return withToken({ url, ...(ca === undefined ? {} : { ca }) }, options, known?.token)
}

function withToken(
  { url, ca }: Pick<ServerProfile, 'url' | 'ca'>,
  options: Choosing,
  usual: string | undefined,
): Server {
  if (options.token !== undefined)
    throw new Failure(
      'malformed',
      'whoever lists processes reads --token: use --token-file FILE or COUNTERSIGN_TOKEN for a server',
    )
  if (options.user !== undefined)
    throw new Failure('malformed', `--user is for a data folder: for a server, countersign login ${url} --user NAME`)
  const token = (options.tokenFile === undefined ? usual : readSecret(options.tokenFile))?.trim()
  return { url, ...(ca === undefined ? {} : { ca }), ...(token ? { token } : {}) }
}

/** https://host:port, as it was typed or with what stands below it. Throws Failure('malformed'). */
export function serverUrl(text: string): string {
  const url = parsed(/^[a-z]+:\/\//i.test(text) ? text : `https://${text}`)
  if (url.protocol !== 'https:')
    throw new Failure('malformed', `${text}: a server is https, since a token goes to it with each call`)
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    throw new Failure('malformed', 'the URL of a server has no name, password or query in it')
  return `${url.origin}${url.pathname.replace(/\/+$/, '').replace(/\/api$/, '')}`
}

function parsed(text: string): URL {
  try {
    return new URL(text)
  } catch (cause) {
    throw new Failure('malformed', `${text} is no URL`, { cause })
  }
}
