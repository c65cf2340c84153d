import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { attendWaiting } from '../../src/core/approval/attend.ts'
import { sealAudit } from '../../src/core/audit/seal.ts'
import { loadAuthority } from '../../src/core/authority/authority.ts'
import { grantCapability } from '../../src/core/identity/capability.ts'
import { asRequester, createUser, type User } from '../../src/core/identity/identity.ts'
import { system } from '../../src/core/requester.ts'
import { transaction } from '../../src/db/transaction.ts'
import { readCrl } from '../../src/pki/crlReader.ts'
import { databases } from '../helpers/databases.ts'
import { statusOf } from '../helpers/ocspAnswer.ts'
import { createScepApp, type ScepApp } from '../helpers/scepApp.ts'
import { device, issuerAndSubject, leafOf } from '../helpers/scepClient.ts'

const HOUR = 3_600_000

/** A device is known by its key, which is another in each run. */
const nameOf = ({ kind, name }: { kind: string; name: string }): string =>
  kind === 'key-holder' ? 'the holder of the key …' : name

/** First Alice, then Bob, after a day Carol in his place; revocations by Carol. */
const rules = {
  issue: [
    {
      name: 'two people',
      require: [{ users: ['alice'] }, { users: ['bob'], escalate: { after: '1d', users: ['carol'] } }],
    },
  ],
  renew: [],
  rekey: [],
  revoke: [{ name: 'a second look', require: [{ users: ['carol'] }] }],
  export: [],
}

describe.each(databases)('the walk of one certificate on $name', ({ name: database, open }) => {
  let app: ScepApp
  let close: () => Promise<void>
  const people = new Map<string, User>()
  let start: Date
  let walked = 0

  const doorOf = (name: string) => {
    const user = people.get(name)
    if (!user) throw new Error(`there is no ${name}`)
    return app.world.core.as(asRequester(user))
  }

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    app = await createScepApp(opened.db)
    await app.save('switches', {}, { rules })
    const { organizationId } = await app.world.profile()
    const change = () => ({ actor: system('test'), at: app.world.time.now })
    for (const name of ['alice', 'bob', 'carol', 'dave', 'erin'])
      people.set(name, await transaction(opened.db, (db) => createUser(db, change(), { name, organizationId })))
    const erin = people.get('erin')?.id ?? 0
    await transaction(opened.db, (db) =>
      grantCapability(db, change(), { capability: 'revoke_cert', to: { userId: erin }, organizationId }),
    )
    people.set(
      'root',
      await transaction(opened.db, (db) => createUser(db, change(), { name: 'root', organizationId, superuser: true })),
    )
    start = app.world.time.now
  })
  afterAll(async () => {
    await app.close()
    await close()
  })

  async function vote(name: string, kind: 'sign' | 'revoke', id: number) {
    const { approvals } = doorOf(name)
    const { hash } = await approvals.review(kind, id)
    return approvals.vote(kind, id, { verdict: 'approve', hash })
  }

  /** What the trail says of what happened since the walk began, in lines. */
  async function trail(): Promise<string[]> {
    const { rows } = await doorOf('root').list.audit({ since: start, limit: 200 })
    return rows
      .filter(({ action }) => /^(sign_request|revoke_request|vote|request|delegation)\./.test(action))
      .filter(({ subject }) => subject.kind !== 'sign_request' || subject.id === walked)
      .reverse()
      .map(({ at, action, actor, details }) => {
        const hours = Math.round((at.getTime() - start.getTime()) / HOUR)
        const { for: whom, rule, step, of, to } = details as Record<string, unknown>
        const words = [
          ...(rule === undefined ? [] : [`rule ${JSON.stringify(rule)}`]),
          ...(step === undefined ? [] : [`step ${Number(step) + 1}`]),
          ...(whom === undefined ? [] : [`for ${whom}`]),
          ...(typeof of === 'string' ? [`of ${of}`] : []),
          ...(to === undefined ? [] : [`to ${Array.isArray(to) ? to.join(', ') : to}`]),
        ]
        return `${`${hours} h`.padStart(5)}  ${action.padEnd(26)} ${nameOf(actor).padEnd(24)} ${words.join(', ')}`.trimEnd()
      })
  }

  it('goes from SCEP over two approvers, a delegation and an escalation to CRL and OCSP', async () => {
    const { world } = app
    const by = device('switch-1')
    const until = new Date(start.getTime() + 48 * HOUR)
    await doorOf('alice').delegations.create({ to: 'dave', until, reason: 'holidays' })
    const wishes = { dns: ['switch-1.test'], profile: 'switches', transactionId: 'walk-1' }
    expect(await app.enrol(by, wishes)).toMatchObject({ pkiStatus: 'PENDING' })
    const id = await app.newest()
    walked = id

    expect(await vote('dave', 'sign', id)).toEqual({ status: 'requested' })
    await expect(vote('carol', 'sign', id)).rejects.toMatchObject({ code: 'forbidden' })
    world.time.pass(25 * HOUR)
    expect(await attendWaiting(world.it.db, world.time.now)).toBeGreaterThan(0)
    expect(await vote('carol', 'sign', id)).toEqual({ status: 'signed' })

    const poll = await app.send({
      type: 'CertPoll',
      data: issuerAndSubject({ CN: 'countersign Issuing CA' }, { CN: 'switch-1.test' }),
      by,
      profile: 'switches',
      transactionId: 'walk-1',
    })
    expect(poll.pkiStatus).toBe('SUCCESS')
    const leaf = leafOf(poll)
    const { issuer } = await loadAuthority(world.it, 'issuing')
    if (!issuer) throw new Error('the authority has no certificate')
    expect(await statusOf(world, issuer, leaf.serial)).toContain('good')

    const door = doorOf('erin')
    const revocation = await door.revoke({ protocol: 'ra', certificate: id, reason: 'superseded', grounds: 'user' })
    expect(revocation.status).toBe('requested')
    await expect(vote('erin', 'revoke', revocation.id)).rejects.toMatchObject({ code: 'forbidden' })
    expect(await vote('carol', 'revoke', revocation.id)).toEqual({ status: 'revoked' })
    expect(await statusOf(world, issuer, leaf.serial)).toContain('revoked')
    const { der } = await door.crl({ authority: 'issuing' })
    expect(readCrl(der).entries.map(({ serial }) => serial)).toContain(leaf.serial)

    await sealAudit(world.it.db, world.it.auditSecret)
    expect((await doorOf('root').admin.verifyAudit()).problems).toEqual([])
  })

  it('is told by its audit trail as docs/approval.md prints it', async () => {
    const lines = await trail()
    expect(lines.length).toBeGreaterThan(8)
    expect(readFileSync('docs/approval.md', 'utf8'), `on ${database}`).toContain(lines.join('\n'))
  })
})
