import type { Protocol } from '../../src/protocol.ts'
import { raOptions } from './options.ts'
import { raRoutes } from './routes.ts'

/** The REST contract of RA profiles, and countersign's own resources in the same style: docs/protocols/rest.md. */
export const ra: Protocol = {
  name: 'ra',
  mounts: [
    { path: '/api', listeners: ['https', 'mtls'] },
    { path: '//api', listeners: ['https', 'mtls'] },
  ],
  options: raOptions,
  routes: raRoutes,
}
