import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { importFaults, readImports, signFaults, styleFaults } from '../helpers/architecture.ts'
import { coreRooms, fullRooms, knownUpward, needlessUpward, roomFaults } from '../helpers/coreRooms.ts'

const sources = ['src', 'protocols', 'migrations'].flatMap(modules)
const tests = modules('test')

function modules(folder: string): { file: string; source: string }[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name))
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
    .map((file) => ({ file, source: readFileSync(file, 'utf8') }))
}

describe('who may import whom', () => {
  it('is kept by every file', () => {
    expect(sources.length).toBeGreaterThan(100)
    expect(sources.flatMap(({ file, source }) => importFaults(file, source))).toEqual([])
  })

  it.each([
    ['an adapter, another adapter', 'protocols/acme/order.ts', "import { scep } from '../scep/index.ts'"],
    [
      'an adapter, the core’s functions',
      'protocols/acme/order.ts',
      "import { sign } from '../../src/core/issuance/sign.ts'",
    ],
    ['an adapter, the core’s tables', 'protocols/acme/order.ts', "export { x } from '../../src/core/tables.ts'"],
    [
      'an adapter, the database itself',
      'protocols/acme/order.ts',
      "import { openDatabase } from '../../src/db/open.ts'",
    ],
    [
      'an adapter, the composition',
      'protocols/acme/order.ts',
      "const { compose } = await import('../../src/compose.ts')",
    ],
    ['an adapter, for its effect', 'protocols/acme/order.ts', "import '../../src/core/door.ts'"],
    ['the list of adapters, a part of one', 'protocols/index.ts', "import { order } from './acme/order.ts'"],
    [
      'core, an adapter',
      'src/core/issuance/sign.ts',
      "import type { Order } from '../../../protocols/acme/orderRecord.ts'",
    ],
    ['core, an authority', 'src/core/issuance/sign.ts', "import { localAuthority } from '../../authorities/local.ts'"],
    ['core, the protocol interface', 'src/core/issuance/sign.ts', "import type { Host } from '../../protocol.ts'"],
    ['core’s top, the protocol interface', 'src/core/door.ts', "import type { Host } from '../protocol.ts'"],
    ['core, a room of the server', 'src/core/key/keyPair.ts', "import { openKeys } from '../../key/keySecret.ts'"],
    ['pki, core', 'src/pki/der.ts', "import { Failure } from '../core/failure.ts'"],
    ['pki, types of core', 'src/pki/der.ts', "import type { Failure } from '../core/failure.ts'"],
    ['pki, files', 'src/pki/der.ts', "import { readFileSync } from 'node:fs'"],
    ['db, core', 'src/db/open.ts', "import { audit } from '../core/audit/audit.ts'"],
    ['an authority, issuing', 'src/authorities/local.ts', "import { storeAttempt } from '../core/issuance/issue.ts'"],
    ['the CLI, the core’s functions', 'src/cli/request.ts', "import { vote } from '../core/approval/vote.ts'"],
    ['the CLI, an adapter', 'src/cli/serve.ts', "import { protocols } from '../../protocols/index.ts'"],
    ['the CLI, main at once', 'src/cli/serve.ts', "import { main } from '../main.ts'"],
    ['the composition, the adapters', 'src/compose.ts', "import { protocols } from '../protocols/index.ts'"],
    ['the server, main', 'src/server.ts', "import { main } from './main.ts'"],
    ['a room of the server, main', 'src/server/mounting.ts', "import { main } from '../main.ts'"],
    ['a room of the server, the adapters', 'src/server/mounting.ts', "import { x } from '../../protocols/index.ts'"],
    ['an adapter, a room of the server', 'protocols/acme/order.ts', "import { x } from '../../src/server/pace.ts'"],
    ['a migration, the source', 'migrations/0001-core.ts', "import type { CoreTables } from '../src/core/tables.ts'"],
    ['a migration, a package', 'migrations/0001-core.ts', "import { z } from 'zod'"],
    ['anything, a test', 'src/core/issuance/sign.ts', "import { now } from '../../../test/helpers/world.ts'"],
    ['a new place, anything', 'lib/thing.ts', ''],
  ])('refuses %s', (_what, file, line) => {
    expect(importFaults(file, `import { z } from 'kysely'\n${line}\n`)).toHaveLength(1)
  })

  it.each([
    ['protocols/acme/order.ts', "import { Failure } from '../../src/core/failure.ts'"],
    ['protocols/acme/order.ts', "import type { SignRequest } from '../../src/core/request/request.ts'"],
    ['protocols/acme/order.ts', "import { type SignRequest, type Origin } from '../../src/core/request/request.ts'"],
    ['protocols/acme/order.ts', "import { readBody } from '../../src/http/body.ts'\nimport { x } from './x.ts'"],
    ['src/cli/serve.ts', "const { main } = await import('../main.ts')"],
    ['src/main.ts', "import { protocols } from '../protocols/index.ts'"],
    ['src/core/issuance/sign.ts', "// import { x } from '../../../protocols/acme/x.ts'\n/* import '../../cli/x.ts' */"],
  ])('lets %s: %s', (file, line) => {
    expect(importFaults(file, line)).toEqual([])
  })

  it('reads imports over several lines, re-exports, lazy ones and types in place', () => {
    const source = `import type A from './a.ts'
import B, {
  type C,
  d,
} from './b.ts'
export * from './e.ts'
export type { F } from './f.ts'
import { type G, type H } from './g.ts'
let x: import('./i.ts').I
const y = await import('./j.ts')
import 'reflect-metadata'`
    const found = readImports('src/core/x.ts', source)
    const named = (wanted: (typeof found)[number]) => wanted.target.replace('src/core/', '')
    expect(found.filter(({ typeOnly }) => typeOnly).map(named)).toEqual(['a.ts', 'f.ts', 'g.ts', 'i.ts'])
    expect(found.filter(({ typeOnly }) => !typeOnly).map(named)).toEqual(['b.ts', 'e.ts', 'reflect-metadata', 'j.ts'])
    expect(found.filter(({ lazy }) => lazy).map(named)).toEqual(['j.ts'])
  })
})

