import type { Csr } from '../../src/pki/csr.ts'
import { formatIp, type Identifier, parseIp } from '../../src/pki/identifier.ts'
import { AcmeError, type Subproblem } from './errors.ts'

/**
 * RFC 8555 section 7.4: a CSR asks for exactly the names of its order. dns names stand in a common name, in subjectAltName or in both;
 * addresses in subjectAltName. Throws AcmeError('badCSR') with a subproblem for each name that is missing or too many.
 */
export function checkCsrNames({ subject, identifiers, otherNames }: Csr, ordered: readonly Identifier[]): void {
  if (otherNames.length > 0)
    throw new AcmeError('badCSR', 'the CSR asks for names of a kind that an order cannot hold: leave them out')
  const asked = new Map(identifiers.map((identifier) => [keyOf(identifier), identifier]))
  for (const name of commonNames(subject))
    if (!asked.has(keyOf(name)) && name.type === 'dns') asked.set(keyOf(name), name)
  for (const name of commonNames(subject)) {
    if (!asked.has(keyOf(name)))
      throw new AcmeError('badCSR', `the address ${name.value} of the common name must be in subjectAltName too`)
  }
  const wanted = new Map(ordered.map((identifier) => [keyOf(identifier), identifier]))
  const problems = [
    ...differences(wanted, asked, 'is in the order and not in the CSR'),
    ...differences(asked, wanted, 'is in the CSR and not in the order'),
  ]
  if (problems.length === 0) return
  const details = problems.slice(0, 10).map(({ detail }) => detail)
  throw new AcmeError('badCSR', `the CSR must ask for exactly the names of the order: ${details.join('; ')}`, {
    subproblems: problems,
  })
}

function commonNames(subject: Csr['subject']): Identifier[] {
  return subject.flat().flatMap(({ type, value }) => {
    if (type !== 'CN') return []
    const address = parseIp(value)
    return [address ? { type: 'ip', value: formatIp(address) } : { type: 'dns', value: value.toLowerCase() }]
  })
}

function differences(here: Map<string, Identifier>, there: Map<string, Identifier>, detail: string): Subproblem[] {
  return [...here].flatMap(([key, { type, value }]): Subproblem[] =>
    there.has(key) ? [] : [{ type: 'badCSR', detail: `${value} ${detail}`, identifier: { type, value } }],
  )
}

function keyOf({ type, value }: Identifier): string {
  return `${type}:${value}`
}
