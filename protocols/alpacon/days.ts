import { z } from 'zod'

export const DAY = 86_400_000

const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: DAY, y: 365 * DAY }

const settings = z.object({
  certificate: z
    .object({ validity: z.object({ default: z.string().default('90d'), max: z.string().default('90d') }).prefault({}) })
    .prefault({}),
})

/** The validity of a profile as it is written, in whole days. */
export function daysOf(written: unknown): { default: number; max: number } {
  const read = settings.safeParse(written ?? {})
  const { validity } = read.success ? read.data.certificate : settings.parse({}).certificate
  return { default: daysIn(validity.default), max: daysIn(validity.max) }
}

function daysIn(length: string): number {
  const [, count = '0', unit = 'd'] = /^(\d+)([smhdy])$/.exec(length) ?? []
  return Math.floor((Number(count) * (units[unit] ?? DAY)) / DAY)
}
