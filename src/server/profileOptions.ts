import { Failure } from '../core/failure.ts'
import type { Protocol } from '../protocol.ts'

/** Whether the options of protocols on a profile are what their adapters take: throws Failure('malformed') naming the first that is not. */
export function checkOptions(protocols: Protocol[]) {
  return (options: Record<string, unknown>): void => {
    for (const [name, value] of Object.entries(options)) {
      const protocol = profileProtocols(protocols).find((candidate) => candidate.name === name)
      if (!protocol) throw new Failure('malformed', `protocols.${name}: there is no such protocol`)
      const parsed = protocol.options.safeParse(value)
      const [issue] = parsed.error?.issues ?? []
      if (issue) throw new Failure('malformed', `${['protocols', name, ...issue.path].join('.')}: ${issue.message}`)
    }
  }
}

/** OCSP and CRL serve authorities, not profiles; so do the proofs of names to a CA upstream. The console and the command line serve people. */
export function profileProtocols(protocols: Protocol[]): Protocol[] {
  return protocols.filter(({ name }) => !['ocsp', 'crl', 'upstream', 'console', 'cli'].includes(name))
}

/** What an administrator should know of the options of protocols on a profile. */
export function optionWarnings(protocols: Protocol[], options: Record<string, unknown>): string[] {
  return protocols.flatMap(({ name, warn }) =>
    warn && Object.hasOwn(options, name) ? warn(options[name]).map((text) => `${name}: ${text}`) : [],
  )
}
