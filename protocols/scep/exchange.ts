import type { Door } from '../../src/core/core.ts'
import type { MessageKeys } from '../../src/core/key/messageKey.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { Host } from '../../src/protocol.ts'
import type { ScepOptions } from './options.ts'

/** What one request over HTTP goes by. Nothing of it outlives the request. */
export interface Exchange {
  host: Host
  profile: RaProfile
  options: ScepOptions
  /** The address that it came from. */
  source: string | undefined
  /** For what anybody may ask. */
  door: Door
  keys: MessageKeys
  /** Id of the authority's prepared next certificate, where the message is enveloped for its key. */
  issuer?: number
  now: Date
}
