import { z } from 'zod'
import type { ResealCursor } from '../../core/upkeep/sealedColumns.ts'
import { besideServer, type OperationContext, operation } from '../operation.ts'

/** The key belongs to who has the data folder. */
function custodyOf(context: OperationContext) {
  besideServer(context)
  return context.door.custody
}

export const show = operation({
  name: 'key-secret.show',
  input: z.strictObject({}),
  run: async (context) => {
    const custody = custodyOf(context)
    const state = await (await custody.keyRotation()).state()
    return { ...state, left: state.old === undefined ? 0 : await custody.sealedOtherwise() }
  },
})

export const begin = operation({
  name: 'key-secret.begin',
  input: z.strictObject({ secret: z.string().max(1000).optional() }),
  run: async (context, { secret }) => (await custodyOf(context).keyRotation()).begin(secret),
})

export const activate = operation({
  name: 'key-secret.activate',
  input: z.strictObject({}),
  run: async (context) => (await custodyOf(context).keyRotation()).activate(),
})

const cursor = z.strictObject({ column: z.int().min(0), id: z.int() })
/** So many transactions for each call: others have their turn between them. */
const AT_ONCE = 10

export const reseal = operation({
  name: 'key-secret.reseal',
  input: z.strictObject({ cursor: cursor.optional() }),
  run: async (context, { cursor }) => {
    const custody = custodyOf(context)
    let next: ResealCursor | undefined = cursor
    let resealed = 0
    for (let n = 0; n < AT_ONCE; n++) {
      const done = await custody.reseal(next)
      resealed += done.resealed
      next = done.next
      if (!next) break
    }
    return next ? { resealed, next } : { resealed }
  },
})

/** Only where nothing is left under it. Throws Failure('conflict'). */
export const finish = operation({
  name: 'key-secret.finish',
  input: z.strictObject({}),
  run: async (context) => {
    const custody = custodyOf(context)
    const left = await custody.sealedOtherwise()
    const rotation = await custody.keyRotation()
    return left > 0 ? { ...(await rotation.state()), left } : { ...(await rotation.finish()), left }
  },
})
