import { z } from 'zod'
import { besideServer, operation } from '../operation.ts'

const record = z.strictObject({
  madeAt: z.iso.datetime(),
  rows: z.number(),
  head: z.strictObject({ position: z.number(), hash: z.string() }),
})

/** After a backup was made beside the server. */
export const recordBackup = operation({
  name: 'backup.record',
  input: record,
  run: async (context, backup) => {
    besideServer(context)
    await context.door.custody.backedUp(backup)
  },
})
