import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './bundle.ts'
import { succeed } from './program.ts'

export interface Component {
  name: string
  version: string
  'bom-ref': string
  hashes?: { alg: string; content: string }[]
  licenses?: { license?: { id?: string; name?: string }; expression?: string }[]
}

export interface Bom {
  bomFormat: string
  metadata: { component: { name: string } }
  components: Component[]
  dependencies: { ref: string; dependsOn?: string[] }[]
}

/** What `npm run sbom` writes. */
export async function bill(): Promise<Bom> {
  return JSON.parse(await succeed(process.execPath, ['sbom.mjs'], { cwd: root })) as Bom
}

/** Those of one platform alone differ from machine to machine; the page names them in words. */
const ofPlatform = /^@esbuild\/|^@node-rs\/argon2-/

/** Rows of docs/operate/supply-chain.md: name, licence and where its source is kept, of all that runs. */
export function provenance({ components }: Bom): string[] {
  const rows = components
    .filter(({ name }) => !ofPlatform.test(name))
    .map(({ name, licenses = [] }) => {
      const licence = licenses.map(({ license, expression }) => license?.id ?? license?.name ?? expression).join(', ')
      return `| ${name} | ${licence} | ${sourceOf(name)} |`
    })
  return [...new Set(rows)].sort()
}

function sourceOf(name: string): string {
  const file = join(root, 'node_modules', name, 'package.json')
  if (!existsSync(file)) return ''
  const { repository } = JSON.parse(readFileSync(file, 'utf8'))
  const url: string = typeof repository === 'string' ? repository : (repository?.url ?? '')
  return url
    .replace(/^(?:git\+)?(?:https?|git|ssh):\/\/(?:[^@/]+@)?|^github:|^git@/, '')
    .replace(/^github\.com[/:]/, '')
    .replace(/\.git$/, '')
}
