import type { IncomingMessage } from 'node:http'
import type { Door } from '../../src/core/core.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { HttpAnswer } from '../../src/http/answer.ts'
import type { Host } from '../../src/protocol.ts'
import type { EstOptions } from './options.ts'
import type { Operation } from './paths.ts'

/** One request, and what it is about. */
export interface Exchange {
  host: Host
  incoming: IncomingMessage
  operation: Operation
  profile: RaProfile
  options: EstOptions
  /** The address that it came from. */
  source: string | undefined
  /** For nobody in particular: look-ups only. */
  door: Door
  now: Date
}

/** What is done for one operation. Failures are rendered by answer.ts. */
export type Operate = (exchange: Exchange) => Promise<HttpAnswer>
