import type { Protocol } from '../../src/protocol.ts'
import { notaryOptions } from './options.ts'
import { notaryRoutes } from './routes.ts'

/** The REST contract of Canonical Notary: docs/protocols/notary.md. */
export const notary: Protocol = {
  name: 'notary',
  mounts: [{ path: '/notary', listeners: ['https'] }],
  options: notaryOptions,
  routes: notaryRoutes,
}
