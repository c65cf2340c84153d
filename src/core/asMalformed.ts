import { PkiError } from '../pki/error.ts'
import { Failure } from './failure.ts'

/** What the pki calls a fault of its input is one of the caller's: runs `read`, and throws Failure('malformed') for a PkiError. */
export function asMalformed<T>(read: () => T): T {
  const rethrow = (error: unknown): never => {
    throw error instanceof PkiError ? new Failure('malformed', error.message, { cause: error }) : error
  }
  try {
    const value = read()
    return value instanceof Promise ? (value.catch(rethrow) as T) : value
  } catch (error) {
    return rethrow(error)
  }
}
