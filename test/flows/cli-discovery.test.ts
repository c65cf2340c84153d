import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { pemEncode } from '../../src/pki/pem.ts'
import { foreignCa } from '../helpers/foreignCa.ts'
import { type CliInstallation, startInstallation } from '../helpers/installation.ts'
import { freePorts } from '../helpers/ports.ts'
import { type RunningProgram, start } from '../helpers/program.ts'
import { rawPlace, type TlsPlace, tlsPlace } from '../helpers/tlsPlaces.ts'
import { until } from '../helpers/until.ts'

interface Found {
  id: number
  uuid: string
  subject: string
  source: string
  isNew: boolean
}
interface Answer {
  places: { place: string; outcome: string; certificates: Found[] }[]
  found: number
  newCertificates: number
}
interface Discovery {
  name: string
  run?: { running: boolean; looked: number; places: number; found: number; newCertificates: number }
}

/** Resolves when somebody listens there. */
const answers = (port: number) =>
  until(
    `a server on ${port}`,
    () =>
      new Promise<true | undefined>((resolve) => {
        const socket = connect(port, '127.0.0.1')
        // openssl serves one client at a time.
        socket.once('connect', () => {
          socket.destroy()
          resolve(true)
        })
        socket.once('error', () => resolve(undefined))
      }),
  )

