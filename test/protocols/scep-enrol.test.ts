import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { nameText } from '../../src/pki/name.ts'
import { databases } from '../helpers/databases.ts'
import { createScepApp, type ScepApp, waits } from '../helpers/scepApp.ts'
import { csrOf, device, issuerAndSubject, leafOf } from '../helpers/scepClient.ts'

describe.each(databases)('SCEP enrolment on $name', ({ open }) => {
  let app: ScepApp
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    app = await createScepApp(opened.db)
  })
  afterAll(async () => {
    await app.close()
    await close()
  })

  const poll = (by: ReturnType<typeof device>, transactionId: string, profile = 'default') =>
    app.send({
      type: 'CertPoll',
      data: issuerAndSubject({ CN: 'countersign Issuing CA' }, { CN: 'anything' }),
      by,
      transactionId,
      profile,
    })

  it('RFC 8894 section 4.4: a request without a challenge is PENDING until a person approves, then CertPoll gives the certificate', async () => {
    const by = device('pending')
    const asked = { subject: { CN: 'pending.example.org' }, dns: ['pending.example.org'], transactionId: 'pending-1' }
    expect(await app.enrol(by, asked)).toMatchObject({ pkiStatus: 'PENDING', certificates: [] })
    expect(await poll(by, 'pending-1')).toMatchObject({ pkiStatus: 'PENDING' })
    await app.vote()
    const reply = await poll(by, 'pending-1')
    expect(reply.pkiStatus).toBe('SUCCESS')
    const leaf = leafOf(reply)
    expect(leaf.identifiers).toEqual([{ type: 'dns', value: 'pending.example.org' }])
    expect(leaf.spki.equals(readCertificate(leaf.der).spki)).toBe(true)
    // 33: for days.
    app.world.time.pass(2 * 86_400_000)
    expect(leafOf(await poll(by, 'pending-1')).serial).toBe(leaf.serial)
  })

  it('32: a repeated PKCSReq with the same transactionID is a poll', async () => {
    const by = device('again')
    const asked = { subject: { CN: 'again.example.org' }, transactionId: 'again+/=' }
    expect((await app.enrol(by, asked)).pkiStatus).toBe('PENDING')
    const id = await app.newest()
    expect((await app.enrol(by, asked)).pkiStatus).toBe('PENDING')
    expect(await app.newest(), 'no second request').toBe(id)
    await app.vote()
    const first = leafOf(await app.enrol(by, asked))
    const second = leafOf(await app.enrol(by, asked))
    expect(second.serial).toBe(first.serial)
    expect(first.identifiers, 'the common name is the name').toEqual([{ type: 'dns', value: 'again.example.org' }])
  })

  it('32: a recovery with a new transactionID, the same key and names joins the open request (RFC 8894 section 5.2)', async () => {
    const by = device('recovery')
    const subject = { CN: 'recovery.example.org' }
    expect((await app.enrol(by, { subject, transactionId: 'r-1' })).pkiStatus).toBe('PENDING')
    const id = await app.newest()
    expect((await app.enrol(by, { subject, transactionId: 'r-2' })).pkiStatus).toBe('PENDING')
    expect(await app.newest(), 'nobody approves twice').toBe(id)
    await app.vote()
    const [first, second] = [leafOf(await poll(by, 'r-1')), leafOf(await poll(by, 'r-2'))]
    expect(second.serial).toBe(first.serial)
    expect(leafOf(await app.enrol(by, { subject, transactionId: 'r-2' })).serial).toBe(first.serial)
  })

  it('32: recoveries that arrive at once make one request', async () => {
    const by = device('crowd')
    const subject = { CN: 'crowd.example.org' }
    const before = await app.count()
    const replies = await Promise.all(
      Array.from({ length: 6 }, (_, i) => app.enrol(by, { subject, transactionId: `crowd-${i}` })),
    )
    expect(replies.map(({ pkiStatus }) => pkiStatus)).toEqual(replies.map(() => 'PENDING'))
    const after = await app.count()
    expect(after - before).toBe(1)
  })

  it('32: the same transactionID with another key is another request', async () => {
    const [one, other] = [device('constant 1'), device('constant 2')]
    await app.enrol(one, { subject: { CN: 'one.example.org' }, transactionId: 'constant' })
    await app.vote()
    expect((await poll(one, 'constant')).pkiStatus).toBe('SUCCESS')
    // 33 and pitfall "tid collision": a poll by another key knows nothing of it.
    expect(await poll(other, 'constant')).toMatchObject({ pkiStatus: 'FAILURE', failInfo: 'badCertId' })
    expect(
      (await app.enrol(other, { subject: { CN: 'other.example.org' }, transactionId: 'constant' })).pkiStatus,
    ).toBe('PENDING')
  })

  it('32: a constant transactionID of the same key with other names is another request, and the poll is about the latest', async () => {
    const by = device('constant names')
    await app.enrol(by, { subject: { CN: 'first.example.org' }, transactionId: 'same' })
    await app.vote()
    expect((await poll(by, 'same')).pkiStatus).toBe('SUCCESS')
    expect((await app.enrol(by, { subject: { CN: 'next.example.org' }, transactionId: 'same' })).pkiStatus).toBe(
      'PENDING',
    )
    expect((await poll(by, 'same')).pkiStatus).toBe('PENDING')
    await app.vote()
    expect(nameText(leafOf(await poll(by, 'same')).subject)).toBe('CN=next.example.org')
  })

  it('pitfall "tid collision": the same transactionID and key in two profiles are two transactions', async () => {
    await app.save('elsewhere')
    const by = device('two profiles')
    await app.enrol(by, { subject: { CN: 'two.example.org' }, transactionId: 'two' })
    expect(await poll(by, 'two', 'elsewhere')).toMatchObject({ pkiStatus: 'FAILURE', failInfo: 'badCertId' })
  })

  it('33: CertPoll for an unknown transaction is FAILURE badCertId (RFC 8894 section 4.4)', async () => {
    expect(await poll(device('unknown'), 'never begun')).toMatchObject({ pkiStatus: 'FAILURE', failInfo: 'badCertId' })
  })

  it('a denial is FAILURE badRequest with the reason as failInfoText', async () => {
    const by = device('denied')
    const asked = { subject: { CN: 'denied.example.org' }, transactionId: 'denied' }
    await app.enrol(by, asked)
    await app.vote({ verdict: 'deny', reason: 'this printer was sold <img onerror=x>' })
    for (const reply of [await poll(by, 'denied'), await app.enrol(by, asked)])
      expect(reply).toMatchObject({
        pkiStatus: 'FAILURE',
        failInfo: 'badRequest',
        text: 'this printer was sold <img onerror=x>',
      })
  })

  it('what the profile’s policy refuses is FAILURE badRequest, and stands in the record', async () => {
    await app.save('narrow', {}, { settings: { certificate: { names: { dns: ['.example.org'] } } } })
    const reply = await app.enrol(device('narrow'), { subject: { CN: 'a.example.com' }, profile: 'narrow' })
    expect(reply).toMatchObject({ pkiStatus: 'FAILURE', failInfo: 'badRequest' })
    expect(reply.text).toContain('a.example.com')
  })

  it('31: nonces, types and digest of the answer', async () => {
    const nonce = randomBytes(8)
    const by = device('nonces')
    const asked = { subject: { CN: 'nonces.example.org' }, transactionId: 'n', nonce, digest: 'sha512' } as const
    const [one, two] = [await app.enrol(by, asked), await app.enrol(by, asked)]
    expect(one).toMatchObject({ transactionId: 'n', recipientNonce: nonce, digest: 'sha512' })
    expect(one.senderNonce).toHaveLength(16)
    expect(one.senderNonce.equals(two.senderNonce)).toBe(false)
    const [ra] = await app.caCertificates()
    expect(createHash('sha256').update(one.signer).digest('hex')).toBe(
      createHash('sha256')
        .update(ra ?? '')
        .digest('hex'),
    )
  })

  it.each([
    ['aes-128-cbc', 'rsaes-pkcs1'],
    ['aes-256-cbc', 'oaep-sha256'],
    ['aes-192-cbc', 'oaep-sha1'],
    ['aes-128-cbc', 'oaep-sha256-mgf1-sha1'],
    ['des-ede3-cbc', 'rsaes-pkcs1'],
  ] as const)('30: a request in %s by %s is answered alike', async (cipher, transport) => {
    const by = device('mirror')
    const asked = {
      subject: { CN: `${transport}.${cipher}.example.org` },
      transactionId: `mirror ${cipher} ${transport}`,
      cipher,
      transport,
    }
    await app.enrol(by, asked)
    await app.vote()
    const reply = await app.enrol(by, asked)
    expect(reply).toMatchObject({ pkiStatus: 'SUCCESS', cipher, transport })
  })

  it('36: the chain comes with the certificate where the profile says so, the leaf first', async () => {
    await app.save('chained', { answer: 'chain' })
    const by = device('chained')
    const asked = { subject: { CN: 'chained.example.org' }, profile: 'chained' }
    await app.enrol(by, asked)
    await app.vote()
    const { certificates } = await app.enrol(by, asked)
    expect(certificates.map((der) => nameText(readCertificate(der).subject))).toEqual([
      'CN=chained.example.org',
      'CN=countersign Issuing CA',
      'CN=countersign Root CA',
    ])
    expect((await app.enrol(device('unchained'), { subject: { CN: 'un.example.org' } })).certificates).toEqual([])
  })

  it('a profile may refuse what comes without a challenge', async () => {
    await app.save('strict', { withoutChallenge: 'refuse' }, { rules: { issue: waits } })
    const reply = await app.enrol(device('strict'), { subject: { CN: 'strict.example.org' }, profile: 'strict' })
    expect(reply).toMatchObject({ pkiStatus: 'FAILURE', failInfo: 'badRequest' })
    expect(reply.text).toContain('challengePassword')
  })

  it('RFC 8894 section 3.1: a key that cannot decrypt gets its answer by the challenge, and without one nothing is issued', async () => {
    await app.save('curves', {}, { rules: { issue: [{ name: 'auto', auto: true }] } })
    const by = device('curve', 'P-256')
    const before = await app.count()
    const reply = await app.enrol(by, { subject: { CN: 'curve.example.org' }, profile: 'curves' })
    expect(reply).toMatchObject({ pkiStatus: 'FAILURE', failInfo: 'badAlg' })
    expect(await app.count()).toBe(before)
  })

  it('a CSR whose own signature is bad, one that is none, and an envelope that was altered get one answer (RFC 3218)', async () => {
    const by = device('oracle')
    const data = csrOf(by, { subject: { CN: 'oracle.example.org' } })
    const broken = Buffer.from(data)
    broken[broken.length - 1] = (broken.at(-1) ?? 0) ^ 1
    const replies = [
      await app.send({ data: broken, by }),
      await app.send({ data: Buffer.from('3003020101', 'hex'), by }),
      await app.send({ data: randomBytes(100), by }),
    ]
    expect(new Set(replies.map(({ failInfo, text }) => `${failInfo} ${text}`)).size).toBe(1)
    expect(replies[0]).toMatchObject({ pkiStatus: 'FAILURE', failInfo: 'badMessageCheck' })
  })
})
