import type { AcmeReach } from '../authorities/acmeHttp.ts'
import { hostGuard } from './hostGuard.ts'

/** Upstream CAs are asked within these networks alone (the notation of http/networks.ts): whoever may add one makes this server call it. */
export const upstreamReach = (setting: string): AcmeReach => hostGuard(setting, 'upstream CAs')
