import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OID } from '../../src/pki/oid.ts'
import { type BouncyCastle, bouncyCastle } from '../helpers/bouncyCastle.ts'
import { root } from '../helpers/bundle.ts'
import { cliJson } from '../helpers/cliUsers.ts'
import { curlEst, verifyBelow } from '../helpers/estCurl.ts'
import { capabilities, decryptKey, keygenRequest, readKeyAnswer } from '../helpers/estKeygen.ts'
import { auto, type EstServer, newCsr, newKey, review, SETUP_WITHIN, startEstServer } from '../helpers/estServer.ts'
import { succeed } from '../helpers/program.ts'
import { until } from '../helpers/until.ts'

const waits = { ...review[0], when: 'identifiers.exists(i, i.value.startsWith("waits-"))' }
const issue = [waits, ...auto]

describe('csrattrs and serverkeygen with clients of others', () => {
  let server: EstServer
  let client: BouncyCastle

  beforeAll(async () => {
    server = await startEstServer()
    await server.save({ name: 'open', rules: { issue } })
    await server.save({ name: 'bound', rules: { issue }, est: { channelBinding: 'required' } })
    await server.save({ name: 'silent', est: { csrattrs: { form: 'none' } } })
    client = await bouncyCastle(server)
  }, SETUP_WITHIN)
  afterAll(() => server.stop())

  const withPassword = (label: string, name: string) => ({
    label,
    dns: name,
    dn: `CN=${name}`,
    user: 'admin',
    password: server.admin.token,
  })

  const sameKey = async (cert: string, key: string) =>
    expect(await succeed('openssl', ['pkey', '-in', key, '-pubout'])).toBe(
      await succeed('openssl', ['x509', '-in', cert, '-noout', '-pubkey']),
    )

  describe('Bouncy Castle', () => {
    it('csrattrs: reads the list, with the template beside it', async () => {
      const told = await client.succeed('csrattrs', { label: 'open' })
      for (const id of [
        OID.ecPublicKey,
        OID.extensionRequest,
        OID.ecdsaWithSHA256,
        OID.certificationRequestInfoTemplate,
      ])
        expect(told).toContain(`wants ${id}\n`)
      expect(told).not.toContain(OID.challengePassword)
    })

    it('16: reads that it must bind its request to the connection; and 204', async () => {
      expect(await client.succeed('csrattrs', { label: 'bound' })).toContain(`wants ${OID.challengePassword}\n`)
      expect(await client.succeed('csrattrs', { label: 'silent' })).toBe('no attributes\n')
    })

    it.each(['EC', 'RSA'])('serverkeygen: gets a key of the kind of its own (%s) with its certificate', async (alg) => {
      const name = `made-${alg.toLowerCase()}.localhost`
      const [out, newkey] = [server.file(`${name}.pem`), server.file(`${name}.key`)]
      const told = await client.succeed('serverkeygen', { ...withPassword('open', name), alg, out, newkey })
      expect(told).toContain(`issued CN=${name}`)
      expect(told).toContain(`key ${alg === 'EC' ? OID.ecPublicKey : OID.rsaEncryption}`)
      await sameKey(out, newkey)
      await verifyBelow(server, { label: 'open', cert: out, name })
    })

    it('serverkeygen: bound to its connection, and refused where it is not', async () => {
      const name = 'made-bound.localhost'
      const out = server.file(`${name}.pem`)
      await client.succeed('serverkeygen', { ...withPassword('bound', name), binding: 'right', out })
      await verifyBelow(server, { label: 'bound', cert: out, name })
      const { code, stdout } = await client.run('serverkeygen', withPassword('bound', name))
      expect(code).toBe(1)
      expect(stdout).toContain('refused 403 the request must be linked to its TLS connection')
    })

    it('serverkeygen: is told to wait, and finds the same key when it comes back', async () => {
      const name = 'waits-made.localhost'
      const [out, newkey] = [server.file(`${name}.pem`), server.file(`${name}.key`)]
      const asked = { ...withPassword('open', name), out, newkey: server.file(`${name}-asked.key`) }
      expect((await client.run('serverkeygen', asked)).stdout).toContain('still waits')
      await server.approve((await server.waiting(name)).id)
      await until('the certificate', async () => {
        const { code } = await client.run('serverkeygen', { ...asked, newkey })
        return code === 0 || undefined
      })
      await sameKey(out, newkey)
    })
  })

  describe('curl and openssl', () => {
    it('serverkeygen: plain', async () => {
      const name = 'curl.localhost'
      const body = await newCsr(server, { key: await newKey(server, name, 'RSA'), name })
      const answer = await curlEst(server, {
        label: 'open',
        operation: 'serverkeygen',
        body,
        basic: `admin:${server.admin.token}`,
      })
      expect(answer.status).toBe(200)
      expect(answer.head).toContain('Content-Type: multipart/mixed; boundary=')
      const [, key = '', certs = ''] = answer.text.split(/--estServerKeyGeneration(?:--)?\r\n/)
      const pem = (label: string, part: string) =>
        `-----BEGIN ${label}-----\n${part.split('\r\n\r\n')[1]?.trim()}\n-----END ${label}-----\n`
      const keyFile = server.file(`${name}-made.key`, pem('PRIVATE KEY', key))
      const p7 = server.file(`${name}.p7`, pem('PKCS7', certs))
      const cert = server.file(`${name}.pem`, await succeed('openssl', ['pkcs7', '-in', p7, '-print_certs']))
      await sameKey(cert, keyFile)
      await verifyBelow(server, { label: 'open', cert, name })
    })

    it('the lines of docs/protocols/est.md', async () => {
      const text = readFileSync(join(root, 'docs/protocols/est.md'), 'utf8')
      const blocks = [...text.matchAll(/```sh\n(.*?)```/gs)].map(([, lines = '']) => lines)
      const [attributes, keys] = [
        blocks.find((block) => block.includes('csrattrs')),
        blocks.find((block) => block.includes('serverkeygen')),
      ]
      if (!attributes || !keys) throw new Error('the page has no such lines')
      const name = 'gate-7.example.org'
      const here = (lines: string) =>
        lines
          .replaceAll('root.pem', server.process.rootPem)
          .replaceAll('https://ca.example.org:9443', server.url)
          .replaceAll('/est/gates/', '/est/open/')
          .replaceAll('device:CHALLENGE', `admin:${server.admin.token}`)
      const cwd = server.process.workFolder
      const dump = await succeed('bash', ['-euo', 'pipefail', '-c', here(attributes)], { cwd })
      expect(dump).toContain('id-ecPublicKey')
      await succeed('bash', ['-euo', 'pipefail', '-c', here(keys)], { cwd })
      await sameKey(join(cwd, 'cert.pem'), join(cwd, 'key.pem'))
      await verifyBelow(server, { label: 'open', cert: join(cwd, 'cert.pem'), name })
    })

    it('serverkeygen: to an AES key that the device knows, opened and verified by openssl cms', async () => {
      const words = ['kek', 'create', '--profile', 'open', '--identifier', 'device-7']
      const { key } = await cliJson<{ key: string }>(server.process, words, { token: server.admin.token })
      const name = 'sealed.localhost'
      const body = keygenRequest({ host: name, attributes: [decryptKey('device-7'), capabilities(OID.aes256Wrap)] })
      const asked = {
        label: 'open',
        operation: 'serverkeygen',
        body: body.toString('base64'),
        basic: `admin:${server.admin.token}`,
      }
      const { status, text, head } = await curlEst(server, asked)
      const type = /content-type: (multipart[^\r\n]+)/i.exec(head)?.[1]
      const { first } = readKeyAnswer({ status, text, headers: { 'content-type': type }, body: Buffer.from(text) })
      const [envelope, signed, message, content] = ['p7', 'der', 'cms', 'out'].map((end) =>
        server.file(`sealed.${end}`),
      )
      if (!envelope || !signed || !message || !content) throw new Error('no files')
      writeFileSync(envelope, first)
      const by = ['-secretkey', key, '-secretkeyid', Buffer.from('device-7').toString('hex')]
      await succeed('openssl', ['cms', '-decrypt', '-inform', 'DER', '-in', envelope, '-binary', ...by, '-out', signed])
      // The envelope holds a SignedData; openssl wants a ContentInfo around it.
      const inner = readFileSync(signed)
      const wrap = (tag: number, value: Buffer) =>
        Buffer.concat([Buffer.of(tag, 0x82, value.length >> 8, value.length & 255), value])
      const type7 = Buffer.from('06092a864886f70d010702', 'hex')
      writeFileSync(message, wrap(0x30, Buffer.concat([type7, wrap(0xa0, inner)])))
      const trust = ['-CAfile', server.process.rootPem, '-purpose', 'any']
      await succeed('openssl', [
        'cms',
        '-verify',
        '-inform',
        'DER',
        '-in',
        message,
        '-binary',
        ...trust,
        '-out',
        content,
      ])
      expect(await succeed('openssl', ['asn1parse', '-inform', 'DER', '-in', content])).toContain('id-ecPublicKey')
    })
  })
})
