import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'
import { readPkcs12 } from '../../src/pki/import.ts'
import { pemDecode } from '../../src/pki/pem.ts'
import { writePkcs12 } from '../../src/pki/pkcs12.ts'
import { run, succeed } from '../helpers/program.ts'

const folder = mkdtempSync(join(tmpdir(), 'pkcs12-'))
afterAll(() => rmSync(folder, { recursive: true }))
const password = 'correcthorsebattery2345x'

const keys = [
  ['EC', () => generateKeyPairSync('ec', { namedCurve: 'P-256' })],
  ['RSA', () => generateKeyPairSync('rsa', { modulusLength: 2048 })],
  ['Ed25519', () => generateKeyPairSync('ed25519')],
] as const

async function selfSigned(privateKey: ReturnType<(typeof keys)[number][1]>['privateKey'], name: string) {
  const file = join(folder, `${name}.pem`)
  writeFileSync(file, privateKey.export({ format: 'pem', type: 'pkcs8' }))
  const pem = await succeed('openssl', ['req', '-x509', '-key', file, '-subj', `/CN=${name}`, '-days', '10'])
  return pemDecode(pem)[0]?.der ?? Buffer.alloc(0)
}

it.each(keys)(
  'a file with an %s key opens in openssl, with its chain, and without the legacy provider',
  async (kind, make) => {
    const { privateKey } = make()
    const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' })
    const [own, issuer] = [await selfSigned(privateKey, kind), await selfSigned(keys[0][1]().privateKey, 'issuer')]
    const file = join(folder, `${kind}.p12`)
    writeFileSync(file, await writePkcs12({ certificates: [own, issuer], pkcs8, password, name: 'www – тест' }))
    const args = ['pkcs12', '-in', file, '-passin', `pass:${password}`, '-nodes']
    const text = await succeed('openssl', args)
    expect(text).toContain(privateKey.export({ format: 'pem', type: 'pkcs8' }).toString().trim())
    expect(pemDecode(text.replace(/-----BEGIN PRIVATE[\s\S]*END PRIVATE KEY-----/, '')).map(({ der }) => der)).toEqual([
      own,
      issuer,
    ])
    const { stdout, stderr } = await run('openssl', [...args, '-info', '-noout'])
    expect(stdout + stderr).toMatch(/MAC: sha256, Iteration 2048/)
    expect(stdout + stderr).toMatch(/PBES2, PBKDF2, AES-256-CBC, Iteration 10000, PRF hmacWithSHA256/)
    const ids = [...text.matchAll(/localKeyID: (.*)/g)].map(([, id]) => id)
    expect(ids).toHaveLength(2)
    expect(ids[0]).toBe(ids[1])
    const wrong = await run('openssl', ['pkcs12', '-in', file, '-passin', 'pass:other', '-nodes'])
    expect(wrong.code).not.toBe(0)
  },
)

it('what is written reads back, whatever name and chain it has', async () => {
  const { privateKey } = keys[0][1]()
  const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' })
  const own = await selfSigned(privateKey, 'own')
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 300 }), fc.nat(5), async (name, issuers) => {
      const certificates = [own, ...Array.from({ length: issuers }, () => own)]
      const file = await writePkcs12({ certificates, pkcs8, password, name })
      const read = await readPkcs12(file, password)
      expect(read.certificates).toEqual(certificates)
      expect(read.privateKey?.equals(privateKey)).toBe(true)
      await expect(readPkcs12(file, `${password}x`)).rejects.toMatchObject({ kind: 'badSignature' })
    }),
    { numRuns: 20 },
  )
})
