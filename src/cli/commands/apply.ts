import type { Command } from 'commander'
import type { ApplyReport } from '../../core/apply/apply.ts'
import { Failure } from '../../core/failure.ts'
import { action, type Cli } from '../cli.ts'
import { readText } from '../inputFile.ts'
import type { Wire } from '../operation.ts'
import * as operations from '../operations/configuration.ts'
import { confirm } from '../prompt.ts'
import { visible } from '../visible.ts'

interface Options {
  file: string
  dryRun?: boolean
  yes?: boolean
}

type Report = Wire<ApplyReport>
type Change = Report['changes'][number]

/** Brings about what a file says that there shall be; shows first what would change. */
export function define(command: Command): void {
  action(
    command
      .requiredOption('-f, --file <file>', 'YAML or JSON (docs/operate/apply.md); - for standard input')
      .option('--dry-run', 'only show what would change')
      .option('--yes', 'do not ask'),
    run,
  )
}

async function run(cli: Cli, { file, dryRun = false, yes = false }: Options): Promise<void> {
  const text = readText(file)
  const call = (options: { dryRun?: boolean; plan?: string }) =>
    cli.call(operations.apply, { text, ...options }).catch((error: unknown) => {
      throw cli.options.json ? error : inWords(error)
    })
  const shown = await call({ dryRun: true })
  for (const warning of shown.warnings) cli.note(`warning: ${visible(warning)}`)
  const open = shown.changes.filter(({ change }) => change !== 'same')
  if (dryRun || open.length === 0) return cli.show(shown, diffText(shown))
  if (!yes) {
    const asks = process.stdin.isTTY && file !== '-' && !cli.options.json
    if (!asks) throw new Failure('malformed', 'nobody can be asked here: give --yes, or --dry-run to look first')
    cli.note(diffText(shown).trimEnd())
    if (!(await confirm('Change this?'))) throw new Failure('malformed', 'given up: nothing has changed')
  }
  const report = await call({ plan: shown.plan })
  cli.show(report, `${yes ? diffText(report) : ''}${secretText(report)}done\n`)
}

/** Each problem says its line, and needs no path before that. */
function inWords(error: unknown): unknown {
  if (!(error instanceof Failure) || !error.problems) return error
  const problems = error.problems.map((problem) => ({ ...problem, at: '' }))
  return new Failure(error.code, error.detail, { problems, cause: error })
}

const signs = { create: '+', change: '~', delete: '-' } as const

function diffText({ changes }: Report): string {
  const lines = changes.flatMap((change) => (change.change === 'same' ? [] : changeLines(change, signs[change.change])))
  const count = (what: Change['change']) => changes.filter(({ change }) => change === what).length
  const numbers = `${count('create')} to create, ${count('change')} to change, ${count('delete')} to delete, ${count('same')} as they are`
  return `${[...lines, numbers].join('\n')}\n`
}

function changeLines({ kind, name, organization, fields }: Change, sign: string): string[] {
  return [
    visible(`${sign} ${kind} ${name} (${organization})`),
    ...fields.map(({ field, from, to }) =>
      visible(`    ${field}: ${sign === '+' ? '' : `${valueText(from)} -> `}${valueText(to)}`),
    ),
  ]
}

function valueText(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value)
}

function secretText({ secrets }: Report): string {
  return secrets
    .flatMap(({ name, secret, inboundSecret }) => [
      visible(`secret of ${name}, shown once: ${secret}`),
      ...(inboundSecret === undefined ? [] : [visible(`${name} signs decisions with, shown once: ${inboundSecret}`)]),
    ])
    .map((line) => `${line}\n`)
    .join('')
}
