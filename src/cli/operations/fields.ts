import { z } from 'zod'
import type { RequestKind } from '../../core/approval/approval.ts'
import type { CertificateRef } from '../../core/certificate.ts'
import type { RequestRef } from '../../core/request/request.ts'
import { isVisible } from '../visible.ts'

/** What people type and other people read: nothing in it acts on a terminal or hides. */
export const text = (most: number) =>
  z.string().min(1).max(most).refine(isVisible, 'control characters and invisible ones are not allowed')

export const name = text(100)
export const reason = text(1000)
export const uuid = z.guid()

const unit = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, y: 31_536_000_000 }

/** 90d, 12h, 1y: read as milliseconds. */
export const lengthOfTime = z
  .string()
  .regex(/^[1-9][0-9]{0,5}(s|m|h|d|y)$/, 'a length of time is written like 10y, 90d or 12h')
  .transform((text) => Number(text.slice(0, -1)) * unit[text.slice(-1) as keyof typeof unit])

export interface KindAndRef {
  kind?: RequestKind
  ref: RequestRef
}

/** 12: a request to sign; r12: one to revoke; a uuid: either. */
export const requestRef = z
  .string()
  .regex(
    /^(r?[1-9][0-9]{0,14}|[0-9a-fA-F-]{36})$/,
    'a request is given as 12, as r12 for one to revoke, or by its uuid',
  )
  .transform((text): KindAndRef => {
    if (text.length === 36) return { ref: text.toLowerCase() }
    return text.startsWith('r') ? { kind: 'revoke', ref: Number(text.slice(1)) } : { kind: 'sign', ref: Number(text) }
  })

/** An id, a uuid, a SHA-256 fingerprint, or a serial number, the last two in hex with or without colons. */
export const certificateRef = z
  .string()
  .transform((text) => (text.includes(':') ? text.replaceAll(':', '') : text).toLowerCase())
  .pipe(
    z
      .string()
      .regex(
        /^([1-9][0-9]{0,14}|[0-9a-f-]{36}|[0-9a-f]{16,64})$/,
        'a certificate is given by its id, uuid, serial number or SHA-256 fingerprint',
      )
      .transform((text): CertificateRef => {
        if (/^[0-9]{1,15}$/.test(text)) return { id: Number(text) }
        if (/^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(text)) return { uuid: text }
        return text.length === 64 ? { fingerprint: text } : { serial: text.replace(/^(00)+/, '') }
      }),
  )

/** A time of ISO 8601 with its offset. */
export const moment = z.iso.datetime({ offset: true }).transform((text) => new Date(text))

export const page = { after: z.int().min(1).optional(), limit: z.int().min(1).max(200).optional() }

/** Octets of a CRL that somebody hands in: some 900 000 entries. */
export const largestCrl = 32 * 1024 * 1024

/** Base64 of DER or PEM. */
export const crlFile = z.base64().max(Math.ceil(largestCrl / 3) * 4)
