import { Failure } from '../../src/core/failure.ts'
import { PkiError } from '../../src/pki/error.ts'
import { type Name, nameProblems, parseNameText } from '../../src/pki/name.ts'

const known = new Set(['CN', 'O', 'OU', 'C', 'ST', 'L'])

/** A distinguished name as the contract takes it. Throws Failure('malformed'). */
export function readSubject(given: string): Name {
  const name = parsed(given)
  const [first] = name
  if (!first)
    throw new Failure('malformed', 'subject_dn: a distinguished name like CN=api.example.com,O=Acme Corp,C=US')
  const other = name.flat().find(({ type }) => !known.has(type))
  if (other) throw new Failure('malformed', `subject_dn: ${other.type} is none of ${[...known].join(', ')}`)
  const empty = name.flat().find(({ value }) => value.trim() === '')
  if (empty) throw new Failure('malformed', `subject_dn: ${empty.type} is empty`)
  const [problem] = nameProblems(name)
  if (problem !== undefined) throw new Failure('malformed', `subject_dn: ${problem}`)
  return name
}

function parsed(given: string): Name {
  try {
    return parseNameText(given)
  } catch (error) {
    if (error instanceof PkiError) throw new Failure('malformed', `subject_dn: ${error.message}`, { cause: error })
    throw error
  }
}

/** The last one of a name: the most specific. */
export function commonNameOf(name: Name): string | undefined {
  return name
    .flat()
    .filter(({ type }) => type === 'CN')
    .at(-1)?.value
}

/** A subject with another common name; one that has none gets it. */
export function withCommonName(name: Name, commonName: string): Name {
  const others = name.map((rdn) => rdn.filter(({ type }) => type !== 'CN')).filter((rdn) => rdn.length > 0)
  return [...others, [{ type: 'CN', value: commonName }]]
}