describe('looking for certificates on the command line', () => {
  let at: CliInstallation
  const places: TlsPlace[] = []
  let openssl: RunningProgram
  let port: number
  let named: string
  beforeAll(async () => {
    at = await startInstallation()
    ;[port = 0] = await freePorts(1)
    const ca = await foreignCa(new Date())
    const issue = async () => {
      const { pem } = await ca.issue()
      const at = pem.indexOf('-----BEGIN PRIVATE')
      return { cert: pem.slice(0, at) + ca.certificate, key: pem.slice(at) }
    }
    for (const name of ['openssl', 'file', 'later']) {
      const { cert, key } = await issue()
      at.file(`${name}.pem`, cert)
      at.file(`${name}.key`, key)
    }
    at.file('ca.pem', ca.certificate)
    // It wants a client certificate, which it does not get.
    const wants = ['-Verify', '1', '-verify_return_error', '-CAfile', 'ca.pem', '-tls1_2', '-www']
    const shows = ['-cert', 'openssl.pem', '-key', 'openssl.key', '-cert_chain', 'ca.pem']
    openssl = start('openssl', ['s_server', '-accept', `127.0.0.1:${port}`, ...shows, ...wants], {
      cwd: at.server.workFolder,
      timeout: 600_000,
    })
    const node = await tlsPlace({ ...(await issue()), minVersion: 'TLSv1.3' })
    places.push(node)
    named = `node.localhost:${node.port}`
    await answers(port)
  }, 120_000)
  afterAll(async () => {
    for (const place of places) await place.close()
    openssl?.child.kill('SIGTERM')
    await at?.server.stop()
  })

  test('a server that wants a client certificate, and one of TLS 1.3 alone, show what they have', async () => {
    const where = `127.0.0.1:${port} ${named}`
    const answer = await at.json<Answer>(`discover ${where}`)
    expect(answer).toMatchObject({ found: 2, newCertificates: 3 })
    expect(answer.places.map(({ place }) => place)).toEqual(where.split(' '))
    for (const { certificates } of answer.places)
      expect(certificates).toMatchObject([
        { subject: 'CN=somebody', source: 'discovered', isNew: true },
        { subject: 'CN=Foreign CA', source: 'discovered' },
      ])
    const [first] = answer.places[0]?.certificates ?? []
    const shown = await at.cli(`certificate show ${first?.id}`)
    expect(shown).toMatchObject({ code: 0, stdout: expect.stringContaining('CN=somebody') })
    const again = await at.cli(`discover ${where}`)
    expect(again.code).toBe(0)
    expect(again.stdout).toMatch(/^PLACE +OUTCOME +ID +SUBJECT +ENDS +SOURCE +NEW +DETAIL\n/)
    expect(again.stdout).toMatch(new RegExp(`^127.0.0.1:${port} +found +${first?.id} +CN=somebody .* no `, 'm'))
  })

  test('a network shows what answers, and says how many do not', async () => {
    const { code, stdout, stderr } = await at.cli(`discover 127.0.0.0/28:${places[0]?.port}`)
    expect({ code, lines: stdout.trim().split('\n').length }).toEqual({ code: 0, lines: 3 })
    expect(stderr).toContain('15 more places of networks: 15 unreachable')
  })

  test('files and folders of whoever asks', async () => {
    const [one] = (await at.json<Answer>('discover ./file.pem')).places
    expect(one).toMatchObject({
      place: `file:${join(at.server.workFolder, 'file.pem')}`,
      certificates: [{ isNew: true }, { isNew: false }],
    })
    mkdirSync(join(at.server.workFolder, 'many'))
    const ca = await foreignCa(new Date(), { name: 'Many' })
    const ders = await Promise.all(Array.from({ length: 20 }, async () => (await ca.issue()).der))
    writeFileSync(join(at.server.workFolder, 'many/a.pem'), ders.map((der) => pemEncode('CERTIFICATE', der)).join(''))
    writeFileSync(join(at.server.workFolder, 'many/b.key'), 'nothing')
    const { places, newCertificates } = await at.json<Answer>('discover many')
    expect(newCertificates).toBe(20)
    expect(places.map(({ place, certificates }) => [place.split('/').at(-1), certificates.length])).toEqual([
      ['a.pem', 16],
      ['a.pem#17', 4],
    ])
  })

  test.each([
    ['10.0.0.0/8', 2, 'at most 2^16'],
    ['https://www.example.org/', 2, 'target'],
    ['./nothing.pem', 2, 'there is no such file'],
    ['192.0.2.1', 1, ''],
    ['./openssl.key', 1, ''],
  ])('discover %s ends with %i', async (where, code, said) => {
    expect(await at.cli(`discover ${where}`)).toMatchObject({ code, stderr: expect.stringContaining(said) })
  })

  test('a discovery is added, runs by itself, and is removed', async () => {
    expect(await at.cli(`discovery add web ${named} --every 24h`)).toMatchObject({ code: 0 })
    const done = await until('the end of a run', async () => {
      const [one] = await at.json<Discovery[]>('discovery ls')
      return one?.run && !one.run.running ? one : undefined
    })
    expect(done.run).toMatchObject({ looked: 1, places: 1, found: 1, newCertificates: 0 })
    expect((await at.cli('discovery ls')).stdout).toMatch(/^web .* 24h .* 1 of 1 +1 +0 +0$/m)
    expect((await at.cli('discovery places web')).stdout).toMatch(new RegExp(`^${named} +found +2 +0 `, 'm'))
    expect(await at.cli('discovery run web')).toMatchObject({ code: 0 })
    expect(await at.cli('discovery run other')).toMatchObject({ code: 3 })
    expect(await at.cli('discovery add web x.test')).toMatchObject({ code: 5 })
    expect(await at.cli('discovery add other x.test --every soon')).toMatchObject({ code: 2 })
    expect(await at.cli('discovery rm web')).toMatchObject({ code: 0 })
    expect((await at.cli('discovery ls')).stdout).toBe('none\n')
  })

  test('a run that is cut off by SIGKILL goes on where it was, and ends', { timeout: 120_000 }, async () => {
    const slow = await rawPlace(() => {})
    places.push(slow)
    const quiet = Array.from({ length: 39 }, (_, number) => `h${number}.localhost:${slow.port}`)
    expect((await at.cli(`discovery add cut ${quiet.join(' ')} 127.0.0.1:${port}`)).code).toBe(0)
    await at.cli('discovery run cut')
    const runOf = async () => (await at.json<Discovery[]>('discovery ls'))[0]?.run
    await until('the first batch', async () => ((await runOf())?.looked === 32 ? true : undefined))
    await at.server.kill('SIGKILL')
    // Beside a server that is gone the command line still works.
    expect(await runOf()).toMatchObject({ running: true, looked: 32, found: 0 })
    await at.server.restart()
    const ended = await until('the end', async () => {
      const run = await runOf()
      return run && !run.running ? run : undefined
    })
    expect(ended).toMatchObject({ looked: 40, places: 40, found: 1, unreadable: 39 })
  })

  test('without a server the command line looks by itself', async () => {
    await at.server.kill('SIGTERM')
    const answer = await at.json<Answer>(`discover 127.0.0.1:${port} ./later.pem`)
    expect(answer).toMatchObject({ found: 2, newCertificates: 1 })
  })
})
