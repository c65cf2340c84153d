import { verify } from 'node:crypto'
import { z } from 'zod'
import { decodeBase64url } from './base64url.ts'
import { type CaaRequest, caaRefusal } from './caaPolicy.ts'
import type { CaaProperty } from './caaRecord.ts'
import { AcmeError, type AcmeIdentifier, type Subproblem } from './errors.ts'
import { onionPublicKey } from './onionCsr01.ts'
import { readOnion } from './onionName.ts'

/** Member of a finalize request, RFC 9799 section 6.4: by .onion name, its CAA records, signed with its key. */
export const onionCaaPayload = z.object({
  onionCAA: z
    .record(
      z.string(),
      z.object({
        caa: z.string().max(16_384).nullable(),
        /** Seconds since 1970. */
        expiry: z.int().min(0),
        signature: z.string(),
      }),
    )
    .optional(),
})

type OnionCaa = z.output<typeof onionCaaPayload>['onionCAA']

/** A name below .onion that is to be certified. */
export interface OnionRequest extends CaaRequest {
  identifier: AcmeIdentifier
  /** Lower case, without "*.". */
  name: string
}

/**
 * What the records that came along forbid; a problem for each name. Throws AcmeError('onionCAARequired') when they did not come: nothing here
 * reads the descriptors of hidden services.
 */
export function judgeOnionCaa(given: OnionCaa, names: readonly OnionRequest[], now: Date): Subproblem[] {
  const missing = names.filter(({ name }) => !find(given, name))
  if (missing.length > 0)
    throw new AcmeError(
      'onionCAARequired',
      `onionCAA must hold the CAA records of ${missing.map(({ name }) => name).join(', ')}, or null where there are none (RFC 9799 section 6.4)`,
      {
        subproblems: missing.map(({ name, identifier }) => ({
          type: 'onionCAARequired',
          detail: `onionCAA has no entry for ${name}`,
          identifier,
        })),
      },
    )
  return names.flatMap((request): Subproblem[] => {
    const fault = judge(given, request, now)
    return fault === undefined
      ? []
      : [{ type: 'caa', detail: `${request.name}: ${fault}`, identifier: request.identifier }]
  })
}

/** All names of one service share its record set (section 6.1), so its own name speaks for those below it. */
function find(given: OnionCaa, name: string) {
  const onion = readOnion(name)
  if ('fault' in onion || !given) return undefined
  const entry = Object.entries(given).find(([key]) =>
    [onion.address, name].includes(key.toLowerCase().replace(/^\*\./, '')),
  )
  return entry && { ...entry[1], publicKey: onion.publicKey }
}

function judge(given: OnionCaa, request: OnionRequest, now: Date): string | undefined {
  const entry = find(given, request.name)
  if (!entry) return 'onionCAA has no entry for it'
  const { caa, expiry, signature, publicKey } = entry
  // The example in section 6.4.2 is padded; base64url in ACME is not (RFC 8555 section 6.1). Both are read.
  const octets = decodeBase64url(signature.replace(/={1,2}$/, ''))
  const signed = Buffer.from(`onion-caa|${expiry}|${caa ?? ''}`)
  if (!octets || !verify(null, signed, onionPublicKey(publicKey), octets))
    return 'its onionCAA is not signed by the key of the hidden service'
  if (expiry * 1000 <= now.getTime()) return `its onionCAA expired at ${new Date(expiry * 1000).toISOString()}`
  const properties = readOnionCaa(caa ?? '')
  if (!properties) return 'its onionCAA is not written as RFC 9799 section 6 says'
  return caaRefusal(properties, request)
}

const LINE = /^caa ([0-9]{1,3}) ([A-Za-z0-9]+) (?:"((?:[^"\\]|\\[0-9]{3}|\\[^0-9])*)"|([^\s"]+))$/

/** Lines "caa flags tag value" as they stand in a descriptor, the last one with or without its line end; undefined for anything else. */
export function readOnionCaa(text: string): CaaProperty[] | undefined {
  const properties: CaaProperty[] = []
  for (const line of text.replace(/\n$/, '').split('\n')) {
    if (line === '' && text.trim() === '') continue
    const [, flags, tag, quoted, plain] = LINE.exec(line) ?? []
    if (flags === undefined || tag === undefined || Number(flags) > 255) return undefined
    const value = unquoted(quoted ?? plain ?? '')
    properties.push({ critical: Number(flags) >= 128, tag: tag.toLowerCase(), value })
  }
  return properties
}

/** RFC 1035 section 5.1: a backslash takes away the meaning of a character, or stands before three digits. */
function unquoted(text: string): string {
  return text.replace(/\\([0-9]{3}|[^0-9])/g, (_, what: string) =>
    what.length === 3 ? String.fromCharCode(Number(what) & 0xff) : what,
  )
}
