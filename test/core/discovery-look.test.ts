import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { nameText } from '../../src/pki/name.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { discoveryReach, type ReachConfig } from '../../src/reach/discoveryReach.ts'
import { type ForeignCa, foreignCa } from '../helpers/foreignCa.ts'
import { plainHandshake, rawPlace, type TlsPlace, tlsPlace } from '../helpers/tlsPlaces.ts'

const places: TlsPlace[] = []
const open = async (place: Promise<TlsPlace>): Promise<TlsPlace> => {
  const opened = await place
  places.push(opened)
  return opened
}
afterEach(async () => {
  for (const place of places.splice(0)) await place.close()
})

const reach = (more: Partial<ReachConfig> = {}) =>
  discoveryReach({ networks: 'loopback', connectTimeout: 2_000, handshakeTimeout: 2_000, ...more })
const at = ({ port }: TlsPlace, more: Partial<ReachConfig> = {}, host = '127.0.0.1') => reach(more).server(host, port)

let ca: ForeignCa
let leaf: Awaited<ReturnType<ForeignCa['issue']>>
beforeAll(async () => {
  ca = await foreignCa(new Date())
  leaf = await ca.issue()
})
const shown = () => ({ key: leaf.pem, cert: leaf.pem + ca.certificate })

describe('a look at a TLS server', () => {
  test.each([
    ['TLS 1.3', { minVersion: 'TLSv1.3' }],
    ['TLS 1.2', { maxVersion: 'TLSv1.2' }],
    ['TLS 1.1', { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }],
    ['TLS 1.0', { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' }],
    ['TLS 1.3 that asks for a client certificate', { minVersion: 'TLSv1.3', requestCert: true }],
    ['TLS 1.2 that asks for a client certificate', { maxVersion: 'TLSv1.2', requestCert: true }],
  ] as const)('reads the whole chain of %s', async (_, options) => {
    const place = await open(tlsPlace({ ...shown(), ca: ca.certificate, ...options }))
    expect(await at(place)).toEqual({ outcome: 'found', certificates: [leaf.der, ca.fields.der] })
  })

  test('names the server that is asked for, and no server where there is only an address', async () => {
    const names: (string | false | undefined)[] = []
    const place = await open(
      tlsPlace({
        ...shown(),
        SNICallback(name, done) {
          names.push(name)
          done(null)
        },
      }),
    )
    expect(await at(place, {}, 'www.localhost')).toMatchObject({ outcome: 'found' })
    expect(await at(place)).toMatchObject({ outcome: 'found' })
    expect(names).toEqual(['www.localhost'])
  })

  test('adds no root of its own, and takes nothing that the server did not send', async () => {
    const place = await open(tlsPlace({ key: leaf.pem, cert: leaf.pem }))
    expect(await at(place)).toEqual({ outcome: 'found', certificates: [leaf.der] })
  })

  test('reads a chain that is no chain as it was sent', async () => {
    const other = await foreignCa(new Date(), { name: 'Other' })
    const cert = leaf.pem + other.certificate + ca.certificate
    const all = [leaf.der, other.fields.der, ca.fields.der]
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const place = await open(tlsPlace({ key: leaf.pem, cert, maxVersion }))
      expect(await at(place)).toEqual({ outcome: 'found', certificates: all })
    }
  })
})

describe('a look at a hostile server', () => {
  const hello = (serve: (socket: Socket) => void) => rawPlace((socket) => socket.once('data', () => serve(socket)))

  test('one that sends nothing is left after a while', async () => {
    const place = await open(rawPlace(() => {}))
    const look = await at(place, { handshakeTimeout: 200 })
    expect(look).toEqual({ outcome: 'unreadable', detail: 'the TLS handshake was not over within 0.2 s' })
  })

  test('one that sends an octet now and then is left after a while', async () => {
    const octets = Buffer.from(plainHandshake([leaf.der]))
    const place = await open(
      hello((socket) => {
        let sent = 0
        const timer = setInterval(() => socket.write(octets.subarray(sent, ++sent)), 20)
        socket.on('close', () => clearInterval(timer))
      }),
    )
    expect(await at(place, { handshakeTimeout: 300 })).toMatchObject({ outcome: 'unreadable' })
  })

  test('one that never stops sending records of a handshake is cut off', async () => {
    let sent = 0
    // A HelloRequest, which a client passes over (RFC 5246 section 7.4.1.1), in one record after the other.
    const chunk = Buffer.concat(Array.from({ length: 2000 }, () => Buffer.from([22, 3, 3, 0, 4, 0, 0, 0, 0])))
    const place = await open(
      hello((socket) => {
        const more = () => {
          while (!socket.destroyed && socket.write(chunk)) sent += chunk.length
        }
        socket.on('drain', more)
        more()
      }),
    )
    expect(await at(place)).toMatchObject({ outcome: 'unreadable' })
    expect(sent).toBeLessThan(16 * 1024 * 1024)
  })

  test('one that never stops sending after its handshake is not listened to', async () => {
    let sent = 0
    const place = await open(
      tlsPlace(shown(), (socket) => {
        const more = () => {
          while (!socket.destroyed && socket.write(Buffer.alloc(65_536))) sent += 65_536
        }
        socket.on('drain', more)
        more()
      }),
    )
    expect(await at(place)).toMatchObject({ outcome: 'found' })
    expect(sent).toBeLessThan(16 * 1024 * 1024)
  })

  test('one that speaks something else says what', async () => {
    const place = await open(rawPlace((socket) => socket.write('220 mail.test ESMTP\r\n')))
    expect(await at(place)).toEqual({
      outcome: 'unreadable',
      detail: 'the TLS handshake failed: wrong version number',
    })
  })

  test('one that hangs up at once', async () => {
    const place = await open(rawPlace((socket) => socket.destroy()))
    expect(await at(place)).toMatchObject({ outcome: 'unreadable', detail: expect.stringContaining('broken off') })
  })

  test('rubbish in the place of a certificate is handed on as what it is', async () => {
    const rubbish = Buffer.alloc(500, 0x41)
    const place = await open(hello((socket) => socket.write(plainHandshake([rubbish]))))
    expect(await at(place)).toEqual({ outcome: 'found', certificates: [rubbish] })
  })

  test('of 200 certificates the first 16 are read, and of one that is too long nothing', async () => {
    const many = await open(
      hello((socket) => socket.write(plainHandshake(Array.from({ length: 200 }, () => leaf.der)))),
    )
    const look = await at(many)
    expect(look).toMatchObject({ outcome: 'found', note: expect.stringContaining('at most 16') })
    expect('certificates' in look && look.certificates).toHaveLength(16)
    const long = await open(hello((socket) => socket.write(plainHandshake([Buffer.alloc(70_000, 0x30)]))))
    expect(await at(long)).toMatchObject({ outcome: 'unreadable', detail: expect.stringContaining('64 KiB') })
  })

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('1000 certificates over %s are more than is taken', async (version) => {
    const cert = leaf.pem + ca.certificate.repeat(1000)
    const place = await open(tlsPlace({ key: leaf.pem, cert, minVersion: version, maxVersion: version }))
    const look = await at(place)
    // OpenSSL itself stops at 100 KiB.
    if (look.outcome === 'found') expect(look.certificates.length).toBeLessThanOrEqual(16)
    else expect(look).toMatchObject({ outcome: 'unreadable', detail: expect.stringContaining('excessive') })
  })

  test('two hundred such servers leave no connection behind', async () => {
    let closed = 0
    const place = await open(
      rawPlace((socket) => {
        socket.resume()
        socket.write('no TLS here\r\n')
        socket.on('close', () => (closed += 1))
      }),
    )
    const one = reach()
    for (let batch = 0; batch < 10; batch++)
      await Promise.all(Array.from({ length: 20 }, () => one.server('127.0.0.1', place.port)))
    await expect.poll(() => closed).toBe(200)
  })
})

describe('what may not be reached', () => {
  test('nobody there is unreachable', async () => {
    const place = await tlsPlace(shown())
    await place.close()
    expect(await at(place)).toEqual({ outcome: 'unreachable', detail: 'the connection is refused' })
  })

  test.each([
    ['loopback, where it is not allowed', '127.0.0.1', 'public,private'],
    ['a name that leads there', 'localhost', 'public,private'],
    ['metadata', '169.254.169.254', 'any'],
    ['an IPv6 address that carries one of IPv4', '::ffff:127.0.0.1', 'public,private'],
    ['what is excluded', '127.0.0.1', 'any,!127.0.0.0/8'],
    ['link-local', '169.254.1.1', ''],
  ])('%s', async (_, host, networks) => {
    let connections = 0
    const place = await open(rawPlace(() => (connections += 1)))
    const look = await at(place, { networks }, host)
    expect(look).toMatchObject({
      outcome: 'refused',
      detail: expect.stringContaining('COUNTERSIGN_VALIDATION_NETWORKS'),
    })
    expect(connections).toBe(0)
  })

  test('a name without an address is unreachable', async () => {
    const look = await reach().server('no-such-name.invalid', 443)
    expect(look).toMatchObject({ outcome: 'unreachable' })
  })

  test('looks that are under way are broken off when the process ends', async () => {
    const place = await open(rawPlace(() => {}))
    const one = reach({ handshakeTimeout: 60_000 })
    const look = one.server('127.0.0.1', place.port)
    one.stop()
    expect(await look).toMatchObject({ outcome: expect.stringMatching(/unreachable|unreadable/) })
    expect(one.stopped).toBe(true)
  })
})

describe('a look at files', () => {
  let root: string
  beforeAll(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'countersign-discovery-')))
    mkdirSync(join(root, 'home/web/inner/a/b/c/d'), { recursive: true })
    writeFileSync(join(root, 'home/web/site.pem'), leaf.pem + ca.certificate)
    writeFileSync(join(root, 'home/web/inner/ca.der'), ca.fields.der)
    writeFileSync(join(root, 'home/web/inner/a/b/c/d/deep.pem'), leaf.pem)
    writeFileSync(join(root, 'home/web/key.pem'), '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n')
    writeFileSync(join(root, 'home/web/notes.txt'), pemEncode('CERTIFICATE', leaf.der))
    writeFileSync(join(root, 'home/large.pem'), Buffer.alloc(1024 * 1024 + 1, 0x20))
    writeFileSync(join(root, 'secret.pem'), ca.certificate)
    symlinkSync(join(root, 'secret.pem'), join(root, 'home/web/link.pem'))
    symlinkSync(root, join(root, 'home/up'))
  })
  afterAll(() => rmSync(root, { recursive: true, force: true }))
  const files = (...path: string[]) => reach({ folder: root }).files(path)

  test('those of a folder that are called like certificates, links left aside', async () => {
    const found = await files('home', 'web')
    expect(found).toEqual([
      { place: 'home/web/inner/ca.der', look: { outcome: 'found', certificates: [ca.fields.der] } },
      { place: 'home/web/key.pem', look: { outcome: 'unreadable', detail: 'there is no certificate in it' } },
      { place: 'home/web/site.pem', look: { outcome: 'found', certificates: [leaf.der, ca.fields.der] } },
    ])
  })

  test('one file, whatever it is called', async () => {
    const [found] = await files('home', 'web', 'notes.txt')
    const { certificates = [] } = found?.look.outcome === 'found' ? found.look : {}
    expect(certificates.map((der) => nameText(readCertificate(der).subject))).toEqual(['CN=somebody'])
  })

  test.each([
    ['a link', ['home', 'web', 'link.pem'], 'refused'],
    ['what is behind a link', ['home', 'up', 'secret.pem'], 'refused'],
    ['what is too long', ['home', 'large.pem'], 'unreadable'],
    ['what is not there', ['home', 'nothing.pem'], 'unreachable'],
    ['what is below a file', ['home', 'large.pem', 'x'], 'refused'],
  ])('%s is not read', async (_, path, outcome) => {
    const found = await files(...path)
    expect(found.map(({ look }) => look.outcome)).toEqual([outcome])
    expect(JSON.stringify(found)).not.toContain(root)
  })

  test('no file without a folder that the configuration names', async () => {
    const [found] = await reach().files(['home', 'web'])
    expect(found?.look).toMatchObject({ outcome: 'refused', detail: expect.stringContaining('DISCOVERY_FOLDER') })
  })
})
