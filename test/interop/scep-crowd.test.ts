import { createPublicKey } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { asRequester } from '../../src/core/identity/identity.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { nameText } from '../../src/pki/name.ts'
import { publicKeyFrom } from '../../src/pki/publicKey.ts'
import { type Party, partyOf } from '../helpers/cms.ts'
import { databases } from '../helpers/databases.ts'
import { rsaPool } from '../helpers/rsaPool.ts'
import { createScepApp, type ScepApp } from '../helpers/scepApp.ts'
import { csrOf, issuerAndSubject, leafOf, type Reply, readReply, scepMessage } from '../helpers/scepClient.ts'

const DEVICES = 1_000
const EACH = 10
const AT_ONCE = 64

interface Device {
  name: string
  by: Party
  spki: Buffer
  spkiHash: string
  approved: boolean
}

/** All of them, so many at a time; the answers stand in the order of the devices. */
async function crowd<T>(devices: readonly Device[], work: (device: Device) => Promise<T>): Promise<T[]> {
  const out: T[] = new Array(devices.length)
  const waiting = devices.entries()
  const worker = async () => {
    for (const [at, device] of waiting) out[at] = await work(device)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return out
}

describe.each(databases)('1000 devices poll at once while 100 are approved, on $name', ({ open }) => {
  let app: ScepApp
  let close: () => Promise<void>
  let devices: Device[]
  let to: Buffer
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    app = await createScepApp(opened.db)
    await app.save('crowd', { limits: { withoutChallengeBySource: 'off' } })
    to = (await app.caCertificates('crowd'))[0] ?? Buffer.alloc(0)
    const keys = await rsaPool(DEVICES)
    devices = keys.map((key, at) => {
      const { spki, spkiHash } = publicKeyFrom(createPublicKey(key))
      const name = `device${at}.example.org`
      return { name, by: partyOf(key, { cn: name }), spki, spkiHash, approved: at % EACH === 3 }
    })
  }, 300_000)
  afterAll(async () => {
    await app.close()
    await close()
  })

  async function send({ by, name }: Device, type: 'PKCSReq' | 'CertPoll', transactionId = name): Promise<Reply> {
    const data = type === 'PKCSReq' ? csrOf(by, { subject: { CN: name } }) : issuerAndSubject({ CN: 'x' }, { CN: name })
    const { status, body, text } = await app.post(await scepMessage({ type, by, to, data, transactionId }), 'crowd')
    if (status !== 200) throw new Error(`${status}: ${text}`)
    return readReply(body, by)
  }

  /** What a device was given is for its own key and name; the envelope opened by its own key, or this would have thrown. */
  function ownSerial({ name, spki }: Device, reply: Reply): string {
    const leaf = leafOf(reply)
    expect(nameText(leaf.subject)).toBe(`CN=${name}`)
    expect(leaf.identifiers).toEqual([{ type: 'dns', value: name }])
    expect(leaf.spki.equals(spki)).toBe(true)
    return leaf.serial
  }

  async function approve({ spkiHash }: Device): Promise<void> {
    const { approvals } = app.world.core.as(asRequester(app.approver))
    const { id } = await withTables<CoreTables>(app.world.it.db)
      .selectFrom('sign_requests')
      .select('id')
      .where('spki_hash', '=', spkiHash)
      .executeTakeFirstOrThrow()
    const { hash } = await approvals.review('sign', id)
    await approvals.vote('sign', id, { verdict: 'approve', hash })
  }

  it('each gets its own certificate, none another’s, and none that was not approved gets any', async () => {
    expect(new Set(devices.map(({ spkiHash }) => spkiHash)).size).toBe(DEVICES)
    const begun = await crowd(devices, (device) => send(device, 'PKCSReq'))
    expect(new Set(begun.map(({ pkiStatus }) => pkiStatus))).toEqual(new Set(['PENDING']))
    expect(await app.count()).toBe(DEVICES)

    const approved = devices.filter((device) => device.approved)
    const approving = (async () => {
      for (const device of approved) await approve(device)
    })()
    const during = await crowd(devices, (device) => send(device, 'CertPoll'))
    await approving
    const early = new Map<string, string>()
    for (const [at, reply] of during.entries()) {
      const device = devices[at] as Device
      if (reply.pkiStatus === 'SUCCESS') {
        expect(device.approved).toBe(true)
        early.set(device.name, ownSerial(device, reply))
      } else expect(reply.pkiStatus).toBe('PENDING')
    }

    const after = await crowd(devices, (device) => send(device, 'CertPoll'))
    const serials = new Set<string>()
    for (const [at, reply] of after.entries()) {
      const device = devices[at] as Device
      expect(reply.pkiStatus).toBe(device.approved ? 'SUCCESS' : 'PENDING')
      if (!device.approved) continue
      const serial = ownSerial(device, reply)
      expect(early.get(device.name) ?? serial).toBe(serial)
      serials.add(serial)
    }
    expect(serials.size).toBe(DEVICES / EACH)
  }, 300_000)

  it('the transactions of others are badCertId to each of them', async () => {
    const [first] = devices.filter(({ approved }) => approved)
    const others = devices.filter((device) => device !== first).slice(0, 50)
    const replies = await crowd(others, (device) => send(device, 'CertPoll', first?.name))
    for (const reply of replies) expect(reply).toMatchObject({ pkiStatus: 'FAILURE', failInfo: 'badCertId' })
  })
})