describe('the rooms of core', () => {
  it('are imported in their order by every file', () => {
    expect(sources.flatMap(({ file, source }) => roomFaults(file, source))).toEqual([])
  })

  it('all exist, and every known exception is still one', () => {
    for (const room of coreRooms) expect(sources.some(({ file }) => file.startsWith(`src/core/${room}/`))).toBe(true)
    expect(needlessUpward(sources)).toEqual([])
    expect(needlessUpward(sources.filter(({ file }) => file !== `src/core/${knownUpward[0]?.[0]}`))).toHaveLength(1)
  })

  it.each([
    ['a higher room', 'src/core/audit/audit.ts', "import { sign } from '../issuance/sign.ts'"],
    ['a higher room, re-exported', 'src/core/crl/crl.ts', "export { hold } from '../revocation/hold.ts'"],
    ['a higher room, later', 'src/core/crl/crl.ts', "const { hold } = await import('../revocation/hold.ts')"],
    ['the door', 'src/core/upkeep/upkeep.ts', "import { createCore } from '../door.ts'"],
    ['the door, from the top', 'src/core/requester.ts', "import { createCore } from './door.ts'"],
    ['a room under which it stands', 'src/core/requester.ts', "import { sign } from './issuance/sign.ts'"],
    ['a room without a place', 'src/core/audit/audit.ts', "import { x } from '../attic/x.ts'"],
    ['anything, from a room without a place', 'src/core/attic/x.ts', ''],
  ])('refuse %s', (_what, file, line) => {
    expect(roomFaults(file, `import { z } from 'zod'\n${line}\n`)).toHaveLength(1)
  })

  it.each([
    ['src/core/audit/audit.ts', "import type { SignRequest } from '../issuance/sign.ts'"],
    ['src/core/issuance/sign.ts', "import { audit } from '../audit/audit.ts'\nimport { x } from './pass.ts'"],
    ['src/core/issuance/sign.ts', "import { Failure } from '../failure.ts'\nimport type { Core } from '../core.ts'"],
    ['src/core/door.ts', "import { sign } from './issuance/sign.ts'"],
    ['src/core/adminActor.ts', "import { held } from './request/held.ts'"],
  ])('let %s: %s', (file, line) => {
    expect(roomFaults(file, line)).toEqual([])
  })

  it('hold no more than forty files each', () => {
    expect(fullRooms(sources.map(({ file }) => file))).toEqual([])
    const many = (count: number) => Array.from({ length: count }, (_, n) => `src/core/attic/x${n}.ts`)
    expect(fullRooms(many(40))).toEqual([])
    expect(fullRooms(many(41))).toEqual(['src/core/attic holds 41 files'])
  })
})

describe('signing', () => {
  it('is called by issue.ts alone', () => {
    expect(sources.flatMap(({ file, source }) => signFaults(file, source))).toEqual([])
    const issue = sources.find(({ file }) => file === 'src/core/issuance/issue.ts')
    expect(signFaults('src/core/other.ts', issue?.source ?? '')).not.toEqual([])
  })

  it.each([
    'await signs.sign({ tbs })',
    'authority.signs.sign?.({ tbs })',
    'const { sign } = authority.signs',
    'await authority.sign(tbs)',
  ])('elsewhere is found: %s', (line) => {
    expect(signFaults('src/core/revocation/revoke.ts', `${line}\n`)).toHaveLength(1)
    expect(signFaults('protocols/est/enroll.ts', `${line}\n`)).toHaveLength(1)
  })
})

describe('the house rules', () => {
  it('are kept by every file, tests too', () => {
    expect([...sources, ...tests].flatMap(({ file, source }) => styleFaults(file, source))).toEqual([])
  })

  it.each([
    ['src/core/long.ts', 'x\n'.repeat(301)],
    ['src/core/utils.ts', ''],
    ['src/helpers/dates.ts', ''],
    ['protocols/acme/orderManager.ts', ''],
    ['protocols/scep/service.ts', ''],
    ['src/core/order.ts', 'export class OrderManager {}'],
    ['src/core/order.ts', 'export type OrderDto = string'],
  ])('%s is refused', (file, source) => {
    expect(styleFaults(file, source)).toHaveLength(1)
  })

  it('let 300 lines pass', () => {
    expect(styleFaults('src/core/long.ts', 'x\n'.repeat(300))).toEqual([])
  })
})
