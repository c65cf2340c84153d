import type { Operation } from '../../protocols/ra/operation.ts'
import { operations } from '../../protocols/ra/operations.ts'
import { keyOf } from './matrix.ts'
import { expected, type Need, needs } from './need.ts'
import { operations as commandLineOperations, nameOf, rowOfOperation } from './operations/call.ts'
import { roleNames, roles } from './role.ts'
import type { Outcome, Row } from './row.ts'
import { rows } from './rows/all.ts'

export const PAGE = 'docs/authorization.md'

const symbols = {
  yes: '●',
  empty: '○',
  '401': '401',
  '403': '–',
  '404': '·',
  '400': '400',
  '409': '409',
  '422': '422',
} as const satisfies Record<Outcome, string>

/** Every operation and what becomes of it for every role, as Markdown. */
export function authorizationPage(): string {
  const tags = [...new Set(operations.map(({ tag }) => tag))]
  const ofTag = (tag: string) => operations.filter((operation) => operation.tag === tag)
  const sections = tags.map((tag) => section(tag, ofTag(tag), { rowOf, labelOf: keyOf }))
  return `${[head(), ...sections, commandLine()].join('\n\n')}\n`
}

function commandLine(): string {
  const how = { rowOf: rowOfOperation, labelOf: nameOf }
  return section('The command line', commandLineOperations, how).replace(
    '\n\n|',
    `\n
Each operation of the [command line](decisions/cli.md) over \`POST /api/v1/countersign/operations/{name}\`, by the same people on the same
objects. test/protocols/authorization-operations.test.ts makes each of these calls, and fails for an operation that is not here.

|`,
  )
}

function head(): string {
  const columns = Object.values(roles).map(([name, who]) => `| ${name} | ${who} |`)
  const words = Object.entries(needs).map(([name, [who]]) => `| \`${name}\` | ${who} |`)
  return `# Who may do what over REST

Every operation of the API, and what becomes of it for everybody who may call. Everything that is asked about belongs to one
organization; the last column is a stranger's. The table is what test/protocols/authorization.test.ts expects: it makes each of
these calls, on an object that is there and with a body that would do, and fails for a cell that is not so. It also fails for an
operation that is not in the table. \`npm run docs:authorization\` writes this page.

## Symbols

| | |
| --- | --- |
| ● | let in |
| ○ | let in, and shown what is his: nothing of what the call is about |
| – | 403: he may not |
| · | 404: for him it is not there. In the last column the answer is word for word the one for what does not exist |
| 400, 401, 422 | that status |

## Columns

| | who calls |
| --- | --- |
${columns.join('\n')}

Capabilities are granted for the whole organization here. One that is granted for an authority or an RA profile counts there alone.

## What an operation needs

| word | who |
| --- | --- |
${words.join('\n')}

Superusers and, in their organization, administrators have every capability. Nobody, whatever he may, decides on what he asked for.
A token is never more than its user; one that is read-only changes nothing, and of its user's capabilities has \`read\` alone.`
}

interface How {
  rowOf(operation: Operation): Row
  labelOf(operation: Operation): string
}

function section(tag: string, own: readonly Operation[], { rowOf, labelOf }: How): string {
  const notes: string[] = []
  const lines = own.map((operation) => {
    const row = rowOf(operation)
    const cells = expected(row, operation.method)
    if (row.note !== undefined && !notes.includes(row.note)) notes.push(row.note)
    const mark = row.note === undefined ? '' : ` ${'*'.repeat(notes.indexOf(row.note) + 1).replaceAll('*', '\\*')}`
    const outcomes = roleNames.map((role) => symbols[cells[role]])
    return `| \`${labelOf(operation)}\`${mark} | ${wordOf(row)} | ${outcomes.join(' | ')} |`
  })
  const heads = roleNames.map((role) => roles[role][0])
  return [
    `## ${tag}`,
    '',
    `| | needs | ${heads.join(' | ')} |`,
    `| --- | --- |${' --- |'.repeat(heads.length)}`,
    ...lines,
    ...(notes.length > 0 ? ['', ...notes.map((note, at) => `${'\\*'.repeat(at + 1)} ${note}`)] : []),
  ].join('\n')
}

const wordOf = ({ needs: word }: Row): Need => word

/** Throws for an operation of which the table says nothing. */
export function rowOf(operation: Parameters<typeof keyOf>[0]): Row {
  const row = (rows as Partial<Record<string, Row>>)[keyOf(operation)]
  if (row) return row
  throw new Error(
    `${keyOf(operation)} is not in the authorization matrix: say in test/authorization/rows what it needs, with a sample`,
  )
}
