import { X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RequestKind, VoteInput } from '../../src/core/approval/approval.ts'
import { expireWaiting } from '../../src/core/approval/expire.ts'
import { findCertificate } from '../../src/core/certificate.ts'
import { asRequester, createUser, type User } from '../../src/core/identity/identity.ts'
import { readSignRequest } from '../../src/core/request/records.ts'
import type { RevokeStatus, SignRequest, SignStatus } from '../../src/core/request/request.ts'
import { signMoves } from '../../src/core/request/transition.ts'
import { system } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { type AcmeApp, createAcmeApp } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import type { AcmeClient, AcmeOrder } from '../helpers/acmeClient.ts'
import { databases } from '../helpers/databases.ts'
import { revokeStatusTable, signStatusTable } from '../helpers/statusTable.ts'
import { newCsr } from '../helpers/world.ts'

const waits = [{ name: 'a person looks', require: [{ users: ['approver'] }] }]
const reasons: Partial<Record<SignStatus, string>> = {
  denied: 'this name belongs to another team',
  canceled: 'ordered by mistake',
  failed: 'the authority is being moved',
}

describe.each(databases)('the status table in ACME on $name', ({ open }) => {
  let opened: Awaited<ReturnType<typeof open>>
  let acme: AcmeApp
  let client: AcmeClient
  let approver: User
  let chief: User

  beforeAll(async () => {
    opened = await open()
    acme = await createAcmeApp(opened.db)
    const { world } = acme
    await world.save('review', { rules: { issue: waits, revoke: waits } })
    await world.save('revocations', { rules: { ...(await world.profile()).rules, revoke: waits } })
    const { organizationId } = await world.profile()
    approver = await transaction(opened.db, (db) =>
      createUser(db, { actor: system('test'), at: world.time.now }, { name: 'approver', organizationId }),
    )
    chief = await transaction(opened.db, (db) =>
      createUser(db, { actor: system('test'), at: world.time.now }, { name: 'chief', organizationId, admin: true }),
    )
    client = await acme.client({ profile: 'review' })
    acme.serveChallenges(client)
  })
  afterAll(async () => {
    await acme.close()
    await opened.close()
  })

  const approvals = (user?: User) => acme.world.core.as(user ? asRequester(user) : system('test')).approvals

  async function vote(kind: RequestKind, id: number, input: Partial<VoteInput>): Promise<void> {
    const { hash } = await approvals(approver).review(kind, id)
    await approvals(approver).vote(kind, id, { verdict: 'approve', hash, ...input })
  }

  /** Switches the authority off while `work` runs, so that what it approves cannot be signed. */
  async function switchedOff(work: () => Promise<void>): Promise<void> {
    const { admin } = acme.world.core.as(system('test'))
    await admin.changeAuthority('issuing', { enabled: false })
    try {
      await work()
    } finally {
      await admin.changeAuthority('issuing', { enabled: true })
    }
  }

  /** How a waiting request gets into a status, by what people and time do. */
  const drive: Record<Exclude<SignStatus, 'draft'>, (id: number) => Promise<unknown>> = {
    requested: async () => {},
    signing: (id) => switchedOff(() => vote('sign', id, {})),
    signed: (id) => vote('sign', id, {}),
    denied: (id) => vote('sign', id, { verdict: 'deny', reason: reasons.denied ?? '' }),
    expired: () => expireWaiting(opened.db, new Date(acme.world.time.now.getTime() + 8 * 86_400_000)),
    canceled: (id) => approvals().cancel('sign', id, reasons.canceled),
    failed: (id) => approvals().markFailed('sign', id, reasons.failed ?? ''),
  }

  async function finalized(name: string): Promise<{ order: AcmeOrder; request: SignRequest }> {
    const order = await client.order([name])
    await client.answer(order, 'http-01')
    const answer = await client.finalize(order, (await newCsr([name])).der)
    expect(answer.json, answer.text).toMatchObject({ status: 'processing' })
    const request = await acme.world.core
      .as(system('test'))
      .findSignRequest({ protocol: 'acme', ref: order.url.slice(order.url.lastIndexOf('/') + 1) })
    if (!request) throw new Error('finalize left no sign request')
    return { order, request }
  }

  const cells = Object.entries(signStatusTable).map(([status, { acme }]) => ({
    status: status as SignStatus,
    cell: acme,
  }))

  describe('an order', () => {
    it('is never a draft: no request moves there, and none begins there', () => {
      expect(signStatusTable.draft.acme).toBeUndefined()
      expect(Object.values(signMoves).flat()).not.toContain('draft')
    })

    it.each(cells.filter(({ status }) => status !== 'draft'))(
      'whose request is $status is $cell.order',
      async ({ status, cell }) => {
        const { order, request } = await finalized(`${status}.localhost`)
        if (status !== 'draft') await drive[status](request.id)
        expect((await readSignRequest(opened.db, request.id)).status).toBe(status)

        const shown = await client.post(order.url)
        expect(shown.status).toBe(200)
        expect(shown.json.status).toBe(cell?.order)
        expect(shown.json.identifiers).toEqual(order.identifiers)
        const waiting = cell?.order === 'processing'
        expect(shown.headers.has('retry-after')).toBe(waiting)
        if (waiting) expect(Number(shown.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
        expect('certificate' in shown.json).toBe(cell?.order === 'valid')
        expect('error' in shown.json).toBe(cell?.order === 'invalid')
        if (cell && 'error' in cell) {
          const { type, detail } = shown.json.error as { type: string; detail: string }
          expect(type).toBe(`urn:ietf:params:acme:error:${cell.error}`)
          expect(detail).toContain(reasons[status] ?? 'in time')
          expect(detail).not.toContain('approver')
        }
      },
    )

    it('that is valid gives its certificate, and the request stays its record', async () => {
      const { order, request } = await finalized('fetched.localhost')
      await drive.signed(request.id)
      const url = String((await client.post(order.url)).json.certificate)
      const { status, text } = await client.post(url)
      expect(status).toBe(200)
      expect(new X509Certificate(text).subjectAltName).toBe('DNS:fetched.localhost')
      expect(url.endsWith(request.uuid)).toBe(true)
    })

    it('that waits is not asked for a second time by finalizing again (RFC 8555 section 7.4)', async () => {
      const { order } = await finalized('again.localhost')
      const again = await client.finalize(order, (await newCsr(['again.localhost'])).der)
      expectProblem(again, 403, 'orderNotReady')
    })
  })

  describe('revokeCert', () => {
    const revocations = withTables<CoreTables>
    let issuer: AcmeClient

    beforeAll(async () => {
      issuer = await acme.client({ profile: 'revocations' })
    })

    async function issued(name: string): Promise<{ der: Buffer; id: number }> {
      acme.serveChallenges(issuer)
      const order = await issuer.order([name])
      await issuer.answer(order, 'http-01')
      const { json } = await issuer.finalize(order, (await newCsr([name])).der)
      const { text } = await issuer.post(String(json.certificate))
      acme.serveChallenges(client)
      const certificate = new X509Certificate(text)
      const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase()
      const stored = await findCertificate(opened.db, { fingerprint })
      return { der: certificate.raw, id: stored?.id ?? 0 }
    }

    const ask = (der: Buffer) =>
      issuer.post(issuer.directory.revokeCert ?? '', { certificate: der.toString('base64url') })

    async function waiting(certificate: number): Promise<number> {
      const { id } = await revocations(opened.db)
        .selectFrom('revoke_requests')
        .select('id')
        .where('certificate_id', '=', certificate)
        .orderBy('id', 'desc')
        .executeTakeFirstOrThrow()
      return id
    }

    const driveRevocation: Record<Exclude<RevokeStatus, 'revoking'>, (id: number) => Promise<unknown>> = {
      requested: async () => {},
      revoked: (id) => vote('revoke', id, {}),
      denied: (id) => vote('revoke', id, { verdict: 'deny', reason: 'it is still needed' }),
      expired: () => expireWaiting(opened.db, new Date(acme.world.time.now.getTime() + 8 * 86_400_000)),
      canceled: (id) => approvals(chief).cancel('revoke', id, 'not any more'),
      failed: (id) => approvals(chief).markFailed('revoke', id, 'the authority is being moved'),
    }
    const rows = Object.entries(revokeStatusTable).map(([status, cell]) => ({ status: status as RevokeStatus, cell }))

    it.each(rows.filter(({ status }) => status !== 'revoking'))(
      'asked again when its request is $status answers $cell.status $cell.error',
      async ({ status, cell }) => {
        const { der, id } = await issued(`revocation-${status}.localhost`)
        const first = await ask(der)
        expectProblem(first, 403, 'unauthorized', /approval/)
        expect(Number(first.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
        const request = await waiting(id)
        if (status !== 'revoking') await driveRevocation[status](request)
        const done = status === 'revoked'
        expect((await findCertificate(opened.db, { id }))?.status).toBe(done ? 'revoked' : 'issued')

        const again = await ask(der)
        expectProblem(again, cell.status, cell.error)
        expect(again.headers.has('retry-after')).toBe(cell.retryAfter)
        expect((await findCertificate(opened.db, { id }))?.status).toBe(done ? 'revoked' : 'issued')
      },
    )

    it('asked while it waits makes no second request', async () => {
      const { der, id } = await issued('patient.localhost')
      await ask(der)
      const request = await waiting(id)
      await ask(der)
      expect(await waiting(id)).toBe(request)
    })
  })
})
