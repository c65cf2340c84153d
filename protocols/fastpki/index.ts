import type { Protocol } from '../../src/protocol.ts'
import { fastpkiOptions } from './options.ts'
import { retention } from './retention.ts'
import { fastpkiRoutes } from './routes.ts'

/** The REST contract of FastPKI: docs/protocols/fastpki.md. */
export const fastpki: Protocol = {
  name: 'fastpki',
  mounts: [
    { path: '/fastpki', listeners: ['https'] },
    { path: '/fastpki/crl', listeners: ['http'] },
    { path: '/fastpki/ca', listeners: ['http'] },
  ],
  options: fastpkiOptions,
  chores: retention,
  routes: fastpkiRoutes,
}
