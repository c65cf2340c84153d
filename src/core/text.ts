import { z } from 'zod'

/** Text that people type and others read: no control characters (the databases would not store all of them), no lone surrogates. */
export function text(max: number) {
  return z
    .string()
    .min(1)
    .max(max)
    .regex(/^[^\p{Cc}\p{Cs}\u2028\u2029]*$/u, 'text here has no control characters')
}

/** Any text as one that can be stored and shown: control characters become spaces. */
export function storable(given: string): string {
  return given.replace(/[\p{Cc}\p{Cs}]/gu, ' ')
}
