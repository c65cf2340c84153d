import { createHash, randomBytes } from 'node:crypto'
import { hash, verify } from '@node-rs/argon2'
import { Failure } from '../failure.ts'
import { createPlaces } from '../places.ts'

/** argon2id with 19 MiB, two passes, one lane: the first choice of OWASP's Password Storage Cheat Sheet; some 10 ms. */
const cost = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }

/** Each takes 19 MiB and a thread of the pool, of which there are four: some are left to others. */
const hashing = createPlaces({
  name: 'passwords',
  atOnce: 3,
  waiting: 200,
  full: 'too many passwords are being looked at',
})

const shortest = 12
const longest = 200

/** What is verified where there is no password, so that an unknown name takes as long as a wrong password. */
let nobodys: Promise<string> | undefined

/**
 * PHC string of the argon2id hash. Outside transactions only: it runs in the thread pool. Throws Failure('malformed') for
 * a password of fewer than 12 characters (NIST SP 800-63B asks for length and nothing else), or than `least`, or of more than 200.
 */
export async function hashPassword(password: string, least = shortest): Promise<string> {
  const characters = [...password.normalize('NFC')].length
  if (characters < least) throw new Failure('malformed', `a password has at least ${least} characters`)
  if (characters > longest) throw new Failure('malformed', `a password has at most ${longest} characters`)
  return hashing.take(() => hash(password.normalize('NFC'), cost))
}

/** Whether the password belongs to the hash. Without a hash it takes as long and answers no. */
export async function passwordMatches(stored: string | null | undefined, password: string): Promise<boolean> {
  const usable = typeof stored === 'string' && password.length <= 4 * longest
  nobodys ??= hash(randomBytes(32), cost)
  const against = usable ? stored : await nobodys
  const matches = await hashing.take(() => verify(against, usable ? password.normalize('NFC') : ''))
  return usable && matches
}

/** SHA-256 in hex: how secrets of 32 random octets (tokens, setup links) are stored and found. */
export function secretHash(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** 32 random octets as base64url. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url')
}
