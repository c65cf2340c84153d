import './earlyCoverage.ts'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { endpointTargets } from './endpoints.ts'
import { type Finding, fuzz, type Report, type Target } from './fuzz.ts'
import { readerTargets } from './readers.ts'
import { pkiSamples } from './samples.ts'
import { textTargets } from './texts.ts'

// npm run fuzz -- --minutes 10 --seed 7 --only csr,acme

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string' },
    only: { type: 'string' },
    /** Folder for inputs that were too much. */
    findings: { type: 'string', default: 'coverage/fuzz' },
  },
})

async function all(): Promise<{ targets: Target[]; close(): Promise<void> }> {
  const samples = await pkiSamples()
  const endpoints = await endpointTargets(samples)
  const targets = [...readerTargets(samples), ...textTargets(), ...endpoints.targets]
  const wanted = values.only?.split(',')
  return { targets: wanted ? targets.filter(({ name }) => wanted.includes(name)) : targets, close: endpoints.close }
}

function keep({ target, input }: Finding, number: number): string {
  mkdirSync(values.findings, { recursive: true })
  const file = join(values.findings, `${target}-${number}.bin`)
  writeFileSync(file, input)
  return file
}

function tell(report: Report, milliseconds: number): void {
  const { target, runs, corpus, blocks, growth, slowest, findings } = report
  const rate = Math.round(runs / (milliseconds / 1_000))
  console.log(
    `${target.padEnd(18)} ${String(runs).padStart(8)} inputs (${rate}/s), ${corpus} kept, ${blocks} blocks, slowest ${slowest.toFixed()} ms, heap ${growth >= 0 ? '+' : ''}${growth.toFixed(1)} MiB`,
  )
  for (const [n, finding] of findings.entries()) console.log(`  ${keep(finding, n + 1)}:`, finding.error)
}

const { targets, close } = await all()
if (targets.length === 0) throw new Error('there is no such target')
const seed = Number(values.seed ?? Date.now() % 1_000_000)
const milliseconds = (Number(values.minutes) * 60_000) / targets.length
console.log(`seed ${seed}, ${targets.length} targets, ${(milliseconds / 1_000).toFixed(1)} s each`)
let failed = 0
for (const target of targets) {
  const report = await fuzz(target, { seed, milliseconds })
  tell(report, milliseconds)
  failed += report.findings.length
}
await close()
console.log(failed === 0 ? 'nothing found' : `${failed} findings`)
process.exit(failed === 0 ? 0 : 1)
