/**
 * JSON with the members of every object in the order of their names and without those that are undefined, so that equal
 * values have equal texts. Meant for hashing values of ours: bigint, functions and cycles do not occur.
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_name, part: unknown) => {
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return part
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}
