import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { Failure } from '../failure.ts'
import { createKeyVault, type KeyVault } from '../key.ts'

const version = 2
const ID_OCTETS = 8
const PREFIX = 1 + ID_OCTETS
const NONCE = 12
const TAG = 16

/** The keys that are readable now, by their ids (16 lower-case hex digits), 32 octets each. */
export interface RingKeys {
  keys: ReadonlyMap<string, Buffer>
  current: string
  /** Which one sealed in the first format, that names no key; absent: none of these. */
  first?: string
}

/** A vault whose key can be changed: what is sealed names its key, so that old and new are readable side by side. */
export interface KeyRing extends KeyVault {
  /** From now on these. */
  turn(to: RingKeys): void
  /** What every value begins with that is sealed under the current key. */
  prefix(): Buffer
}

/** Milliseconds: who has not looked for so long whether the key was changed seals nothing. Less than a change takes (keyRotation.ts). */
const FRESH = 8_000

/**
 * Before its first change an installation seals in the first format, as createKeyVault does.
 *
 * @param shared other processes may change the key beside this one, which calls `turn` every few seconds: what it holds is good for FRESH ms, and a key that
 * it does not know may be new
 */
export function createKeyRing(initially: RingKeys, { shared = false, now = Date.now } = {}): KeyRing {
  let ring = initially
  let looked = { at: now(), monotonic: performance.now(), times: 0 }
  /** Keys that were asked for and not there, with how many looks there had been. */
  const missed = new Map<string, number>()
  const isFresh = () => !shared || (Math.abs(now() - looked.at) < FRESH && performance.now() - looked.monotonic < FRESH)
  const keyOf = (id: string) => {
    const key = ring.keys.get(id)
    if (key) return key
    const before = missed.get(id) ?? looked.times
    missed.set(id, before)
    // The first look after may have begun before.
    throw shared && looked.times < before + 2 ? justChanged() : goneForGood(id)
  }
  const firstVault = () => {
    const key = ring.first === undefined ? undefined : ring.keys.get(ring.first)
    return key && createKeyVault(key)
  }
  let first = firstVault()
  return {
    turn(to) {
      ring = to
      first = firstVault()
      looked = { at: now(), monotonic: performance.now(), times: looked.times + 1 }
    },
    prefix: () => (ring.first === ring.current ? Buffer.of(1) : prefixOf(ring.current)),
    seal(secret, uuid, purpose) {
      if (!isFresh()) throw justChanged('has not been looked at for long, and may have been changed')
      if (ring.first === ring.current && first) return first.seal(secret, uuid, purpose)
      const prefix = prefixOf(ring.current)
      const nonce = randomBytes(NONCE)
      const cipher = createCipheriv('aes-256-gcm', keyOf(ring.current), nonce)
      cipher.setAAD(contextOf(prefix, uuid, purpose))
      return Buffer.concat([prefix, nonce, cipher.update(secret), cipher.final(), cipher.getAuthTag()])
    },
    open(sealed, uuid, purpose) {
      if (sealed[0] !== version) {
        if (first) return first.open(sealed, uuid, purpose)
        throw closed(new Error('it is sealed under a key that is not used any more'))
      }
      const prefix = sealed.subarray(0, PREFIX)
      const key = keyOf(prefix.subarray(1).toString('hex'))
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(PREFIX, PREFIX + NONCE), {
          authTagLength: TAG,
        })
        decipher.setAAD(contextOf(prefix, uuid, purpose)).setAuthTag(sealed.subarray(-TAG))
        return Buffer.concat([decipher.update(sealed.subarray(PREFIX + NONCE, -TAG)), decipher.final()])
      } catch (cause) {
        throw closed(cause)
      }
    },
  }
}

function prefixOf(id: string): Buffer {
  return Buffer.concat([Buffer.of(version), Buffer.from(id, 'hex')])
}

function contextOf(prefix: Buffer, uuid: string, purpose: string): Buffer {
  return Buffer.from(`countersign key ${prefix.toString('hex')}\n${uuid}\n${purpose}`)
}

/** Another node may have changed the key a moment ago: this one hears of it within seconds (keySecret.ts). */
function justChanged(what = 'has just been changed'): Failure {
  return new Failure('unavailable', `the key-encryption key ${what}: try again in a few seconds`, { retryAfter: 5 })
}

function goneForGood(id: string): Failure {
  return new Failure(
    'internal',
    `a stored key cannot be opened: it is sealed under the key-encryption key ${id}, which is none of this installation any more; a backup from before that one was changed has it`,
  )
}

function closed(cause: unknown): Failure {
  const detail = 'a stored key cannot be opened: the key-encryption key is not the one that sealed it'
  return new Failure('internal', detail, { cause })
}
