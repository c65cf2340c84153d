import type { Protocol } from '../../src/protocol.ts'
import { alpaconOptions } from './options.ts'
import { alpaconRoutes } from './routes.ts'

/** The REST behind the Alpacon command line: docs/protocols/alpacon.md. */
export const alpacon: Protocol = {
  name: 'alpacon',
  mounts: [{ path: '/alpacon', listeners: ['https', 'mtls'] }],
  options: alpaconOptions,
  routes: alpaconRoutes,
}
