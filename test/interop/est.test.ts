import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { authoritiesOf, certificatesIn, curlEst, enrolByCurl, verifyBelow } from '../helpers/estCurl.ts'
import {
  auto,
  createRsaAuthority,
  type EstServer,
  newCsr,
  newKey,
  review,
  SETUP_WITHIN,
  startEstServer,
} from '../helpers/estServer.ts'
import { type EstStrongswan, estStrongswan } from '../helpers/estStrongswan.ts'
import { serialOf } from '../helpers/openssl.ts'
import { succeed } from '../helpers/program.ts'
import { until } from '../helpers/until.ts'

const waits = { ...review[0], when: 'identifiers.exists(i, i.value.startsWith("waits-"))' }
const rules = { issue: [waits, ...auto] }

describe.each(['EC', 'RSA'] as const)('EST clients and an %s authority', (kind) => {
  let server: EstServer
  let pki: EstStrongswan

  beforeAll(async () => {
    server = await startEstServer()
    const authority = kind === 'RSA' ? await createRsaAuthority(server) : 'issuing'
    // strongSwan 5.9.8 knows no labels (EC8): it asks the profile `default`.
    await server.save({ name: 'default', authority, rules })
    await server.save({ name: 'open', authority, rules })
    pki = estStrongswan(server)
  }, SETUP_WITHIN)
  afterAll(() => server.stop())

  const verify = (cert: string, name: string) => verifyBelow(server, { label: 'open', cert, name })
  const basic = async (label: string, name: string) => `device:${await server.challenge(label, name)}`

  describe('strongSwan', () => {
    it('EC1, 15: pki --estca fetches the root and what is below it', async () => {
      const said = await pki.fetchCas()
      expect(said).toContain(kind === 'EC' ? 'Root CA cert is trusted' : 'Root CA cert is untrusted')
      const issuing = await succeed('openssl', ['x509', '-in', server.file('ca-1.pem'), '-noout', '-fingerprint'])
      const known = await succeed('openssl', [
        'x509',
        '-in',
        (await authoritiesOf(server, 'open')).issuing,
        '-noout',
        '-fingerprint',
      ])
      expect(issuing).toBe(known)
    })

    it('9, EC6: pki --est enrols by HTTP Basic with a challenge, and renews by the certificate with a new key', async () => {
      const name = 'one.localhost'
      const key = await newKey(server, 'one', kind)
      const csr = await pki.request(key, name)
      const cert = await pki.enrol(csr, 'one.pem', ['--userpass', await basic('default', name)])
      await verify(cert, name)
      const next = await pki.request(await newKey(server, 'one-next', kind), name)
      const renewed = await pki.enrol(next, 'one-next.pem', ['--cert', cert, '--key', key])
      await verify(renewed, name)
      expect(await serialOf(renewed)).not.toBe(await serialOf(cert))
    })

    it('pki --est enrols by a user’s name and token', async () => {
      const name = 'two.localhost'
      const csr = await pki.request(await newKey(server, 'two', kind), name)
      await verify(await pki.enrol(csr, 'two.pem', ['--userpass', `admin:${server.admin.token}`]), name)
    })

    it('17: pki --est is told 401 for a wrong password', async () => {
      const csr = await pki.request(await newKey(server, 'wrong', kind), 'wrong.localhost')
      const { code, stderr } = await pki.begin(csr, ['--userpass', 'device:WRONG']).ended
      expect(code).not.toBe(0)
      expect(stderr).toContain('HTTP 401')
    })

    it('18, EC10: pki --est polls until a person approves', async () => {
      const name = 'waits-yes.localhost'
      const csr = await pki.request(await newKey(server, 'waits-yes', kind), name)
      const client = pki.begin(csr, ['--userpass', await basic('default', name)])
      const { id } = await server.waiting(name)
      await until('a poll', async () => /polling/i.test(client.output().stderr) || undefined)
      await server.approve(id)
      const { code, stdout, stderr } = await client.ended
      expect(code, stderr).toBe(0)
      await verify(server.file('waits-yes.pem', stdout), name)
    })

    it('pki --est ends with 403 when a person denies', async () => {
      const name = 'waits-no.localhost'
      const csr = await pki.request(await newKey(server, 'waits-no', kind), name)
      const client = pki.begin(csr, ['--userpass', await basic('default', name)])
      const { id } = await server.waiting(name)
      await server.deny(id, 'sold')
      const { code, stderr } = await client.ended
      expect(code).not.toBe(0)
      expect(stderr).toContain('HTTP 403')
    })
  })

  describe('curl and openssl', () => {
    const enrolled = (name: string, more: object) => enrolByCurl(server, { label: 'open', name, kind, ...more })

    it('the profile default has no label', async () => {
      const { status, text } = await curlEst(server, { operation: 'cacerts' })
      expect(status).toBe(200)
      expect(await certificatesIn(text)).toEqual(
        await certificatesIn((await curlEst(server, { label: 'default', operation: 'cacerts' })).text),
      )
    })

    it('simpleenroll by a challenge, a user’s token as Basic, and as Bearer', async () => {
      await enrolled('basic.localhost', { basic: await basic('open', 'basic.localhost') })
      await enrolled('token.localhost', { basic: `admin:${server.admin.token}` })
      await enrolled('bearer.localhost', { bearer: server.admin.token })
    })

    it('simplereenroll by the certificate, with its key and with a new one; a new one for other names asks a person', async () => {
      const name = 'again.localhost'
      const client = await enrolled(name, { bearer: server.admin.token })
      for (const key of [client.key, await newKey(server, 'again-2', kind)]) {
        const body = await newCsr(server, { key, name })
        const answer = await curlEst(server, { label: 'open', operation: 'simplereenroll', body, client })
        expect(answer.status, answer.text).toBe(200)
        const cert = server.file('again-2.pem', (await certificatesIn(answer.text))[0])
        expect(await serialOf(cert)).not.toBe(await serialOf(client.cert))
        await verify(cert, name)
      }
      const body = await newCsr(server, { key: client.key, name: 'waits-other.localhost' })
      const other = await curlEst(server, { label: 'open', operation: 'simpleenroll', body, client })
      expect(other).toMatchObject({ status: 202, head: expect.stringMatching(/\r\nRetry-After: 1\r\n/) })
      const refused = await curlEst(server, { label: 'open', operation: 'simplereenroll', body, client })
      expect(refused).toMatchObject({ status: 403, text: expect.stringContaining('the subject and the names') })
    })
  })
})
