import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sealAudit } from '../../src/core/audit/seal.ts'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import { loadAuthority } from '../../src/core/authority/authority.ts'
import { createAuthority } from '../../src/core/authority/authorityAdmin.ts'
import { runRollovers } from '../../src/core/authority/rolloverActivate.ts'
import type { RolloverView } from '../../src/core/authority/rolloverView.ts'
import { Failure } from '../../src/core/failure.ts'
import { system } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { endLeases, resumeSigning } from '../../src/core/upkeep/resume.ts'
import { withTables } from '../../src/db/tables.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { verifyIssuedBy } from '../../src/pki/chain.ts'
import { databases } from '../helpers/databases.ts'
import { ocspWorld } from '../helpers/ocspWorld.ts'
import { openWorld, type World } from '../helpers/world.ts'

const program = fileURLToPath(new URL('./rolloverUntilKilled.ts', import.meta.url))
const day = 86_400_000

/** Rolls over in a process that kills itself at its n-th look at the clock. */
function rollOverUntilKilled(args: string[]): Promise<{ killed: boolean }> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, ['--import', 'tsx', program, ...args], (error, _, stderr) => {
      if (error && error.signal !== 'SIGKILL') reject(new Error(stderr))
      else resolve({ killed: error !== null })
    })
  })
}

describe.each(databases)('SIGKILL while an authority rolls over, on $name', ({ name: dialect, open }) => {
  const secret = randomBytes(32)
  let world: World
  let url: string
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    url = opened.url
    close = opened.close
    world = await openWorld(opened.db, secret)
  })
  afterAll(() => close())

  const operator = () => world.core.as(system('cli')).admin

  /** What is there afterwards; undefined when nothing was begun. */
  async function stateOf(name: string): Promise<RolloverView | undefined> {
    return operator()
      .rollover(name)
      .catch((error: unknown) => {
        if (error instanceof Failure && error.code === 'notFound') return undefined
        throw error
      })
  }

  it('loses no key and makes no second certificate, and the rollover goes on', { timeout: 280_000 }, async () => {
    const { organizationId } = await world.profile()
    // A quarter of the steps on either database, not the same.
    let step = dialect === 'sqlite' ? 1 : 3
    let killed = true
    const seen = new Set<string>()
    for (; killed && step < 80; step += 4) {
      const name = `child-${step}`
      const draft = { name, key: 'P-256', subject: `CN=${name}`, parent: 'root', validity: 900 * day } as const
      const id = await createAuthority(world.it, system('test'), { ...draft, organizationId, ownerId: null })
      ;({ killed } = await rollOverUntilKilled([url, secret.toString('hex'), name, String(step)]))
      seen.add((await stateOf(name))?.status ?? 'none')
      world.time.now = new Date(Date.now() + 120_000)
      await endLeases(world.it)
      await resumeSigning(world.it)
      await runRollovers(world.it)
      const view = (await stateOf(name)) ?? (await operator().prepareRollover(name, {}))
      expect(['prepared', 'active'], `killed at step ${step}`).toContain(view.status)
      if (view.status === 'prepared') await operator().activateRollover(name)
      await expectWhole(name, id)
    }
    expect(killed, 'the last run ended by itself').toBe(false)
    expect(seen.size, 'it was killed before, between and after').toBeGreaterThanOrEqual(3)
    while ((await sealAudit(world.it.db, world.it.auditSecret)) > 0);
    expect((await verifyAudit(world.it.db, world.it.auditSecret)).problems).toEqual([])
  })

  async function expectWhole(name: string, id: number): Promise<void> {
    const tables = withTables<CoreTables>(world.it.db)
    const own = await tables.selectFrom('authority_certificates').selectAll().where('authority_id', '=', id).execute()
    expect(own.map(({ active }) => active).sort()).toEqual([0, 1])
    const { issuer } = await loadAuthority(world.it, name)
    const spkiHash = issuer?.certificate.publicKey.spkiHash ?? ''
    const signed = await tables.selectFrom('certificates').select('id').where('spki_hash', '=', spkiHash).execute()
    expect(signed, name).toHaveLength(1)
    await world.save(name, { authority: id })
    const { der } = await ocspWorld(world).issue(`${name}.example.org`, name)
    expect(issuer && verifyIssuedBy(readCertificate(der), issuer.certificate)).toBe(true)
  }
})
