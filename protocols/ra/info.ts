import { z } from 'zod'
import { VERSION } from '../../src/protocol.ts'
import { operation } from './operation.ts'

export const infoOperations = [
  operation({
    method: 'get',
    path: '/v1/health/liveness',
    tag: 'About',
    summary: 'Answers as long as the server runs.',
    open: true,
    answer: z.object({ status: z.literal('UP') }),
    run: async () => ({ body: { status: 'UP' } }),
  }),
  operation({
    method: 'get',
    path: '/v1/info',
    tag: 'About',
    summary: 'What this server is.',
    answer: z.object({
      app: z.object({ name: z.string(), version: z.string() }),
      db: z.object({ system: z.string() }),
    }),
    run: async ({ host }) => ({
      body: { app: { name: 'countersign', version: VERSION }, db: { system: host.db.dialect } },
    }),
  }),
]
