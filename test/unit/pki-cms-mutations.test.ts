import fc from 'fast-check'
import { expect, test } from 'vitest'
import { berToDer } from '../../src/pki/ber.ts'
import { readCertsOnly, writeCertsOnly } from '../../src/pki/certsOnly.ts'
import { integer, octets, printable, seq } from '../../src/pki/der.ts'
import { openEnvelopedData, readEnvelopedData, writeEnvelopedData } from '../../src/pki/envelopedData.ts'
import { PkiError } from '../../src/pki/error.ts'
import { readSignedData, verifySignedData } from '../../src/pki/signedData.ts'
import { messageSigner, writeSignedData } from '../../src/pki/signedDataWriter.ts'
import { ciphers, criticalAki, open, party, rsaRecipient } from '../helpers/cms.ts'
import { mutations } from '../helpers/mutate.ts'

// Good messages, changed within their structure: a value dropped, doubled, moved, retagged, emptied, wrapped, cut. Nothing but PkiError may come of it,
// and nothing that was signed may change.

const data = seq(integer(5), octets(Buffer.alloc(40, 7)))
const runs = { numRuns: 1500 }

function settle<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    expect(error).toBeInstanceOf(PkiError)
    return undefined
  }
}

async function settled<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    expect(error).toBeInstanceOf(PkiError)
    return undefined
  }
}

test('SignedData', async () => {
  const signer = party('P-256', { extensions: [criticalAki()] })
  const attributes = [{ oid: '2.16.840.1.113733.1.9.2', value: printable('19') }]
  const draft = { content: data, digest: 'sha256', attributes, chain: [party('P-384').certificate] } as const
  const good = await writeSignedData(draft, messageSigner(signer.certificate, signer.key))
  let passed = 0
  fc.assert(
    fc.property(mutations(good), (bytes) => {
      const read = settle(() =>
        verifySignedData(readSignedData(bytes), { digests: ['sha256', 'sha384'], contentMayBeAbsent: true }),
      )
      if (!read) return
      passed++
      expect(read.content).toEqual(data)
      expect([...read.attributes.keys()].sort()).toEqual(
        ['1.2.840.113549.1.9.3', '1.2.840.113549.1.9.4', '2.16.840.1.113733.1.9.2'].sort(),
      )
    }),
    runs,
  )
  // Some changes are of no consequence, in a certificate that nobody judges: the test reached the end.
  expect(passed).toBeGreaterThan(0)
})

test('EnvelopedData to a key', async () => {
  const { certificate, opener } = await rsaRecipient()
  for (const transport of ['rsaes-pkcs1', 'oaep-sha256'] as const) {
    const good = await writeEnvelopedData(data, { certificate, transport }, 'aes-128-cbc')
    await fc.assert(
      fc.asyncProperty(mutations(good), async (bytes) => {
        const opened = await settled(async () => open(bytes, opener))
        // The first block is at the mercy of the initial vector, and the cipher of nobody: CBC proves nothing.
        if (opened) expect(opened.content.subarray(16)).toEqual(data.subarray(16))
      }),
      { numRuns: 500 },
    )
  }
})

test('EnvelopedData to a password', async () => {
  const password = Buffer.from('secret')
  const good = await writeEnvelopedData(data, { password }, 'aes-128-cbc')
  await fc.assert(
    fc.asyncProperty(mutations(good), async (bytes) => {
      const opened = await settled(async () =>
        openEnvelopedData(readEnvelopedData(bytes), { keys: [], password, ciphers }),
      )
      if (opened) expect(opened.content.subarray(16)).toEqual(data.subarray(16))
    }),
    { numRuns: 300 },
  )
})

test('certificates only, and BER', () => {
  const good = writeCertsOnly([party('P-256').certificate, party('RSA-2048').certificate], [seq(integer(1))])
  fc.assert(
    fc.property(mutations(good), (bytes) => {
      settle(() => readCertsOnly(bytes))
      const der = settle(() => berToDer(bytes))
      if (der) expect(berToDer(der).equals(der)).toBe(true)
    }),
    runs,
  )
})
