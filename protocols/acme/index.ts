import type { Protocol } from '../../src/protocol.ts'
import { cancelOrders } from './account.ts'
import { administeredAccounts } from './administered.ts'
import { acmeWarnings } from './chaos.ts'
import { fastNewNonce } from './newNonce.ts'
import { acmeOptions } from './options.ts'
import { examineResolver } from './resolverCheck.ts'
import { retention } from './retention.ts'
import { acmeRoutes } from './routes.ts'
import { acmeServer } from './server.ts'
import { validate } from './validation.ts'

/** RFC 8555, with RFC 8737 (tls-alpn-01) and RFC 8738 (addresses): docs/protocols/acme.md. */
export const acme: Protocol = {
  name: 'acme',
  mounts: [{ path: '/acme', listeners: ['https'] }],
  options: acmeOptions,
  jobs: { 'acme.validate': validate, 'acme.cancel': cancelOrders },
  chores: (host) => [retention(host)],
  examine: examineResolver,
  warn: acmeWarnings,
  accounts: administeredAccounts,
  routes: acmeRoutes,
  fast: (host) => fastNewNonce(acmeServer(host)),
}
