import type { Row, Sample } from '../row.ts'
import { rows } from '../rows/all.ts'
import type { Scene } from '../scene.ts'

type Input = Record<string, unknown>
// biome-ignore lint/suspicious/noExplicitAny: bodies of other calls, whose schemas have been held against them
export type Given = { params: Record<string, any>; body: any; raw: any }

/** As a call of the REST, on the same objects: what that is given says what this takes. */
export function like(
  key: string,
  input: (given: Given, scene: Scene) => Input = () => ({}),
  more: Partial<Row> = {},
): Row {
  const row = rows[key]
  if (!row) throw new Error(`the REST has no ${key}`)
  const reads = row.reads || key.startsWith('GET ')
  return {
    ...row,
    ...(reads ? { reads: true } : {}),
    ...more,
    async sample(scene) {
      const sample: Sample = (await row.sample?.(scene)) ?? {}
      const given = { params: sample.params ?? {}, body: sample.body ?? {}, raw: sample.raw ?? '' }
      return { body: { input: input(given, scene) }, ...(sample.shows === undefined ? {} : { shows: sample.shows }) }
    },
  }
}

/** One that the REST does not have. */
export function own(row: Omit<Row, 'sample'>, input: (scene: Scene) => Input | Promise<Input> = () => ({})): Row {
  return { ...row, sample: async (scene) => ({ body: { input: await input(scene) } }) }
}

/** What its list shows of one that is there. */
export function listing(row: Omit<Row, 'sample'>, shown: (scene: Scene) => Promise<string>): Row {
  return {
    ...row,
    list: true,
    reads: true,
    sample: async (scene) => ({ body: { input: {} }, shows: await shown(scene) }),
  }
}
