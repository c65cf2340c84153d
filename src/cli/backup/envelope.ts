import { createCipheriv, createDecipheriv, createHmac, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { Transform } from 'node:stream'
import { promisify } from 'node:util'
import { Failure } from '../../core/failure.ts'

/**
 * A sealed stream. A header of 69 octets:
 *
 *   "countersign backup\n", the format (1), the cost of scrypt as log2 N, r and p (an octet each), a salt of 16 octets,
 *   and at last 16 + 16 octets: HMAC-SHA-256 over all before
 *
 * then chunks of 64 KiB, the last one shorter or as long, each AES-256-GCM with its tag behind it. The nonce is the chunk's number (11 octets) and
 * whether it is the last, so that no chunk can be left out, moved, doubled or cut off; the header's HMAC is authenticated with each.
 */
const MAGIC = Buffer.from('countersign backup\n')
const FORMAT = 1
const SALT = 16
const MAC = 32
const BARE = MAGIC.length + 4 + SALT
const HEADER = BARE + MAC
const CHUNK = 64 * 1024
const TAG = 16

/** 128 MiB and about half a second for each guess. */
const COST = { log2N: 17, r: 8, p: 1 }

/** Of 128 octets: 512 MiB. */
const MOST_BLOCKS = 2 ** 22

interface Keys {
  chunks: Buffer
  header: Buffer
}

const derive = promisify<string, Buffer, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(scrypt)

async function keysFrom(passphrase: string, bare: Buffer): Promise<Keys> {
  const [log2N = 0, r = 0, p = 0] = bare.subarray(MAGIC.length + 1)
  // Whoever wrote the header must not choose how much memory a look at it takes.
  const N = 2 ** log2N
  if (log2N < 10 || N * r > MOST_BLOCKS || r < 1 || p < 1 || p > 4) throw damaged('its header is damaged')
  const options = { N, r, p, maxmem: 256 * N * r + (1 << 20) }
  const both = await derive(passphrase.normalize('NFC'), bare.subarray(-SALT), 64, options)
  return { chunks: both.subarray(0, 32), header: both.subarray(32) }
}

function damaged(what: string): Failure {
  return new Failure('malformed', `${what}: the file is not as it was written, take another backup`)
}

function nonce(counter: number, last: boolean): Buffer {
  const octets = Buffer.alloc(12)
  octets.writeUIntBE(counter, 5, 6)
  octets.writeUInt8(last ? 1 : 0, 11)
  return octets
}

const macOf = (keys: Keys, bare: Buffer) => createHmac('sha256', keys.header).update(bare).digest()

/** Gathers what comes into pieces of one length; the last one, when all has come, may be shorter. */
function chunked(length: number, take: (piece: Buffer, last: boolean) => Buffer): Transform {
  let waiting: Buffer[] = []
  let size = 0
  return new Transform({
    transform(given: Buffer, _encoding, done) {
      waiting.push(given)
      size += given.length
      try {
        // Whether a piece is the last one is known only when more has come.
        if (size > length) {
          const all = Buffer.concat(waiting)
          let at = 0
          for (; all.length - at > length; at += length) this.push(take(all.subarray(at, at + length), false))
          waiting = [all.subarray(at)]
          size = all.length - at
        }
        done()
      } catch (error) {
        done(asError(error))
      }
    },
    flush(done) {
      try {
        this.push(take(Buffer.concat(waiting), true))
        done()
      } catch (error) {
        done(asError(error))
      }
    },
  })
}

const asError = (error: unknown) => (error instanceof Error ? error : new Error(String(error)))

/** Seals what is written to it. `cost` is for tests alone. */
export async function sealing(passphrase: string, cost = COST): Promise<Transform> {
  const bare = Buffer.concat([MAGIC, Buffer.of(FORMAT, cost.log2N, cost.r, cost.p), randomBytes(SALT)])
  const keys = await keysFrom(passphrase, bare)
  const mac = macOf(keys, bare)
  let counter = 0
  const stream = chunked(CHUNK, (piece, last) => {
    const cipher = createCipheriv('aes-256-gcm', keys.chunks, nonce(counter++, last)).setAAD(mac)
    return Buffer.concat([cipher.update(piece), cipher.final(), cipher.getAuthTag()])
  })
  stream.push(Buffer.concat([bare, mac]))
  return stream
}

/** How long the header is that `opening` wants. */
export const HEADER_OCTETS = HEADER

/**
 * Opens what follows the header of a sealed stream; each piece that leaves it is authentic, and all of it once it has ended without an error.
 * Throws Failure('malformed') for another kind of file, a newer format and a wrong passphrase; the stream ends with the same where it was changed.
 */
export async function opening(passphrase: string, header: Buffer): Promise<Transform> {
  if (!header.subarray(0, MAGIC.length).equals(MAGIC.subarray(0, header.length)))
    throw new Failure('malformed', 'this is no backup of countersign')
  const format = header[MAGIC.length]
  if (format !== undefined && format > FORMAT)
    throw new Failure('malformed', `the backup has format ${format}: it was made by a newer version of this program`)
  if (header.length < HEADER || format !== FORMAT) throw damaged('its header is damaged')
  const bare = header.subarray(0, BARE)
  const mac = header.subarray(BARE, HEADER)
  const keys = await keysFrom(passphrase, bare)
  if (!timingSafeEqual(macOf(keys, bare), mac))
    throw new Failure('malformed', 'the passphrase is not the one of this backup, or its header is damaged')
  let counter = 0
  return chunked(CHUNK + TAG, (piece, last) => {
    const part = counter++
    if (piece.length < TAG) throw damaged('its end is missing')
    try {
      const cipher = createDecipheriv('aes-256-gcm', keys.chunks, nonce(part, last), { authTagLength: TAG }).setAAD(mac)
      cipher.setAuthTag(piece.subarray(-TAG))
      return Buffer.concat([cipher.update(piece.subarray(0, -TAG)), cipher.final()])
    } catch {
      throw damaged(
        last ? 'its end is missing or damaged' : `it is damaged near octet ${HEADER + part * (CHUNK + TAG)}`,
      )
    }
  })
}
