/** @jsxImportSource hono/jsx */
import { Text } from '../parts/text.tsx'
import { type Compared, compare, type Line } from './comparison.ts'

const words = {
  added: 'Added',
  'left out': 'Left out',
  changed: 'Changed',
  'outside the profile': 'Outside',
} as const

const tones = { added: 'run', 'left out': 'warn', changed: 'warn', 'outside the profile': 'bad' } as const

/** CSR, profile and certificate side by side: what is not as it was asked is marked, by a word and a colour. */
export function ComparisonTable({ compared }: { compared: Compared }) {
  const lines = compare(compared)
  const last = compared.certificate ? 'Certificate' : 'Will be certified'
  return (
    <section class="scroll" aria-label="What is asked, allowed and certified" tabindex={0}>
      <table class="rows compared">
        <caption>What is asked, what the profile allows, and what is certified</caption>
        <thead>
          <tr>
            <th scope="col">
              <span class="unseen">What</span>
            </th>
            <th scope="col">{last}</th>
            <th scope="col">Asked in the CSR</th>
            <th scope="col">RA profile allows</th>
          </tr>
        </thead>
        <tbody>
          {lines.map((line, index) => (
            <tr class={rowClass(line)}>
              <th scope="row">
                {line.what === lines[index - 1]?.what ? <span class="again">{line.what}</span> : line.what}
              </th>
              <td data-head={last} class="made">
                <Cell value={line.made} />
                {line.mark && (
                  <>
                    {' '}
                    <span class={`badge ${tones[line.mark]}`}>{words[line.mark]}</span>
                  </>
                )}
              </td>
              <td data-head="Asked">
                <Cell value={line.asked} />
              </td>
              <td data-head="Profile" class="quiet">
                {allowed(line, lines[index - 1])}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

function Cell({ value }: { value: string | undefined }) {
  return value === undefined ? <span class="quiet">–</span> : <Text value={value} most={200} />
}

/** What is as it was asked is said once on a phone. */
function rowClass({ mark, asked, made }: Line): string | undefined {
  if (mark) return `marked ${tones[mark]}`
  return asked === made || asked === undefined ? 'same' : undefined
}

/** Said once for lines that follow each other. */
function allowed(line: Line, before: Line | undefined) {
  if (line.allowed === undefined || (before?.what === line.what && before.allowed === line.allowed)) return ''
  return <Text value={line.allowed} most={160} />
}
