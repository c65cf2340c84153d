import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sealAudit } from '../../src/core/audit/seal.ts'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import { sign } from '../../src/core/issuance/sign.ts'
import { submit } from '../../src/core/issuance/submit.ts'
import { findByOrigin } from '../../src/core/request/records.ts'
import type { SignRequest } from '../../src/core/request/request.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { endLeases, resumeSigning } from '../../src/core/upkeep/resume.ts'
import { withTables } from '../../src/db/tables.ts'
import { type BundledProgram, bundleProgram } from '../helpers/bundle.ts'
import { databases } from '../helpers/databases.ts'
import { acmeAccount, newCsr, openWorld, type World } from '../helpers/world.ts'

let program: BundledProgram
beforeAll(async () => {
  program = await bundleProgram(new URL('./signUntilKilled.ts', import.meta.url))
})
afterAll(() => program.remove())

/** Signs in a process that kills itself at its n-th look at the clock; resolves with what it printed before. */
function signUntilKilled(args: string[]): Promise<{ killed: boolean; printed: string }> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [program.path, ...args], (error, stdout, stderr) => {
      if (error && error.signal !== 'SIGKILL') reject(new Error(stderr))
      else resolve({ killed: error !== null, printed: stdout })
    })
  })
}

describe.each(databases)('SIGKILL while issuing, on $name', ({ open }) => {
  const secret = randomBytes(32)
  let world: World
  let url: string
  let close: () => Promise<void>
  let orders = 0

  beforeAll(async () => {
    const opened = await open()
    url = opened.url
    close = opened.close
    world = await openWorld(opened.db, secret)
  })
  afterAll(() => close())

  it('leaves no certificate without a record and none twice, and the order goes on', { timeout: 120_000 }, () =>
    walk('sign', again),
  )

  it('leaves a parked order parked, or on its way to the certificate', { timeout: 120_000 }, () =>
    walk('submit', submitted),
  )

  /** Kills at each step in turn, until one run ends by itself; `goOn` is what the client does whose answer was lost. */
  async function walk(way: 'sign' | 'submit', goOn: (ref: string, known?: SignRequest) => Promise<SignRequest>) {
    let step = 0
    let killed = true
    while (killed && step < 40) {
      step += 1
      const ref = `${way}-${step}`
      ;({ killed } = await signUntilKilled([url, secret.toString('hex'), ref, String(step), way]))
      world.time.now = new Date()
      await endLeases(world.it)
      await resumeSigning(world.it)
      const found = await findByOrigin(world.it.db, { protocol: 'acme', ref })
      const left = found?.request
      const request = left && left.status !== 'draft' ? left : await goOn(ref, left)
      expect(request.status, `killed at step ${step}`).toBe('signed')
    }
    expect(step, 'the last run ended by itself').toBeGreaterThan(4)
    expect(killed).toBe(false)
    orders += step
    await everythingAgrees(orders)
  }

  async function submitted(_: string, parked?: SignRequest) {
    return (await submit(world.it, acmeAccount(), { ref: parked?.id ?? 0, change: {}, claim: undefined })).request
  }

  /** The client whose answer was lost asks again. */
  async function again(ref: string) {
    const csr = await newCsr([`${ref}.example.org`])
    const draft = {
      profile: await world.profile(),
      protocol: 'acme',
      action: 'issue',
      origin: { protocol: 'acme', ref },
      csr,
    } as const
    return (await sign(world.it, acmeAccount(), { ...draft, validated: csr.identifiers, refusal: 'throw' })).request
  }

  async function everythingAgrees(orders: number) {
    const tables = withTables<CoreTables>(world.it.db)
    const ordered = await tables
      .selectFrom('sign_requests')
      .select(['id', 'status'])
      .where('protocol', '=', 'acme')
      .execute()
    const certificates = await tables
      .selectFrom('certificates')
      .innerJoin('sign_requests', 'sign_requests.id', 'certificates.id')
      .select(['certificates.id', 'serial'])
      .where('protocol', '=', 'acme')
      .execute()
    expect(ordered).toHaveLength(orders)
    expect(new Set(certificates.map(({ id }) => id))).toEqual(new Set(ordered.map(({ id }) => id)))
    expect(new Set(certificates.map(({ serial }) => serial)).size).toBe(orders)
    while ((await sealAudit(world.it.db, world.it.auditSecret)) > 0);
    expect((await verifyAudit(world.it.db, world.it.auditSecret)).problems).toEqual([])
  }
})
