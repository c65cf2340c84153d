import { z } from 'zod'

const units = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, y: 31_536_000_000 }

/** A length of time in an adapter's options as people write it: 90d, 12h, 30m. It stays text there: `milliseconds` reads it. */
export const durationText = z
  .string()
  .regex(/^[1-9][0-9]{0,5}(s|m|h|d|y)$/, 'a length of time is written like 90d, 12h or 30m')

/** Milliseconds of a text that durationText took. */
export function milliseconds(text: string): number {
  return Number(text.slice(0, -1)) * units[text.slice(-1) as keyof typeof units]
}
