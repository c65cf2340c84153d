import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { root } from '../helpers/bundle.ts'
import { type Bom, bill, provenance } from '../helpers/packages.ts'

const read = (name: string) => readFileSync(join(root, name), 'utf8')
const own = JSON.parse(read('package.json'))
const lock = JSON.parse(read('package-lock.json'))
interface Locked {
  version: string
  integrity?: string
  resolved?: string
  hasInstallScript?: boolean
  optional?: boolean
}
const locked = Object.entries(lock.packages as Record<string, Locked>).filter(([path]) => path !== '')

describe('packages', () => {
  test('every version is pinned, and every package under a hash, wherever it is fetched', () => {
    const wanted = { ...own.dependencies, ...own.devDependencies }
    expect(Object.values<string>(wanted).filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([])
    expect(lock.packages['']).toMatchObject({ dependencies: own.dependencies, devDependencies: own.devDependencies })
    const loose = locked.filter(([, { integrity = '' }]) => !/^sha512-/.test(integrity))
    expect(loose.map(([path]) => path)).toEqual([])
    const elsewhere = locked.filter(
      ([, { resolved }]) => resolved && !resolved.startsWith('https://registry.npmjs.org/'),
    )
    expect(elsewhere.map(([path]) => path)).toEqual([])
    expect(locked.length).toBeGreaterThan(100)
  })

  test('those that run code when they are installed are the ones that are named', () => {
    const running = locked.filter(([, { hasInstallScript, optional }]) => hasInstallScript && !optional)
    const names = new Set(
      running.map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)),
    )
    expect([...names].sort()).toEqual(Object.keys(own.allowScripts).sort())
    expect(read('.npmrc')).toMatch(/^strict-allow-scripts=true$/m)
  })

  test('dependencies.md says of each why it is there', () => {
    const page = read('docs/decisions/dependencies.md')
    const rows = page.split('\n').filter((line) => line.startsWith('| '))
    const named = new Set(rows.flatMap((line) => (line.split('|')[1] ?? '').split(',').map((name) => name.trim())))
    expect(Object.keys({ ...own.dependencies, ...own.devDependencies }).filter((name) => !named.has(name))).toEqual([])
  })
})

describe('the bill of materials', () => {
  let bom: Bom
  beforeAll(async () => {
    bom = await bill()
  })

  test('has all that runs, with its hash, and nothing that only tests use', () => {
    const names = bom.components.map(({ name }) => name)
    expect(Object.keys(own.dependencies).filter((name) => !names.includes(name))).toEqual([])
    expect(bom).toMatchObject({ bomFormat: 'CycloneDX', metadata: { component: { name: 'countersign' } } })
    expect(bom.components.filter(({ hashes }) => hashes?.[0]?.alg !== 'SHA-512')).toEqual([])
    expect(names.filter((name) => /^(vitest|typescript|knip|playwright-core|oidc-provider)$/.test(name))).toEqual([])
    const refs = new Set(bom.components.map((component) => component['bom-ref']))
    const missing = bom.dependencies.flatMap(({ dependsOn = [] }) => dependsOn.filter((ref) => !refs.has(ref)))
    expect(missing).toEqual([])
  })

  test('supply-chain.md has the licence and the source of each', () => {
    const rows = provenance(bom)
    expect(rows.filter((row) => /\|\s*\|/.test(row))).toEqual([])
    const [, table = ''] = read('docs/operate/supply-chain.md').split('## All that runs')
    expect(
      table
        .split('\n')
        .filter((line) => line.startsWith('| '))
        .slice(2),
    ).toEqual(rows)
  })
})
