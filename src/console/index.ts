import { z } from 'zod'
import type { Protocol } from '../protocol.ts'
import { consoleRoutes } from './routes.ts'

/** The web console: docs/operate/console.md. It shows and does what its reader may; no RA profile has settings for it. */
export const webConsole: Protocol = {
  name: 'console',
  mounts: [{ path: '/console', listeners: ['https'] }],
  options: z.strictObject({}),
  routes: consoleRoutes,
}
