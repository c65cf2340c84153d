import { z } from 'zod'
import { durationText, milliseconds } from '../../src/http/optionFields.ts'
import { text } from './text.ts'

/** Fields that several of our own resources have. */

export const name = text(100).min(1)
export const when = z.iso.datetime()
export const maybeWhen = when.nullable()

/** RFC 3339, as a moment. */
export const moment = when.transform((given) => new Date(given))

/** A switch in a query. Clients of the contract write more than true: its own server reads all of these. */
export const flag = z
  .enum(['true', 'false', '1', '0', 'yes', 'no', 'on', 'off'])
  .transform((given) => ['true', '1', 'yes', 'on'].includes(given))

/** 90d, 12h: as milliseconds. */
export const lengthOfTime = durationText.transform(milliseconds)

export const pem = z.string().min(1).max(1_000_000)

/** Base64 of at most so many octets, as octets. */
export function octets(most: number): z.ZodType<Buffer, string> {
  return z
    .base64()
    .max(Math.ceil((most * 4) / 3) + 4)
    .transform((given) => Buffer.from(given, 'base64'))
}
