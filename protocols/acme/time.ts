import { AcmeError } from './errors.ts'

const FORM = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/

/**
 * Reads a time of RFC 3339. One that a certificate cannot hold to the second is refused, because what is issued must be what was asked
 * (RFC 8555 section 7.4). Throws AcmeError('malformed').
 */
export function readTime(text: string, member: string): Date {
  const [, ...fields] = FORM.exec(text) ?? []
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = fields.slice(0, 6).map(Number)
  const time = new Date(text.toUpperCase())
  const written = new Date(Date.UTC(year, month - 1, day, hour, minute, second))
  // Date rolls the 30th of February over.
  const real = written.getUTCDate() === day && written.getUTCMonth() === month - 1 && hour < 24
  if (fields.length === 0 || Number.isNaN(time.getTime()) || !real)
    throw new AcmeError('malformed', `${member} is no time of RFC 3339, such as 2026-01-31T12:00:00Z`)
  if (time.getTime() % 1000 !== 0)
    throw new AcmeError('malformed', `${member} must be whole seconds: a certificate holds no fraction`)
  return time
}

/** RFC 3339 in UTC, whole seconds. */
export function writeTime(epochMilliseconds: number): string {
  return `${new Date(epochMilliseconds).toISOString().slice(0, 19)}Z`
}
