import { VERSION } from '../../src/protocol.ts'
import type { NotaryMetrics } from './metrics.ts'
import { openOperation, operation } from './operation.ts'

/** What the server says about itself. An installation has its first account from the start. */
export function aboutOperations(metrics: NotaryMetrics) {
  return [
    openOperation({
      method: 'get',
      path: '/status',
      run: async () => ({ data: { initialized: true, version: VERSION, oidc_enabled: false } }),
    }),
    openOperation({
      method: 'get',
      path: '/metrics',
      run: async () => ({ raw: { type: metrics.contentType, content: await metrics.text() } }),
    }),
    operation({
      method: 'get',
      path: '/api/v1/config',
      roles: [0, 1, 2, 3],
      run: async ({ host }) => ({
        data: {
          port: Number(new URL(host.baseUrl).port || 443),
          pebble_notifications: false,
          logging_level: host.log.level,
          logging_output: 'stdout',
          encryption_backend_type: 'none',
          acme_enabled: false,
          acme_server_name: '',
        },
      }),
    }),
    operation({ method: 'get', path: '/api/v1/acme_servers', roles: [0, 1, 3], run: async () => ({ data: [] }) }),
  ]
}
