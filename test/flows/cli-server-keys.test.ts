import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { OID } from '../../src/pki/oid.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { capabilities, decryptKey, keygenRequest, readKeyAnswer } from '../helpers/estKeygen.ts'
import { type CliInstallation, startInstallation } from '../helpers/installation.ts'
import { ask } from '../helpers/rawHttp.ts'

describe('keys that the server makes, on the command line', () => {
  let it: CliInstallation
  let as: { token: string }

  beforeAll(async () => {
    it = await startInstallation()
    as = { token: await it.token('maker') }
    for (const capability of ['manage', 'create_cert']) await it.json(`user grant ${capability} maker`)
    const auto = [{ name: 'nobody looks', auto: true }]
    for (const [name, keep] of [
      ['kept', true],
      ['forgotten', false],
    ] as const) {
      const profile = {
        name,
        authority: 'issuing',
        settings: { certificate: { type: 'client' } },
        protocols: { est: { serverkeygen: { keep } } },
        rules: { issue: auto, renew: auto, rekey: auto, revoke: auto },
      }
      expect(await it.cli('profile set -f -', { input: JSON.stringify(profile) })).toMatchObject({ code: 0 })
    }
  })
  afterAll(() => it?.server.stop())

  /** A key for a host by a token. */
  async function keyFor(profile: string, host: string, attributes: Buffer[] = []) {
    const { hostname, port } = new URL(it.server.mtlsBaseUrl)
    const answer = await ask({
      tls: true,
      host: hostname,
      port: Number(port),
      path: `/.well-known/est/${profile}/serverkeygen`,
      method: 'POST',
      headers: { Authorization: `Bearer ${as.token}`, 'Content-Type': 'application/pkcs10', 'User-Agent': 'test' },
      body: keygenRequest({ host, attributes }).toString('base64'),
    })
    const { first, certificate } = readKeyAnswer(answer)
    writeFileSync(join(it.server.workFolder, `${host}.pem`), pemEncode('CERTIFICATE', certificate))
    const serial = (await it.openssl('x509', '-in', `${host}.pem`, '-noout', '-serial')).trim().replace('serial=', '')
    return { first, serial: serial.toLowerCase() }
  }

  const path = (name: string) => join(it.server.workFolder, name)

  test('certificate export-key writes a kept key for its owner alone, once he may', async () => {
    const { first, serial } = await keyFor('kept', 'kept.test')
    const refused = await it.cli(`certificate export-key ${serial} --out ${path('key.pem')}`, as)
    expect(refused).toMatchObject({ code: 4, stderr: expect.stringContaining('export_private_key') })
    await it.json('user grant export_private_key maker')
    const written = await it.cli(`certificate export-key ${serial} --out ${path('key.pem')}`, as)
    expect(written).toMatchObject({ code: 0, stdout: `${path('key.pem')}\n` })
    expect(readFileSync(path('key.pem'), 'utf8')).toBe(pemEncode('PRIVATE KEY', first))
    expect(statSync(path('key.pem')).mode & 0o777).toBe(0o600)
    const again = await it.cli(`certificate export-key ${serial} --out ${path('key.pem')}`, as)
    expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('is there already') })
  })

  test('with a passphrase it is encrypted', async () => {
    const { first, serial } = await keyFor('kept', 'secret.test')
    const file = it.file('passphrase', 'open sesame\n')
    await it.json(`certificate export-key ${serial} --out ${path('sealed.pem')} --passphrase-file ${path(file)}`, as)
    expect(readFileSync(path('sealed.pem'), 'utf8')).toContain('ENCRYPTED PRIVATE KEY')
    await it.openssl('pkey', '-in', 'sealed.pem', '-passin', `file:${file}`, '-out', 'open.pem')
    expect(readFileSync(path('open.pem'), 'utf8')).toBe(pemEncode('PRIVATE KEY', first))
  })

  test('a forgotten key is refused and said; the local operator is no person', async () => {
    const { serial } = await keyFor('forgotten', 'gone.test')
    const refused = await it.cli(`certificate export-key ${serial} --out ${path('no.pem')}`, as)
    expect(refused).toMatchObject({ code: 3, stderr: expect.stringContaining('is not kept') })
    const operator = await it.cli(`certificate export-key ${serial} --out ${path('no.pem')}`)
    expect(operator).toMatchObject({ code: 4, stderr: expect.stringContaining('only a person') })
    expect(() => statSync(path('no.pem'))).toThrow()
  })

  test('kek create shows a key once, which opens what is encrypted to it; ls never shows it; revoke ends it', async () => {
    const made = await it.json<{ key: string; uuid: string }>('kek create --profile kept --identifier device-7', as)
    expect(made.key).toMatch(/^[0-9a-f]{64}$/)
    const attributes = [decryptKey('device-7'), capabilities(OID.aes256Wrap)]
    const { first } = await keyFor('kept', 'sealed.test', attributes)
    writeFileSync(path('envelope.der'), first)
    const id = Buffer.from('device-7').toString('hex')
    await it.openssl(
      'cms',
      '-decrypt',
      '-inform',
      'DER',
      '-in',
      'envelope.der',
      '-binary',
      '-secretkey',
      made.key,
      '-secretkeyid',
      id,
      '-out',
      'signed.der',
    )
    expect(statSync(path('signed.der')).size).toBeGreaterThan(500)
    const { stdout } = await it.cli('kek ls', as)
    expect(stdout).toContain('device-7')
    expect(stdout).not.toContain(made.key)
    await it.json(`kek revoke ${made.uuid}`, as)
    await expect(keyFor('kept', 'late.test', attributes)).rejects.toThrow('no key to encrypt to is known here')
  })

  test('kek create takes a key from the factory, and none that is no AES key', async () => {
    const key = '00112233445566778899aabbccddeeff'
    const file = it.file('factory', `${key}\n`)
    const words = `kek create --profile kept --identifier hex:00ff --key-file ${path(file)}`
    expect(await it.json(words, as)).toMatchObject({ key, identifier: 'hex:00ff' })
    const bad = it.file('bad', '0011\n')
    expect(await it.cli(`kek create --profile kept --key-file ${path(bad)}`, as)).toMatchObject({ code: 2 })
    const text = it.file('text', 'not hexadecimal\n')
    expect(await it.cli(`kek create --profile kept --key-file ${path(text)}`, as)).toMatchObject({ code: 2 })
    expect((await it.cli('kek create --profile kept')).stderr).toContain('only a person')
  })

  test('no key, envelope or secret is in what the server wrote', async () => {
    const { first } = await keyFor('kept', 'log.test')
    const { stdout, stderr } = it.server.output()
    for (const secret of [first.toString('base64').slice(40, 100), first.toString('hex').slice(40, 100), as.token])
      expect(stdout + stderr).not.toContain(secret)
    expect(stdout + stderr).toContain('/.well-known/est/kept/serverkeygen')
  })
})
