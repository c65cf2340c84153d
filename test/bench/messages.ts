// What enveloped messages (SCEP) cost beside their RSA arithmetic, and in which thread: npx tsx test/bench/messages.ts. See docs/decisions/hot-path.md.
import {
  constants,
  generateKeyPairSync,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  sign,
  verify,
} from 'node:crypto'
import { promisify } from 'node:util'
import { ContentInfo, SignedData as PkijsSignedData } from 'pkijs'
import { octets, printable, seq } from '../../src/pki/der.ts'
import { openEnvelopedData, readEnvelopedData, writeEnvelopedData } from '../../src/pki/envelopedData.ts'
import { decryptionKey } from '../../src/pki/keyTransport.ts'
import { readSignedData, verifySignedData } from '../../src/pki/signedData.ts'
import { messageSigner, writeSignedData } from '../../src/pki/signedDataWriter.ts'
import { authority, keyPair } from '../helpers/pkiSamples.ts'
import { median } from './report.ts'

const ROUNDS = 7
const BATCH_MS = 300
const signInPool = promisify(sign)

/** CPU and wall microseconds of one call, of one batch. */
async function cost(work: () => unknown): Promise<{ cpu: number; wall: number }> {
  const start = performance.now()
  const before = process.cpuUsage()
  let calls = 0
  for (; performance.now() < start + BATCH_MS; calls++) await work()
  const { user, system } = process.cpuUsage(before)
  return { cpu: (user + system) / calls, wall: ((performance.now() - start) * 1000) / calls }
}

/** Medians of interleaved rounds. */
async function measure(works: Record<string, () => unknown>): Promise<void> {
  const all = Object.entries(works)
  const taken = new Map<string, { cpu: number; wall: number }[]>(all.map(([name]) => [name, []]))
  for (const [, work] of all) await cost(work)
  for (let round = 0; round < ROUNDS; round++)
    for (const [name, work] of round % 2 ? [...all].reverse() : all) taken.get(name)?.push(await cost(work))
  for (const [name, rounds] of taken) {
    const of = (key: 'cpu' | 'wall') => median(rounds.map((each) => each[key])).toFixed(0)
    process.stdout.write(`${name.padEnd(44)} cpu ${of('cpu')} µs, wall ${of('wall')} µs\n`)
  }
}

function threads(size: number): Record<string, () => unknown> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: size })
  const ciphertext = publicEncrypt({ key: publicKey, padding: constants.RSA_PKCS1_PADDING }, Buffer.alloc(16))
  const data = Buffer.alloc(300)
  return {
    [`RSA-${size} decrypt, in this thread`]: () => raw(privateKey, ciphertext),
    [`RSA-${size} sign, in this thread`]: () => sign('sha256', data, privateKey),
    [`RSA-${size} sign, in the pool, one at a time`]: () => signInPool('sha256', data, privateKey),
  }
}

const raw = (key: KeyObject, ciphertext: Buffer) =>
  privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, ciphertext)

async function messages(): Promise<Record<string, () => unknown>> {
  const [ra, device] = await Promise.all(['ra', 'device'].map((cn) => authority('RSA-2048', { cn })))
  if (!ra || !device) throw new Error('no certificates')
  const [raKey, deviceKey] = ['ra', 'device'].map((cn) => keyPair('RSA-2048', `ca ${cn}`))
  if (!raKey || !deviceKey) throw new Error('no keys')
  const attributes = [
    { oid: '2.16.840.1.113733.1.9.2', value: printable('19') },
    { oid: '2.16.840.1.113733.1.9.7', value: printable('A'.repeat(32)) },
    { oid: '2.16.840.1.113733.1.9.5', value: octets(Buffer.alloc(16)) },
  ]
  const data = seq(octets(Buffer.alloc(900)))
  const to = { certificate: ra.certificate, transport: 'rsaes-pkcs1' } as const
  const envelope = await writeEnvelopedData(data, to, 'aes-128-cbc')
  const draft = { content: envelope, digest: 'sha256', attributes } as const
  const message = await writeSignedData(draft, messageSigner(device.certificate, deviceKey.privateKey))
  const opener = { keys: [decryptionKey(ra.certificate, raKey.privateKey)], ciphers: ['aes-128-cbc'] } as const
  const signer = messageSigner(ra.certificate, raKey.privateKey)
  const read = () => verifySignedData(readSignedData(message), { digests: ['sha256'] })
  const open = (bytes: Buffer) => openEnvelopedData(readEnvelopedData(bytes), opener)
  const known = read()
  const [info] = readEnvelopedData(envelope).keyRecipients
  const ciphertext = info?.encryptedKey ?? Buffer.alloc(0)
  return {
    'SignedData: read and verified': read,
    'the same by pkijs': () =>
      new PkijsSignedData({ schema: ContentInfo.fromBER(message).content }).verify({ signer: 0 }),
    'EnvelopedData: read and opened': () => open(envelope),
    'EnvelopedData: written': () => writeEnvelopedData(data, { ...to, certificate: known.signer }, 'aes-128-cbc'),
    'SignedData: written': () => writeSignedData(draft, signer),
    'all four, as one answer needs them': async () => {
      const { signer: certificate, content } = read()
      const opened = await open(content ?? Buffer.alloc(0))
      await writeSignedData(
        { ...draft, content: await writeEnvelopedData(opened.content, { ...to, certificate }, opened.cipher) },
        signer,
      )
    },
    'the RSA arithmetic of all four': () => {
      verify('sha256', data, deviceKey.publicKey, ciphertext)
      raw(raKey.privateKey, ciphertext)
      publicEncrypt({ key: deviceKey.publicKey, padding: constants.RSA_PKCS1_PADDING }, Buffer.alloc(16))
      sign('sha256', data, raKey.privateKey)
    },
  }
}

for (const size of [2048, 3072]) await measure(threads(size))
await measure(await messages())
