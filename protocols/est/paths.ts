/** RFC 7030 section 3.2.2: the operations by their path segment, with the method of each. */
export const operations = {
  cacerts: 'GET',
  csrattrs: 'GET',
  simpleenroll: 'POST',
  simplereenroll: 'POST',
  serverkeygen: 'POST',
  fullcmc: 'POST',
} as const

export type Operation = keyof typeof operations

export interface Target {
  /** Name of the RA profile: the label, or `default` where there is none. */
  profile: string
  operation: Operation
}

const PATH = /^\/\.well-known\/est(?:\/([a-z0-9][a-z0-9-]{0,62}))?\/([a-z]+)(?:\?.*)?$/s

/**
 * What a request target asks for. To the letter: another case, an encoded character, an empty segment or one too many is another path, and there is nothing.
 * A label never has the name of an operation.
 */
export function readTarget(url: string): Target | undefined {
  const [, label, operation] = PATH.exec(url) ?? []
  if (operation === undefined || !isOperation(operation)) return undefined
  if (label !== undefined && isOperation(label)) return undefined
  return { profile: label ?? 'default', operation }
}

function isOperation(text: string): text is Operation {
  return Object.hasOwn(operations, text)
}
