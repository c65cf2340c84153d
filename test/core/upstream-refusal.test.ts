import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findCertificate } from '../../src/core/certificate.ts'
import { generateKey } from '../../src/core/key.ts'
import { readRevokeRequest } from '../../src/core/request/records.ts'
import { publicKeyFrom } from '../../src/pki/publicKey.ts'
import { databases } from '../helpers/databases.ts'
import { createPeople, failure, type People } from '../helpers/people.ts'
import { acmeProblem } from '../helpers/smallAcme.ts'
import { type UpstreamWorld, upstreamWorld } from '../helpers/upstreamWorld.ts'
import { acmeAccount, createWorld, type World } from '../helpers/world.ts'

describe.each(databases)('what a CA upstream refuses, and what is taken back, on $name', ({ open }) => {
  let world: World
  let people: People
  let at: UpstreamWorld
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    world = await createWorld(opened.db)
    people = await createPeople(world)
    at = await upstreamWorld(world, { name: 'upstream' })
    close = async () => {
      await at.small.close()
      await opened.close()
    }
  })
  afterAll(() => close())

  const door = () => world.core.as(acmeAccount())
  const certificateOf = async ({ id }: { id: number }) => {
    const certificate = await findCertificate(world.it.db, { id })
    if (!certificate) throw new Error('no certificate')
    return certificate
  }
  const calm = () => {
    delete at.small.interfere
    at.small.authorizations = 'valid'
    at.small.issues = 'at once'
  }

  test('a refusal ends the request with the words of the CA, which are kept to one line; who tries again orders anew', async () => {
    calm()
    at.small.interfere = (resource) =>
      resource === 'newOrder' ? acmeProblem('rejectedIdentifier', 'not\u001b[31m this\nname\u202e') : undefined
    const request = await at.order(['refused.example.org'])
    await at.run()
    const refused = await at.read(request)
    expect(refused.status).toBe('failed')
    expect(refused.reason).toBe('the upstream CA refused: not [31m this name  (rejectedIdentifier)')
    calm()
    expect(await at.run(600_000)).toBe(0)
    await people.operator.approvals.retry('sign', request.id)
    await at.run()
    expect((await at.read(request)).status).toBe('signed')
  })

  test('an order that becomes invalid says of which name, and why', async () => {
    calm()
    at.small.issues = 'later'
    const request = await at.order(['invalid.example.org'])
    await at.run()
    const order = at.small.orders.at(-1)
    if (!order) throw new Error('no order')
    order.status = 'invalid'
    order.error = { type: 'urn:ietf:params:acme:error:caa', detail: 'CAA forbids it' }
    await at.run(600_000)
    expect(await at.read(request)).toMatchObject({
      status: 'failed',
      reason: 'the upstream CA refused the order: CAA forbids it (caa)',
    })
  })

  test('a certificate of another key, with other names, or without its issuer is not taken', async () => {
    calm()
    at.small.issues = 'later'
    const other = publicKeyFrom(generateKey('P-256'))
    const wrongs = [
      [{ publicKey: other }, /another key/],
      [{ names: ['wrong.example.org', 'evil.example.org'] }, /other names/],
      [{}, /did not come with it/],
    ] as const
    for (const [instead, message] of wrongs) {
      const request = await at.order(['wrong.example.org'])
      await at.run()
      const order = at.small.orders.at(-1)
      if (!order) throw new Error('no order')
      await at.small.issue(order, instead as never)
      if (Object.keys(instead).length === 0)
        order.certificate = order.certificate?.replace(at.small.ca.certificate, '') ?? ''
      await at.run(600_000)
      expect(await at.read(request)).toMatchObject({ status: 'failed', reason: expect.stringMatching(message) })
      expect(await findCertificate(world.it.db, { id: request.id })).toBeUndefined()
    }
  })

  test('a request that no ACME CA could take fails at once, and the CA is not asked', async () => {
    calm()
    const asked = at.small.asked.length
    const request = await at.order(['x.example.org'], { csrNames: ['x.example.org', 'y.example.org'] })
    await at.run()
    expect(await at.read(request)).toMatchObject({ status: 'failed', reason: expect.stringMatching(/subjectAltName/) })
    expect(at.small.asked).toHaveLength(asked)
  })

  test('withdrawn, what the CA waits for is given up there; once it may issue, nobody withdraws it', async () => {
    calm()
    at.small.authorizations = 'pending'
    const request = await at.order(['withdrawn.example.org'])
    await at.run()
    expect(await at.read(request)).toMatchObject({
      status: 'signing',
      lastError: expect.stringMatching(/withdrawn\.example\.org is \(http-01, dns-01\).*upstream\.proof/),
    })
    await people.operator.approvals.cancel('sign', request.id)
    await at.run(600_000)
    expect(at.small.deactivated).toEqual([`authorization/${at.small.orders.at(-1)?.id}`])
    expect(await at.run(600_000)).toBe(0)
    calm()
    at.small.issues = 'later'
    const finalized = await at.order(['finalized.example.org'])
    await at.run()
    await expect(people.operator.approvals.cancel('sign', finalized.id)).rejects.toMatchObject(failure('conflict'))
    await people.operator.approvals.markFailed('sign', finalized.id, 'too slow')
    const order = at.small.orders.at(-1)
    if (order) await at.small.issue(order)
    expect(await at.run(600_000)).toBe(0)
    await people.operator.approvals.retry('sign', finalized.id)
    const orders = at.small.orders.length
    await at.run()
    expect((await at.read(finalized)).status).toBe('signed')
    expect(at.small.orders).toHaveLength(orders)
  })

  test('an upload is refused, and so is what an upstream CA does not know', async () => {
    calm()
    at.small.issues = 'later'
    const request = await at.order(['upload.example.org'])
    const { der } = await at.small.ca.issue()
    await expect(people.operator.upload(request.id, [der])).rejects.toMatchObject(failure('unsupported'))
    await expect(people.operator.admin.prepareRollover('upstream', {})).rejects.toMatchObject(failure('unsupported'))
    await expect(people.operator.admin.uploadCrl('upstream', der)).rejects.toMatchObject(failure('unsupported'))
    calm()
    await at.run()
    const order = at.small.orders.at(-1)
    if (order) await at.small.issue(order)
    await at.run(600_000)
  })

  describe('a revocation', () => {
    const issued = async (host: string) => {
      calm()
      const request = await at.order([host])
      await at.run()
      return certificateOf(request)
    }
    const revoke = (certificate: number, reason?: string) =>
      door().revoke({ protocol: 'acme', certificate, grounds: 'account', ...(reason ? { reason } : {}) })

    test('is done there first, and waits while it cannot', async () => {
      const { id, der } = await issued('revoked.example.org')
      at.small.interfere = (resource) => (resource === 'revokeCert' ? { status: 503 } : undefined)
      const request = await revoke(id, 'keyCompromise')
      expect(request.status).toBe('revoking')
      await at.run()
      expect(await readRevokeRequest(world.it.db, request.id)).toMatchObject({
        status: 'revoking',
        lastError: expect.stringMatching(/503/),
      })
      expect((await certificateOf({ id })).status).toBe('issued')
      calm()
      at.small.revoked.splice(0)
      await at.run(600_000)
      expect(at.small.revoked).toEqual([{ certificate: der.toString('base64url'), reason: 1 }])
      expect((await certificateOf({ id })).status).toBe('revoked')
      expect((await readRevokeRequest(world.it.db, request.id)).status).toBe('revoked')
      expect((await people.operator.admin.verifyAudit()).problems).toEqual([])
    })

    test('that is done already counts; one that is refused says why', async () => {
      const done = await issued('done.example.org')
      at.small.interfere = (resource) =>
        resource === 'revokeCert' ? acmeProblem('alreadyRevoked', 'it is revoked') : undefined
      await revoke(done.id)
      await at.run()
      expect((await certificateOf(done)).status).toBe('revoked')
      const refused = await issued('kept.example.org')
      at.small.interfere = (resource) =>
        resource === 'revokeCert' ? acmeProblem('unauthorized', 'not yours', 403) : undefined
      const { id } = await revoke(refused.id, 'superseded')
      await at.run()
      expect(await readRevokeRequest(world.it.db, id)).toMatchObject({
        status: 'failed',
        reason: 'the upstream CA refused: not yours (unauthorized)',
      })
      expect((await certificateOf(refused)).status).toBe('issued')
      await expect(revoke(refused.id, 'certificateHold')).rejects.toMatchObject(failure('badReason'))
    })
  })
})
