import { randomBytes } from 'node:crypto'
import type { Kysely } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Issuer } from '../../src/core/authority/authority.ts'
import { loadAuthority } from '../../src/core/authority/authority.ts'
import { createLook } from '../../src/core/ocsp/ocspLook.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { closeDatabase, openDatabase } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { askOcsp, readOcsp, statusOf } from '../helpers/ocspAnswer.ts'
import { ocspWorld } from '../helpers/ocspWorld.ts'
import { ocspRequest } from '../helpers/statusServer.ts'
import { openWorld, type World } from '../helpers/world.ts'

describe.each(databases)('kept OCSP answers on $name', ({ open }) => {
  let world: World
  /** Another node: a handle, a memory and responders of its own. */
  let other: World
  let issuer: Issuer
  let to: ReturnType<typeof ocspWorld>
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    const secret = randomBytes(32)
    world = await openWorld(opened.db, secret)
    const db = openDatabase(opened.url)
    other = await openWorld(db, secret)
    other.it.clock = world.it.clock
    to = ocspWorld(world)
    issuer = await to.issuerOf('issuing')
    close = async () => {
      await closeDatabase(db)
      await opened.close()
    }
  })
  afterAll(() => close())

  const asked = (serial: string) => ocspRequest(issuer, [serial])
  const both = async (serial: string) => [await statusOf(world, issuer, serial), await statusOf(other, issuer, serial)]
  const said = (status: string) => status.split(' ')[0]

  it('a look sees certificates of authorities that are stored beside others, whatever their numbers', async () => {
    const { db } = world.it
    const change = (work: (tables: Kysely<CoreTables>) => Promise<number[]>) =>
      transaction(db, (db) => work(withTables<CoreTables>(db)))
    const look = createLook(db)
    const [first = 0, second = 0] = await change(async (tables) => {
      const { id: _, ...row } = await tables.selectFrom('authority_certificates').selectAll().executeTakeFirstOrThrow()
      const copy = { ...row, active: 0 }
      const added = await tables.insertInto('authority_certificates').values([copy, copy]).returning('id').execute()
      return added.map(({ id }) => id).sort((a, b) => a - b)
    })
    const remove = (id: number) =>
      change(async (tables) => {
        await tables.deleteFrom('authority_certificates').where('id', '=', id).execute()
        return []
      })
    const both = await look()
    // Which is to the look what a transaction is that ends after one with a higher number.
    await remove(first)
    expect((await look()).issuers).not.toBe(both.issuers)
    await remove(second)
  })

  it('the same bytes until something changes, also after what does not concern it', async () => {
    const certificate = await to.issue('same.example.org')
    const { der } = await askOcsp(world, asked(certificate.serial))
    expect((await askOcsp(world, asked(certificate.serial))).der).toBe(der)
    await to.revoke(await to.issue('neighbour.example.org'))
    expect((await askOcsp(world, asked(certificate.serial))).der).toBe(der)
  })

  it('two wordings of one question share one answer; another hash, or order, is another question', async () => {
    const { serial } = await to.issue('words.example.org')
    const second = await to.issue('words2.example.org')
    const plain = await askOcsp(world, asked(serial))
    const named = ocspRequest(issuer, [serial], { requestorName: 'somebody' })
    expect((await askOcsp(world, named)).der).toBe(plain.der)
    expect((await askOcsp(world, ocspRequest(issuer, [serial], { hash: 'sha256' }))).der).not.toEqual(plain.der)
    const one = readOcsp((await askOcsp(world, ocspRequest(issuer, [serial, second.serial]))).der)
    const two = readOcsp((await askOcsp(world, ocspRequest(issuer, [second.serial, serial]))).der)
    expect(one.certIds).toEqual([...two.certIds].reverse())
  })

  it('a revocation, a hold and its end show with their commit, on the other node too', async () => {
    const certificate = await to.issue('life.example.org')
    const { serial } = certificate
    expect(await both(serial)).toEqual(['good', 'good'])
    await to.revoke(certificate, 'certificateHold')
    const time = new Date(Math.floor(world.time.now.getTime() / 1000) * 1000).toISOString()
    expect(await both(serial)).toEqual([`revoked ${time} 6`, `revoked ${time} 6`])
    await to.release(certificate)
    expect(await both(serial)).toEqual(['good', 'good'])
    await to.revoke(certificate, 'keyCompromise')
    expect(await both(serial)).toEqual([`revoked ${time} 1`, `revoked ${time} 1`])
  })

  it('with nonces too a revocation, a hold and its end show with their commit, on the other node too', async () => {
    const certificate = await to.issue('nonces.example.org')
    const withNonce = async (node: World) => {
      const nonce = randomBytes(16)
      const answer = await askOcsp(node, ocspRequest(issuer, [certificate.serial], { nonce }))
      const read = readOcsp(answer.der)
      expect(read.nonce).toEqual(nonce)
      expect(answer.signed?.nonce).toBe(true)
      return said(read.statuses[0] ?? '')
    }
    const everywhere = async () => [
      ...[await withNonce(world), await withNonce(other), await withNonce(other)],
      ...(await both(certificate.serial)).map(said),
    ]
    expect(await everywhere()).toEqual(Array(5).fill('good'))
    await to.revoke(certificate, 'certificateHold')
    expect(await everywhere()).toEqual(Array(5).fill('revoked'))
    await to.release(certificate)
    expect(await everywhere()).toEqual(Array(5).fill('good'))
    await to.revoke(certificate, 'keyCompromise')
    expect(await everywhere()).toEqual(Array(5).fill('revoked'))
  })

  it('a serial that is asked with nonces is good as soon as it is issued', async () => {
    const certificate = await to.issue('nonces-later.example.org')
    const serial = randomBytes(12).toString('hex').replace(/^./, '1')
    const withNonce = async () =>
      readOcsp((await askOcsp(world, ocspRequest(issuer, [serial], { nonce: randomBytes(8) }))).der).statuses
    expect(await withNonce()).toEqual(['unknown'])
    await to.change((tables) =>
      tables.updateTable('certificates').set({ serial }).where('id', '=', certificate.id).execute(),
    )
    expect(await withNonce()).toEqual(['good'])
  })

  it('a batch looks once, and the next batch looks again', async () => {
    const look = createLook(world.it.db)
    const batch = {}
    const before = await look(batch)
    await to.revoke(await to.issue('batch.example.org'))
    if (world.it.db.dialect === 'sqlite') expect(await look(batch)).toBe(before)
    expect(await look({})).not.toBe(before)
    expect(await look()).not.toBe(before)
  })

  it('a serial that was unknown is good as soon as it is issued, though issuing raises no counter', async () => {
    const certificate = await to.issue('later.example.org')
    const serial = randomBytes(12).toString('hex').replace(/^./, '1')
    expect(await both(serial)).toEqual(['unknown', 'unknown'])
    await to.change((tables) =>
      tables.updateTable('certificates').set({ serial }).where('id', '=', certificate.id).execute(),
    )
    expect(await both(serial)).toEqual(['good', 'good'])
  })

  it('what a CRL from elsewhere listed is unknown as soon as a newer one lists it no more', async () => {
    const listed = { serial: '7e57', shard: 0, authority_certificate_id: issuer.id, revoked_at: 1_000 }
    const change = (work: (tables: ReturnType<typeof withTables<CoreTables>>) => Promise<unknown>) =>
      to.change(async (tables) => {
        await work(tables)
        await tables
          .updateTable('authorities')
          .set((eb) => ({ revocations: eb('revocations', '+', 1) }))
          .where('name', '=', 'issuing')
          .execute()
      })
    const none = { reason: null, invalidity_at: null }
    await change((tables) =>
      tables
        .insertInto('imported_revocations')
        .values({ ...listed, ...none })
        .execute(),
    )
    expect((await both('7e57')).map(said)).toEqual(['revoked', 'revoked'])
    await change((tables) => tables.deleteFrom('imported_revocations').where('serial', '=', '7e57').execute())
    expect(await both('7e57')).toEqual(['unknown', 'unknown'])
  })

  it('settings count from their commit on', async () => {
    const { serial } = await to.issue('settings.example.org')
    const produced = readOcsp((await askOcsp(other, asked(serial))).der)
    expect('byKey' in produced.responderId).toBe(true)
    await to.settings('issuing', { ocspResponderId: 'name', ocspValidity: '1h' })
    for (const node of [world, other]) {
      const answer = readOcsp((await askOcsp(node, asked(serial))).der)
      expect(answer.responderId).toEqual({ byName: answer.certificate?.subjectDer })
      const [until = new Date(0)] = answer.nextUpdate
      expect(until.getTime() - answer.producedAt.getTime()).toBe(3_600_000)
    }
    await to.settings('issuing', {})
    expect('byKey' in readOcsp((await askOcsp(other, asked(serial))).der).responderId).toBe(true)
  })

  it('a responder whose certificate was revoked signs nothing more, on both nodes', async () => {
    const { serial } = await to.issue('responder.example.org')
    const before = readOcsp((await askOcsp(world, asked(serial))).der).certificate
    expect(readOcsp((await askOcsp(other, asked(serial))).der).certificate?.serial).toBe(before?.serial)
    const { id: authorityId } = await loadAuthority(world.it, 'issuing')
    await to.change(async (tables) => {
      const revoked = { status: 'revoked', revoked_at: world.time.now.getTime() }
      await tables
        .updateTable('certificates')
        .set(revoked)
        .where('serial', '=', before?.serial ?? '')
        .execute()
      await tables
        .updateTable('authorities')
        .set((eb) => ({ revocations: eb('revocations', '+', 1) }))
        .where('id', '=', authorityId)
        .execute()
    })
    for (const node of [world, other]) {
      const answer = readOcsp((await askOcsp(node, asked(serial))).der)
      expect(answer.certificate?.serial).not.toBe(before?.serial)
      expect(answer.certificate && answer.signedBy(answer.certificate)).toBe(true)
    }
  })

  it('is signed anew well before its end, and never given out before its time', async () => {
    const { serial } = await to.issue('time.example.org')
    const start = world.time.now
    const { der } = await askOcsp(world, asked(serial))
    const first = readOcsp(der)
    expect(first.thisUpdate).toEqual([first.producedAt])
    world.time.pass(5.9 * 3_600_000)
    expect((await askOcsp(world, asked(serial))).der).toBe(der)
    world.time.pass(0.2 * 3_600_000)
    const renewed = await askOcsp(world, asked(serial))
    expect(renewed.der).not.toEqual(der)
    expect(readOcsp(renewed.der).producedAt.getTime()).toBe(Math.floor(world.time.now.getTime() / 1000) * 1000)
    world.time.now = new Date(start.getTime() - 60_000)
    expect(readOcsp((await askOcsp(world, asked(serial))).der).producedAt.getTime()).toBeLessThan(start.getTime())
    world.time.now = start
  })

  it('whoever asks after a revocation has returned hears of it, however many ask at once', async () => {
    for (let round = 0; round < 8; round++) {
      const certificate = await to.issue(`race${round}.example.org`)
      const request = asked(certificate.serial)
      await Promise.all([askOcsp(world, request), askOcsp(other, request)])
      let returned = false
      const wrong: string[] = []
      const revoking = to.revoke(certificate).then(() => {
        returned = true
      })
      const turn = () => new Promise((resolve) => setImmediate(resolve))
      const watch = async (node: World) => {
        for (let asks = 0; asks < 60; asks++) {
          const late = returned
          const heard = said(readOcsp((await askOcsp(node, request)).der).statuses.join())
          if (late && heard !== 'revoked') wrong.push(`${heard} at ask ${asks}`)
          await turn()
        }
      }
      await Promise.all([revoking, ...[world, other, world, other, other].map(watch)])
      expect(wrong).toEqual([])
      expect((await both(certificate.serial)).map(said)).toEqual(['revoked', 'revoked'])
    }
  })

  it('a date names an answer only when no other was true in its second', async () => {
    const certificate = await to.issue('dates.example.org')
    const fresh = await askOcsp(world, asked(certificate.serial))
    expect(fresh.signed?.settled).toBe(false)
    world.time.pass(7 * 3_600_000)
    expect((await askOcsp(world, asked(certificate.serial))).signed?.settled).toBe(true)
    await to.revoke(certificate)
    expect((await askOcsp(world, asked(certificate.serial))).signed?.settled).toBe(false)
  })
})
