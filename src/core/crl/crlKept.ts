import type { Database } from '../../db/open.ts'
import type { CrlKey, StoredCrl } from './crlStore.ts'

/** A CRL in memory, and until when it need not be looked at again. */
export interface KeptCrl {
  crl: StoredCrl
  /** The counter of revocations up to which it is known to be right. */
  revocations: number
  /** authorities.version: settings may ask for another one. */
  version: number
  /** Epoch milliseconds. */
  due: number
}

/** Octets of all CRLs in memory, of one database. */
const ROOM = 96 << 20

class KeptCrls {
  readonly #crls = new Map<string, { kept: KeptCrl; length: number }>()
  #length = 0

  get(key: CrlKey): KeptCrl | undefined {
    const name = nameOf(key)
    const found = this.#crls.get(name)
    if (!found) return undefined
    this.#crls.delete(name)
    this.#crls.set(name, found)
    return found.kept
  }

  /** Those that were asked for longest ago make room; the newest stays however long it is, or each request would make it anew. */
  set(key: CrlKey, kept: KeptCrl): void {
    this.#forget(nameOf(key))
    const length = kept.crl.parts.reduce((sum, part) => sum + part.length, 0)
    this.#crls.set(nameOf(key), { kept, length })
    this.#length += length
    for (const name of this.#crls.keys()) {
      if (this.#length <= ROOM || name === nameOf(key)) return
      this.#forget(name)
    }
  }

  #forget(name: string): void {
    const found = this.#crls.get(name)
    if (!found) return
    this.#crls.delete(name)
    this.#length -= found.length
  }
}

function nameOf({ issuerId, shard, delta }: CrlKey): string {
  return `${issuerId}:${shard}${delta ? ':delta' : ''}`
}

const kept = new WeakMap<Database, KeptCrls>()

/** The CRLs of this process, bounded by their octets. */
export function keptCrls(db: Database): KeptCrls {
  const known = kept.get(db) ?? new KeptCrls()
  kept.set(db, known)
  return known
}
