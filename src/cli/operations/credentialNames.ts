import { parseCidr } from '../../pki/identifier.ts'

/** Patterns as a profile has them: an address or a network is for ip, everything else for dns. */
export function byKind(patterns: string[]): { dns: string[]; ip: string[] } {
  return {
    dns: patterns.filter((pattern) => !parseCidr(pattern)).map((pattern) => pattern.toLowerCase()),
    ip: patterns.filter((pattern) => parseCidr(pattern)),
  }
}
