import type { IncomingMessage } from 'node:http'
import type { Door } from '../../src/core/core.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { CmpMessage } from '../../src/pki/cmpMessage.ts'
import type { Host } from '../../src/protocol.ts'
import type { CmpOptions } from './options.ts'
import type { Sender } from './sender.ts'

/** One request over HTTP, and what it is about. Nothing of it outlives the request. */
export interface Exchange {
  host: Host
  incoming: IncomingMessage
  profile: RaProfile
  options: CmpOptions
  /** The address that it came from. */
  source: string | undefined
  /** For nobody in particular: look-ups only. */
  door: Door
  now: Date
}

/** A message whose protection was found good. */
export interface Authenticated {
  message: CmpMessage & { header: { transactionId: Buffer } }
  sender: Sender
}

/** What a message is answered with. */
export interface Reply {
  /** DER PKIBody. */
  body: Buffer
  /** Ready InfoTypeAndValue for the header. */
  info?: Buffer[]
  /** What goes along in extraCerts, behind the signer's own: DER, nearest first. */
  chain?: readonly Buffer[]
  /** It goes without protection. */
  unsigned?: true
}
