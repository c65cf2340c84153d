import type { CertId } from '../../pki/ocsp.ts'
import { certIdKey, type IssuingKey, indexIssuingKeys, readIssuingKeys } from '../authority/issuingKey.ts'
import type { Installation } from '../installation.ts'
import type { Stamp } from './ocspLook.ts'

/** Every issuing key, and the one key that all questions of a request are about: undefined for another's, or several. */
export interface Issuers {
  all: readonly IssuingKey[]
  find(certIds: readonly CertId[]): IssuingKey | undefined
}

/** The issuing keys, read again when there are others. */
export function createIssuers(it: Installation): (stamp: Stamp) => Promise<Issuers> {
  const load = async (): Promise<Issuers> => {
    const all = await readIssuingKeys(it)
    const index = indexIssuingKeys(all)
    const find = (certIds: readonly CertId[]): IssuingKey | undefined => {
      const [first, ...others] = certIds.map(({ hash, issuerNameHash, issuerKeyHash }) =>
        index.get(certIdKey(hash, issuerNameHash, issuerKeyHash)),
      )
      return others.every((other) => other === first) ? first : undefined
    }
    return { all, find }
  }
  let loaded: Promise<Issuers> | undefined
  let current = ''
  return async (stamp: Stamp) => {
    if (!loaded || stamp.issuers !== current) {
      current = stamp.issuers
      loaded = load()
      loaded.catch(() => {
        loaded = undefined
      })
    }
    return loaded
  }
}
