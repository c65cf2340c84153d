// The bill of materials of what runs, in CycloneDX, on standard output. `npm sbom --omit dev` leaves out what packages for development use too (zod, esbuild),
// so all is asked for, and what the packages for running lead to is kept.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

const { name, version, dependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
const told = execFileSync('npm', ['sbom', '--sbom-format', 'cyclonedx', '--sbom-type', 'application'], {
  maxBuffer: 1 << 28,
  stdio: ['ignore', 'pipe', 'ignore'],
})
const bom = JSON.parse(told)
const leads = new Map(bom.dependencies.map(({ ref, dependsOn = [] }) => [ref, dependsOn]))
const kept = new Set()
const visit = (ref) => {
  if (kept.has(ref)) return
  kept.add(ref)
  for (const next of leads.get(ref) ?? []) visit(next)
}
const direct = Object.entries(dependencies).map(([name, version]) => `${name}@${version}`)
for (const ref of direct) visit(ref)

const root = `${name}@${version}`
bom.components = bom.components.filter((component) => kept.has(component['bom-ref']))
bom.dependencies = [
  { ref: root, dependsOn: direct },
  ...bom.dependencies.filter(({ ref }) => ref !== root && kept.has(ref)),
]
bom.metadata.component.name = name
process.stdout.write(`${JSON.stringify(bom, null, 2)}\n`)
