import { Failure } from '../../core/failure.ts'

export interface Check {
  name: string
  state: 'ok' | 'warn' | 'fail'
  detail: string
}

/** Runs a check; what it throws is its failure. */
export async function check(
  name: string,
  run: () => Promise<Omit<Check, 'name'>> | Omit<Check, 'name'>,
): Promise<Check> {
  try {
    return { name, ...(await run()) }
  } catch (error) {
    return { name, state: 'fail', detail: detailOf(error) }
  }
}

/** What was thrown, as a sentence. */
export function detailOf(error: unknown): string {
  if (error instanceof Failure) return error.detail
  return error instanceof Error ? error.message : String(error)
}

export const ok = (detail: string) => ({ state: 'ok', detail }) as const
export const warn = (detail: string) => ({ state: 'warn', detail }) as const
export const fail = (detail: string) => ({ state: 'fail', detail }) as const
