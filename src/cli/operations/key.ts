import { z } from 'zod'
import { Failure } from '../../core/failure.ts'
import { readCertificate } from '../../pki/certificateReader.ts'
import { parseCsr } from '../../pki/csr.ts'
import { PkiError } from '../../pki/error.ts'
import { pemDecode } from '../../pki/pem.ts'
import { operation } from '../operation.ts'
import { reason } from './fields.ts'

const pem = z.string().min(1).max(1_000_000)
const spkiSha256 = z.string().max(100)
const key = z.union([
  z.strictObject({ spkiSha256 }),
  z.strictObject({ certificate: pem }),
  z.strictObject({ csr: pem }),
])

export const listBlocked = operation({
  name: 'key.ls-blocked',
  input: z.strictObject({}),
  run: ({ door }) => door.admin.blockedKeys(),
})

export const block = operation({
  name: 'key.block',
  input: z.strictObject({ key, reason }),
  run: ({ door }, { key, reason }) => door.admin.blockKey({ spkiSha256: hashOf(key), reason }),
})

export const unblock = operation({
  name: 'key.unblock',
  input: z.strictObject({ key }),
  run: async ({ door }, { key }) => {
    const hash = hashOf(key)
    await door.admin.unblockKey(hash)
    return { spkiSha256: hash }
  },
})

/** Throws Failure('malformed') for what holds no key. */
function hashOf(given: z.output<typeof key>): string {
  if ('spkiSha256' in given) return given.spkiSha256
  try {
    const [first] = pemDecode('csr' in given ? given.csr : given.certificate)
    if (!first) throw new Failure('malformed', 'there is no PEM in it')
    return ('csr' in given ? parseCsr(first.der, { allowSha1: true }) : readCertificate(first.der)).publicKey.spkiHash
  } catch (cause) {
    if (!(cause instanceof PkiError)) throw cause
    throw new Failure('malformed', cause.message, { cause })
  }
}
