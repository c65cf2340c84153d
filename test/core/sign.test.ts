import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sealAudit } from '../../src/core/audit/seal.ts'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import { findCertificate } from '../../src/core/certificate.ts'
import { Failure } from '../../src/core/failure.ts'
import { sign } from '../../src/core/issuance/sign.ts'
import type { SignDraft } from '../../src/core/request/request.ts'
import { revoke } from '../../src/core/revocation/revoke.ts'
import { databases } from '../helpers/databases.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

describe.each(databases)('signing on $name', ({ open }) => {
  let world: World
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
  })
  afterAll(() => close())

  async function draft(names: string[], more: Partial<SignDraft> = {}): Promise<SignDraft> {
    const csr = await newCsr(names)
    return {
      profile: await world.profile(),
      protocol: 'acme',
      action: 'issue',
      csr,
      identifiers: csr.identifiers,
      validated: csr.identifiers,
      refusal: 'throw',
      ...more,
    }
  }

  it('issues at once where the rules say auto', async () => {
    const { request, repeat } = await sign(world.it, acmeAccount(), await draft(['a.example.org']))
    expect(repeat).toBe(false)
    expect(request.status).toBe('signed')
    const certificate = await findCertificate(world.it.db, { id: request.id })
    expect(certificate?.identifiers).toEqual([{ type: 'dns', value: 'a.example.org' }])
    expect(certificate?.subject).toBe('CN=a.example.org')
  })

  it('waits for the owner where names are not proved', async () => {
    const { request } = await sign(world.it, acmeAccount(), await draft(['b.example.org'], { validated: [] }))
    expect(request.status).toBe('requested')
    expect(request.expiresAt).toBeDefined()
  })

  it('gives a repeat of an origin the record that is there', async () => {
    const origin = { protocol: 'acme', ref: 'order-1' }
    const wanted = await draft(['c.example.org'], { origin })
    const answers = await Promise.all(Array.from({ length: 20 }, () => sign(world.it, acmeAccount(), wanted)))
    expect(new Set(answers.map(({ request }) => request.id)).size).toBe(1)
    expect(answers.filter(({ repeat }) => !repeat)).toHaveLength(1)
  })

  it('runs the claim in the transaction of the record: what it throws leaves nothing', async () => {
    const origin = { protocol: 'acme', ref: 'order-2' }
    const wanted = await draft(['d.example.org'], { origin })
    const claim = async () => {
      throw new Failure('conflict', 'taken')
    }
    await expect(sign(world.it, acmeAccount(), wanted, claim)).rejects.toThrow('taken')
    expect((await sign(world.it, acmeAccount(), wanted)).repeat).toBe(false)
  })

  it('revokes, and a second time says so', async () => {
    const { request } = await sign(world.it, acmeAccount(), await draft(['e.example.org']))
    const order = { protocol: 'acme', certificate: request.id, grounds: 'account', reason: 'superseded' } as const
    expect((await revoke(world.it, acmeAccount(), order)).status).toBe('revoked')
    await expect(revoke(world.it, acmeAccount(), order)).rejects.toMatchObject({ code: 'alreadyRevoked' })
  })

  it('leaves an audit chain that proves itself', async () => {
    while ((await sealAudit(world.it.db, world.it.auditSecret)) > 0);
    const report = await verifyAudit(world.it.db, world.it.auditSecret)
    expect(report.problems).toEqual([])
    expect(report.unsealed).toBe(0)
    expect(report.sealed).toBeGreaterThan(5)
  })
})
