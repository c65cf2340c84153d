import { z } from 'zod'
import { operation } from './operation.ts'
import { pageFields, pageOf, pageQuery } from './page.ts'

const TAG = 'About'

/** What user interfaces of the contract ask for when they start. */
export const platformOperations = [
  operation({
    method: 'get',
    path: '/v1/settings/platform',
    tag: TAG,
    summary: 'Settings of the installation as clients know them.',
    answer: z.object({
      utils: z.object({}),
      certificates: z.object({ validation: z.object({ enabled: z.boolean() }) }),
    }),
    // RA profiles say for themselves whether their certificates are validated; there is no switch above them.
    run: async () => ({ body: { utils: {}, certificates: { validation: { enabled: true } } } }),
  }),
  operation({
    method: 'get',
    path: '/v1/notifications',
    tag: TAG,
    summary: 'Always empty: what somebody should look at stands among the alerts.',
    query: pageQuery,
    answer: z.object({ notifications: z.array(z.unknown()), ...pageFields }),
    run: async ({ query }) => ({ body: { notifications: [], ...pageOf(query, 0) } }),
  }),
  operation({
    method: 'get',
    path: '/v1/connectors',
    tag: TAG,
    summary: 'Always empty: authorities and stores are part of the server.',
    answer: z.array(z.unknown()),
    run: async () => ({ body: [] }),
  }),
]
